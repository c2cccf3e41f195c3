"""What is new between two looks at a pool, and what of it makes a revision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from poolfleet_agent.inventory.diff import pool_change
from poolfleet_agent.inventory.registry import USAGE_TOLD_EVERY_S, Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.pool import Pool
from tests.unit.agent.fake_host import pool_facts, volume_facts


def record(name: str, **differing: Any) -> VolumeRecord:
    facts = replace(volume_facts("p", name), **differing)
    return VolumeRecord(facts=facts, etag="", encoded=repr(facts).encode())


def entry(*records: VolumeRecord, as_of_s: float = 0.0, **differing: Any) -> PoolEntry:
    pool = Pool(facts=replace(pool_facts("p"), **differing), etag="", as_of_s=as_of_s)
    return PoolEntry(pool=pool, encoded=b"", volumes={one.facts.name: one for one in records})


def test_volumes_are_told_by_what_became_of_them() -> None:
    before = entry(record("gone"), record("grown"), record("same"), record("written"))
    after = entry(
        record("grown", capacity_bytes=9), record("new"), record("same"), record("written", modified_at_s=2000.0)
    )
    change = pool_change(before, after)
    assert (change.added, change.changed, change.removed) == (("new",), ("grown",), ("gone",))
    assert change.used == ("written",)
    assert change.lasting
    assert not change.itself


def test_a_new_pool_is_new_with_all_that_it_has() -> None:
    change = pool_change(None, entry(record("a"), record("b")))
    assert (change.itself, change.added) == (True, ("a", "b"))


def test_of_two_equal_looks_nothing_is_new() -> None:
    change = pool_change(entry(record("a"), as_of_s=1.0), entry(record("a"), as_of_s=2.0))
    assert not change.lasting
    assert not change.usage


def test_free_space_is_usage_and_a_definition_is_not() -> None:
    used = pool_change(entry(), entry(available_bytes=1, xml="<available>1</available>"))
    assert (used.lasting, used.usage) == (False, True)
    assert pool_change(entry(), entry(autostart=True)).lasting


def sequence(registry: Registry) -> int:
    return registry.snapshot.revision.sequence


def test_usage_makes_a_revision_at_most_once_a_minute_and_is_read_at_once() -> None:
    registry = Registry()
    registry.looked_at_all([entry(record("a"))], {}, 0.0)
    revisions = [sequence(registry)]
    for now_s in (5.0, 10.0, 5.0 + USAGE_TOLD_EVERY_S - 1):
        registry.put(entry(record("a", allocation_bytes=int(now_s)), as_of_s=now_s))
        revisions.append(sequence(registry))
        assert registry.snapshot.pools["p"].volumes["a"].facts.allocation_bytes == int(now_s)
    assert revisions == [1, 2, 2, 2]
    # What was held back is told in the end, though the last look found nothing new.
    held_back = registry.snapshot.pools["p"].volumes["a"]
    registry.put(entry(held_back, as_of_s=5.0 + USAGE_TOLD_EVERY_S))
    assert sequence(registry) == 3
    registry.put(entry(held_back, as_of_s=5.0 + 2 * USAGE_TOLD_EVERY_S))
    assert sequence(registry) == 3


def test_a_clock_that_is_set_back_does_not_hold_usage_back() -> None:
    registry = Registry()
    registry.looked_at_all([entry(record("a"), as_of_s=9000.0)], {}, 9000.0)
    for revision, now_s in enumerate((9001.0, 2000.0), start=2):
        registry.put(entry(record("a", allocation_bytes=int(now_s)), as_of_s=now_s))
        assert sequence(registry) == revision


def test_what_lasts_makes_a_revision_whenever_it_comes() -> None:
    registry = Registry()
    registry.looked_at_all([entry(record("a"))], {}, 0.0)
    for number, name in enumerate("bcd", start=2):
        registry.put(entry(record("a"), record(name), as_of_s=1.0))
        assert sequence(registry) == number
