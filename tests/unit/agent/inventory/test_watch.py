"""A watch: whatever happens, and however slow or interrupted its reader, what the reader has is right at every mark."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from poolfleet_agent.inventory.history import History
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision
from poolfleet_agent.inventory.watch import PART_BYTES, DomainPart, Mark, PoolPart, ResyncReason, Watched
from poolfleet_agent.model.errors import ModelError, Reason
from tests.unit.agent.fake_host import FakeClock
from tests.unit.agent.inventory.watch_reader import (
    SOON_S,
    Reader,
    disks,
    entry,
    has_all,
    loaded,
    read_to_mark,
    record,
    watch,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_a_host_that_was_never_read_is_not_watched(clock: FakeClock) -> None:
    with pytest.raises(ModelError) as unread:
        await anext(watch(Registry(), clock).parts())
    assert unread.value.reason is Reason.REGISTRY_NOT_LOADED


async def test_first_all_then_each_change_and_a_mark_after_it(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a", record("a", "v"), record("a", "w")), entry("b")), Reader()
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        has_all(reader, registry)
        assert (reader.sent_volumes, reader.resyncs) == (2, [])
        registry.put(entry("a", record("a", "v"), record("a", "x")))
        await read_to_mark(parts, reader)
        has_all(reader, registry)
        assert reader.sent_volumes == 3, "what did not change is not sent again"
        registry.remove("b")
        registry.put(entry("c", record("c", "v")))
        await read_to_mark(parts, reader)
        has_all(reader, registry)


async def test_what_is_only_usage_waits_for_its_minute_and_comes_with_what_changed(clock: FakeClock) -> None:
    def used(usage: int, definition: int, as_of_s: float) -> PoolEntry:
        records = record("a", "v", usage=usage), record("a", "w", definition=definition)
        return entry("a", *records, free=usage, as_of_s=as_of_s)

    registry, reader = loaded(used(1, 1, 0.0)), Reader()
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        registry.put(used(2, 1, 1.0))
        await read_to_mark(parts, reader)
        registry.put(used(3, 1, 2.0))
        assert reader.revision == registry.snapshot.revision, "there is nothing to tell yet"
        registry.put(used(3, 2, 3.0))
        await read_to_mark(parts, reader)
        has_all(reader, registry)
        assert reader.volumes["uuid of a"]["v"].facts.allocation_bytes == 3


async def test_a_slow_reader_is_told_the_state_of_a_revision_not_what_came_after_it(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a", record("a", "v"))), Reader()
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        for usage in (1, 2, 3):
            registry.put(entry("a", record("a", "v", usage=usage), as_of_s=float(usage)))
        await read_to_mark(parts, reader)
        has_all(reader, registry)
        assert reader.volumes["uuid of a"]["v"].facts.allocation_bytes == 1


def test_a_digest_does_not_depend_on_how_the_state_came_about() -> None:
    registry = loaded(entry("a", record("a", "u"), record("a", "v", usage=1), record("a", ".w")))
    registry.put(entry("a", record("a", "v", usage=2), record("a", "x", definition=3), record("a", ".w", usage=5)))
    again = loaded(registry.told["a"])
    for special in (False, True):
        assert registry.digests.of("uuid of a", include_special=special) == again.digests.of(
            "uuid of a", include_special=special
        )
    assert registry.digests.of("uuid of a", include_special=False) != registry.digests.of(
        "uuid of a", include_special=True
    )


async def test_who_resumes_is_told_what_changed_since(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a", *(record("a", f"v{n}") for n in range(50)))), Reader()
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
    registry.put(entry("a", *(record("a", f"v{n}") for n in range(49))))
    async with aclosing(watch(registry, clock, reader).parts()) as parts:
        await read_to_mark(parts, reader)
        has_all(reader, registry)
    assert (reader.sent_volumes, reader.resyncs) == (50, [])


async def test_nothing_is_sent_of_what_is_known_to_a_reader_of_another_epoch(clock: FakeClock) -> None:
    pools = (entry("a", *(record("a", f"v{n}") for n in range(50))), entry("b", record("b", "v")), entry("c"))
    registry, reader = loaded(*pools), Reader()
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
    restarted = loaded(pools[0], entry("b", record("b", "v", usage=1)))
    async with aclosing(watch(restarted, clock, reader).parts()) as parts:
        await read_to_mark(parts, reader)
        has_all(reader, restarted)
    assert (reader.sent_volumes, reader.resyncs) == (52, [ResyncReason.OTHER_EPOCH])


async def test_who_has_a_state_is_not_told_what_was_restored_before_all_was_looked_at(clock: FakeClock) -> None:
    registry, newcomer = Registry(), Reader()
    registry.restore([entry("a")], 1.0)
    reader = Reader(revision=Revision(epoch="before", sequence=7))
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, newcomer)
        has_all(newcomer, registry)
    async with aclosing(watch(registry, clock, reader).parts()) as parts:
        first = asyncio.ensure_future(read_to_mark(parts, reader))
        await asyncio.wait({first}, timeout=0.05)
        assert not first.done()
        registry.put(entry("a", record("a", "v")))
        registry.looked_at_all([], {}, 2.0)
        await first
        has_all(reader, registry)
    assert set(reader.volumes["uuid of a"]) == {"v"}


@pytest.mark.parametrize("sequence", [1, 99])
async def test_what_is_not_remembered_or_never_was_comes_whole(clock: FakeClock, sequence: int) -> None:
    registry = loaded(entry("a"))
    registry.history = History(remembered=1)
    for size in range(1, 5):
        registry.put(entry("a", *(record("a", f"v{n}") for n in range(size))))
    reader = Reader(revision=replace(registry.snapshot.revision, sequence=sequence))
    async with aclosing(watch(registry, clock, reader).parts()) as parts:
        await read_to_mark(parts, reader)
        has_all(reader, registry)
    assert reader.resyncs == [ResyncReason.TOO_OLD]


async def test_a_reader_who_was_too_slow_gets_the_whole_state_again(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a", record("a", "v")), entry("b", record("b", "v"))), Reader()
    registry.history = History(remembered=3)
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        for number in range(10):
            registry.put(entry("a", record("a", "v", definition=number)))
        await read_to_mark(parts, reader)
        has_all(reader, registry)
    assert reader.resyncs == [ResyncReason.SLOW_READER]
    assert reader.sent_volumes == 3, "b's are as it had them"


async def test_a_pool_that_was_away_meanwhile_comes_whole(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a", record("a", "v")), entry("b")), Reader()
    registry.history = History(remembered=1)

    def overflow() -> None:
        for number in range(3):
            registry.put(entry("b", etag=f"{registry.snapshot.revision.sequence} {number}"))

    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        registry.remove("a")
        overflow()
        await read_to_mark(parts, reader)
        has_all(reader, registry)
        registry.put(entry("a", record("a", "v")))
        overflow()
        await read_to_mark(parts, reader)
        has_all(reader, registry)


async def test_a_pool_seen_under_a_new_name_before_it_is_missed_under_the_old_one_stays(clock: FakeClock) -> None:
    registry, reader = loaded(entry("b", record("b", "v"), uuid="1")), Reader()
    registry.put(entry("a", record("a", "v"), uuid="1"))
    registry.remove("b")
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        has_all(reader, registry)
    assert reader.pools["1"].pool.name == "a"


async def test_a_large_pool_comes_in_pieces_and_its_digest_last(clock: FakeClock) -> None:
    long = "x" * 200
    registry = loaded(entry("a", *(record("a", f"{long}{n:05d}") for n in range(PART_BYTES // 100))))
    pieces: list[PoolPart] = []
    async with aclosing(watch(registry, clock).parts()) as parts:
        async for part in parts:
            if isinstance(part, Mark):
                break
            assert isinstance(part, PoolPart)
            pieces.append(part)
    assert len(pieces) == 3
    assert [(one.itself, one.whole, bool(one.digest)) for one in pieces] == [
        (True, True, False), (False, False, False), (False, False, True),
    ]  # fmt: skip
    assert all(one.size_bytes < 1.1 * PART_BYTES for one in pieces)


async def test_only_what_is_watched_is_told(clock: FakeClock) -> None:
    registry, reader = (
        loaded(entry("a", record("a", "v"), record("a", ".hidden")), entry("b", record("b", "v"))),
        Reader(),
    )
    registry.put_disks(disks("guest"))
    watched = Watched(pools=frozenset({"a"}), domain_disks=False)
    async with aclosing(watch(registry, clock, watched=watched).parts()) as parts:
        await read_to_mark(parts, reader)
        assert {uuid: set(volumes) for uuid, volumes in reader.volumes.items()} == {"uuid of a": {"v"}}
        assert not reader.domains
        registry.put(entry("b"))
        registry.put(entry("a"))
        await read_to_mark(parts, reader)
        assert reader.volumes == {"uuid of a": {}}
    special, alone = Reader(), Reader()
    async with aclosing(watch(registry, clock, watched=replace(watched, special=True)).parts()) as parts:
        registry.put(entry("a", record("a", ".hidden")))
        await read_to_mark(parts, special)
    assert set(special.volumes["uuid of a"]) == {".hidden"}
    async with aclosing(watch(registry, clock, watched=replace(watched, volumes=False)).parts()) as parts:
        await read_to_mark(parts, alone)
    assert (set(alone.pools), alone.sent_volumes) == ({"uuid of a"}, 0)


async def test_of_pools_that_are_not_watched_nothing_is_told(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a"), entry("b")), Reader()
    watched = Watched(pools=frozenset({"a"}))
    async with aclosing(watch(registry, clock, watched=watched, heartbeat_s=SOON_S).parts()) as parts:
        await read_to_mark(parts, reader)
        registry.put(entry("b", record("b", "v")))
        assert isinstance(await anext(parts), Mark), "the heartbeat"
    registry.remove("b")
    async with aclosing(watch(registry, clock, reader, watched=watched).parts()) as parts:
        told = [await anext(parts)]
        registry.put(entry("b"))
        registry.put(entry("a", record("a", "v")))
        told += [await anext(parts), await anext(parts)]
    # What a reader had that comes back is not known.
    assert [part.uuid for part in told if isinstance(part, PoolPart)] == ["uuid of b", "uuid of a"]


async def test_that_domains_cannot_be_read_any_more_is_told_at_once(clock: FakeClock) -> None:
    registry = loaded(entry("a"))
    registry.put_disks(disks("x"))
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, Reader())
        registry.put_disks(replace(disks("x"), missing=("no answer",)))
        mark = await read_to_mark(parts, Reader())
    assert mark.snapshot.disks
    assert mark.snapshot.disks.missing == ("no answer",)


async def test_who_resumes_is_told_when_the_host_was_not_looked_at_yet(clock: FakeClock) -> None:
    registry = Registry()
    registry.restore([entry("a")], 1.0)
    reader = Reader(revision=Revision(epoch="before", sequence=7))
    with pytest.raises(ModelError) as unseen:
        await anext(watch(registry, clock, reader, heartbeat_s=SOON_S).parts())
    assert unseen.value.reason is Reason.LIBVIRT_UNAVAILABLE


async def test_many_volumes_that_are_gone_come_in_pieces_too(clock: FakeClock) -> None:
    long = "x" * 200
    registry, reader = loaded(entry("a", *(record("a", f"{long}{n:05d}") for n in range(PART_BYTES // 100)))), Reader()
    pieces: list[PoolPart] = []
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        registry.put(entry("a"))
        async for part in parts:
            if isinstance(part, Mark):
                break
            assert isinstance(part, PoolPart)
            pieces.append(part)
    assert len(pieces) == 3
    assert all(one.size_bytes < 1.1 * PART_BYTES for one in pieces)


def test_a_history_of_nothing_but_what_is_missing_is_forgotten_too() -> None:
    registry = loaded(entry("a"))
    registry.history = History(remembered=10)
    for number in range(30):
        registry.put_disks(replace(disks(), missing=(str(number),)))
    assert registry.history.since(registry.snapshot.revision.sequence - 20) is None
    assert registry.history.since(registry.snapshot.revision.sequence - 5) is not None


async def test_of_domains_those_come_whose_disks_changed(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a")), Reader()
    registry.put_disks(disks("x", "y"))
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        assert set(reader.domains) == {"x", "y"}
        registry.put_disks(disks("y", "z"))
        told: list[str] = []
        async for part in parts:
            reader.hear(part)
            if isinstance(part, Mark):
                break
            assert isinstance(part, DomainPart)
            told.append(part.uuid)
    assert (told, set(reader.domains)) == (["x", "z"], {"y", "z"})


async def test_a_pool_under_an_old_name_with_another_uuid_is_another(clock: FakeClock) -> None:
    registry, reader = loaded(entry("a", record("a", "v"), uuid="1")), Reader()
    async with aclosing(watch(registry, clock).parts()) as parts:
        await read_to_mark(parts, reader)
        registry.put(entry("a", record("a", "w"), uuid="2"))
        await read_to_mark(parts, reader)
        has_all(reader, registry)


async def test_a_mark_is_repeated_while_nothing_changes(clock: FakeClock) -> None:
    async with aclosing(watch(loaded(entry("a")), clock, heartbeat_s=SOON_S).parts()) as parts:
        marks = [await read_to_mark(parts, Reader()) for _ in range(3)]
    assert len({mark.snapshot.revision for mark in marks}) == 1
