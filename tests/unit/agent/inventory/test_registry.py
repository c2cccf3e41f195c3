"""The registry: one revision for each change, none for what only grew older, and pools in the order of their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, Pool, PoolHealth
from tests.unit.agent.fake_host import pool_facts, volume_facts

HEALTH = PoolHealth(status=HealthStatus.HEALTHY, since_s=1.0, probed_at_s=1.0)


def entry(name: str, *volumes: str) -> PoolEntry:
    records = {one: VolumeRecord(facts=volume_facts(name, one), etag="", encoded=one.encode()) for one in volumes}
    return PoolEntry(pool=Pool(facts=pool_facts(name), etag="", health=HEALTH), encoded=b"", volumes=records)


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    registry.looked_at_all([entry("b"), entry("a", "v")], {}, 10.0)
    return registry


def sequence(registry: Registry) -> int:
    return registry.snapshot.revision.sequence


def test_a_host_that_was_never_read_is_no_empty_host() -> None:
    with pytest.raises(ModelError) as unread:
        Registry().snapshot.entry("a")
    assert unread.value.reason is Reason.REGISTRY_NOT_LOADED


def test_an_unknown_pool_is_not_found(registry: Registry) -> None:
    with pytest.raises(ModelError) as unknown:
        registry.snapshot.entry("x")
    assert unknown.value.reason is Reason.POOL_NOT_FOUND


def test_pools_are_in_the_order_of_their_names_whatever_comes(registry: Registry) -> None:
    registry.put(entry("aa"))
    registry.put(entry("0"))
    assert list(registry.snapshot.pools) == ["0", "a", "aa", "b"]


def test_each_change_is_one_revision(registry: Registry) -> None:
    changes: list[Callable[[], None]] = [
        lambda: registry.put(entry("c")),
        lambda: registry.put(entry("a", "v", "w")),
        lambda: registry.put(entry("a")),
        lambda: registry.remove("c"),
        lambda: registry.put_disks(DomainDisks(disks=(), missing=(), as_of_s=0.0)),
        lambda: registry.put_disks(DomainDisks(disks=(), missing=("x",), as_of_s=0.0)),
    ]
    for change in changes:
        before = sequence(registry)
        change()
        assert sequence(registry) == before + 1


def test_what_is_only_newer_is_no_revision(registry: Registry) -> None:
    before = sequence(registry)
    seen = entry("a", "v")
    seen = replace(
        seen, pool=replace(seen.pool, as_of_s=99.0, volumes_as_of_s=99.0, health=replace(HEALTH, probed_at_s=99.0))
    )
    registry.put(seen)
    registry.remove("unknown")
    registry.looked_at_all([], {}, 99.0)
    registry.put_disks(DomainDisks(disks=(), missing=(), as_of_s=0.0))
    assert registry.snapshot.disks is not None
    registry.put_disks(DomainDisks(disks=(), missing=(), as_of_s=99.0))
    assert sequence(registry) == before + 1
    assert registry.snapshot.pools["a"].pool.as_of_s == 99.0
    assert registry.snapshot.disks.as_of_s == 99.0


def test_a_snapshot_that_somebody_reads_does_not_change_under_them(registry: Registry) -> None:
    held = registry.snapshot
    registry.put(entry("c"))
    registry.remove("a")
    assert list(held.pools) == ["a", "b"]


def test_a_look_at_all_that_could_not_read_everything_leaves_the_age_as_it_is(registry: Registry) -> None:
    registry.looked_at_all([], {"a": ModelError(Reason.POOL_UNRESPONSIVE, "hangs")}, 99.0)
    assert registry.snapshot.as_of_s == 10.0
    assert not registry.snapshot.never_read, "it was read before"
