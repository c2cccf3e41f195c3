"""A pool as it is read back from a store."""

from __future__ import annotations

import json
from types import SimpleNamespace

from poolfleet.inventory.store.pools import seen
from poolfleet.types.pool import StorageSigns
from tests.unit.client.inventory.answers import NOON


def row(host: str, *, signs: str) -> SimpleNamespace:
    return SimpleNamespace(
        host=host, site=None, agent_id=f"agent-of-{host}", status="ok", uuid="u", name="vm", type="netfs",
        state="running", capacity_bytes=None, filesystem_id="", own_storage_id="0f1e2d3c", storage_source="marker",
        aliases="[]", fingerprint="", signs=signs,
    )  # fmt: skip


def test_the_signs_that_all_hosts_of_a_storage_tell_are_kept_once() -> None:
    agents = tuple(f"agent-of-{number}" for number in range(1000))
    told = [json.dumps([NOON.isoformat(), agents]) for _ in "ab"]
    one, other = (seen(row(host, signs=text)).pool.storage for host, text in zip("ab", told, strict=True))
    assert one is not None
    assert other is not None
    assert one.signs == StorageSigns(since=NOON, agent_ids=agents)
    assert one.signs is other.signs
