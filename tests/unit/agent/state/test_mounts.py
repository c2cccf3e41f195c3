"""What is known of mounts outlives the agent."""

from __future__ import annotations

from pathlib import Path

from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.ports import MountRecord
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.mounts import SqliteMounts

TRIED = MountRecord(target="/b", source="nfs1:/b", owner=MountOwner.AGENT, boot_id="boot", attempting=True)
KNOWN = MountRecord(target="/a", source="nfs1:/a", owner=MountOwner.FOREIGN, boot_id="boot", address="10.0.0.1")


async def test_a_record_is_kept_whole_replaced_and_removed(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    store = SqliteMounts(database)
    for record in (TRIED, KNOWN):
        await store.save(record)
    await database.close()
    database = await Database.open(tmp_path)
    store = SqliteMounts(database)
    assert await store.load_all() == [KNOWN, TRIED]
    await store.remove("/b")
    assert await store.load_all() == [KNOWN]
    await database.close()
