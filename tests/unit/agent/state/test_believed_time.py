"""The time that was believed last outlasts the agent."""

from __future__ import annotations

from pathlib import Path

from poolfleet_agent.model.ports import BelievedTimeStore
from poolfleet_agent.state.believed_time import SqliteBelievedTime
from poolfleet_agent.state.database import Database


async def test_the_last_one_is_kept(directory: Path) -> None:
    database = await Database.open(directory)
    store: BelievedTimeStore = SqliteBelievedTime(database)
    assert await store.load() is None
    for at_s in (1.5e9, 1.6e9 + 0.25):
        await store.save(at_s)
    await database.close()
    reopened = await Database.open(directory)
    assert await SqliteBelievedTime(reopened).load() == 1.6e9 + 0.25
    await reopened.close()
