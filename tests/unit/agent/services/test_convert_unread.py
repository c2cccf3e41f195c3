"""Whose volumes are not known as they are: what was seen before, what was never listed, and what was never read."""

from __future__ import annotations

from dataclasses import replace

from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.services.convert.unread import unread_pools
from tests.unit.agent.fake_host import pool_facts


def entry(name: str, *, active: bool = True, listed: bool = True, reason: str = "") -> PoolEntry:
    pool = Pool(facts=pool_facts(name, active=active), etag="", volumes_as_of_s=1.0 if listed else None)
    return PoolEntry(pool=replace(pool, unread_reason=reason, unread_message=reason), encoded=b"")


def test_a_pool_that_was_not_listed_yet_is_no_empty_pool() -> None:
    entries = [
        entry("listed"), entry("new", listed=False), entry("stopped", active=False, listed=False),
        entry("silent", reason=Reason.POOL_UNRESPONSIVE),
    ]  # fmt: skip
    unread = unread_pools(entries, {"odd": ModelError(Reason.INTERNAL, "no")})
    assert [(one.pool, one.reason) for one in unread] == [
        ("new", "LIBVIRT_UNAVAILABLE"), ("silent", "POOL_UNRESPONSIVE"), ("odd", "INTERNAL"),
    ]  # fmt: skip
