"""A watch: whatever happens, and however slow or interrupted its reader, what the reader has is right at every mark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poolfleet_agent.inventory.history import History
from poolfleet_agent.inventory.registry import USAGE_TOLD_EVERY_S, Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, VolumeRecord
from poolfleet_agent.inventory.watch import (
    PART_BYTES,
    DomainPart,
    Mark,
    Part,
    PoolPart,
    Resync,
    ResyncReason,
    Watch,
    Watched,
)
from poolfleet_agent.model.domain_disk import DiskRole, DomainDisk, DomainDisks, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Pool
from tests.unit.agent.fake_host import FakeClock, pool_facts, volume_facts

NEVER_S, SOON_S = 3600.0, 0.001


def record(pool: str, name: str, *, definition: int = 0, usage: int = 0) -> VolumeRecord:
    facts = replace(volume_facts(pool, name, capacity_bytes=definition), allocation_bytes=usage)
    return VolumeRecord(facts=facts, etag=str(definition), encoded=f"{pool}/{name}/{definition}/{usage}".encode())


def entry(
    name: str, *volumes: VolumeRecord, uuid: str = "", free: int = 0, etag: str = "", as_of_s: float = 0.0
) -> PoolEntry:
    pool = Pool(facts=replace(pool_facts(name, uuid=uuid), available_bytes=free), etag=etag, as_of_s=as_of_s)
    return PoolEntry(pool=pool, encoded=f"{name}/{free}".encode(), volumes={one.facts.name: one for one in volumes})


def disks(*domains: str) -> DomainDisks:
    references = [
        DomainReference(
            domain=one, domain_uuid=one, domain_state=DomainState.ACTIVE, role=DiskRole.DISK, target="vda",
            source_kind="file", path=f"/{one}",
        )
        for one in domains
    ]  # fmt: skip
    found = tuple(DomainDisk(reference=one, path=one.path) for one in references)
    return DomainDisks(disks=found, missing=(), as_of_s=1.0)


@dataclass
class Reader:
    """What a client does with what it is told."""

    pools: dict[str, PoolEntry] = field(default_factory=dict)
    volumes: dict[str, dict[str, VolumeRecord]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    domains: dict[str, tuple[DomainDisk, ...]] = field(default_factory=dict)
    revision: Revision | None = None
    void: set[str] | None = None
    void_domains: set[str] = field(default_factory=set)
    resyncs: list[ResyncReason] = field(default_factory=list)
    sent_volumes: int = 0

    def hear(self, part: Part) -> None:
        match part:
            case Resync(reason=reason):
                self.resyncs.append(reason)
                self.void, self.void_domains = set(self.pools), set(self.domains)
            case PoolPart():
                self._hear_pool(part)
            case DomainPart():
                self.void_domains.discard(part.uuid)
                self.domains[part.uuid] = part.disks
            case Mark():
                for uuid in self.void or ():
                    self._forget(uuid)
                for uuid in self.void_domains:
                    del self.domains[uuid]
                self.void, self.void_domains = None, set()
                self.domains = {uuid: one for uuid, one in self.domains.items() if one}
                self.revision = part.snapshot.revision

    def _hear_pool(self, part: PoolPart) -> None:
        if part.entry is None:
            self._forget(part.uuid)
            return
        if self.void is not None:
            self.void.discard(part.uuid)
        if part.itself:
            self.pools[part.uuid] = part.entry
        if part.whole:
            self.volumes[part.uuid] = {}
        there = self.volumes.setdefault(part.uuid, {})
        there.update({one.facts.name: one for one in part.volumes})
        self.sent_volumes += len(part.volumes)
        for name in part.gone_volumes:
            there.pop(name, None)
        self.digests[part.uuid] = part.digest

    def _forget(self, uuid: str) -> None:
        for known in (self.pools, self.volumes, self.digests):
            known.pop(uuid, None)


def watch(
    registry: Registry,
    clock: FakeClock,
    reader: Reader | None = None,
    *,
    watched: Watched | None = None,
    heartbeat_s: float = NEVER_S,
) -> Watch:
    known = {uuid: digest for uuid, digest in reader.digests.items() if digest} if reader else {}
    return Watch(
        registry=registry, clock=clock, watched=watched or Watched(), heartbeat_s=heartbeat_s,
        resume=reader.revision if reader else None, known=known,
    )  # fmt: skip


async def read_to_mark(parts: AsyncIterator[Part], reader: Reader) -> Mark:
    async with asyncio.timeout(10):
        async for part in parts:
            reader.hear(part)
            if isinstance(part, Mark):
                return part
    raise AssertionError("a watch has no end")


def loaded(*entries: PoolEntry) -> Registry:
    registry = Registry()
    registry.looked_at_all(list(entries), {}, 10.0)
    return registry


def has_all(reader: Reader, registry: Registry) -> None:
    """What was told is all that there was to tell."""
    told = {one.pool.facts.uuid: one for one in registry.told.values()}
    assert {uuid: pool.encoded for uuid, pool in reader.pools.items()} == {
        uuid: one.encoded for uuid, one in told.items()
    }
    assert reader.volumes == {uuid: one.volumes for uuid, one in told.items()}
    assert reader.revision == registry.snapshot.revision


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


class Scene:
    """A host to which things happen, and a reader who reads now and then."""

    def __init__(self, remembered: int) -> None:
        self.clock, self.registry, self.reader = FakeClock(), loaded(), Reader()
        self.remembered = remembered
        self.registry.history = History(remembered)
        self._watch()

    def _watch(self) -> None:
        self.parts = watch(self.registry, self.clock, self.reader, heartbeat_s=SOON_S).parts()

    async def put(self, name: str, uuid: str, volumes: dict[str, tuple[int, int]], free: int) -> None:
        records = [record(name, one, definition=d, usage=u) for one, (d, u) in sorted(volumes.items())]
        self.registry.put(entry(name, *records, uuid=name + uuid, free=free, as_of_s=self.clock.time_s))

    async def remove(self, name: str) -> None:
        self.registry.remove(name)

    async def domains(self, names: set[str]) -> None:
        self.registry.put_disks(disks(*sorted(names)))

    async def wait(self, time_s: float) -> None:
        self.clock.time_s += time_s

    async def read(self) -> None:
        while (await read_to_mark(self.parts, self.reader)).snapshot is not self.registry.snapshot:
            pass
        has_all(self.reader, self.registry)
        there = self.registry.snapshot.disks
        assert set(self.reader.domains) == {one.path[1:] for one in (there.disks if there else ())}

    async def reconnect(self) -> None:
        await self.parts.aclose()
        self._watch()

    async def restart(self) -> None:
        before, self.registry = self.registry.snapshot, loaded(*self.registry.snapshot.pools.values())
        if before.disks is not None:
            self.registry.put_disks(before.disks)
        self.registry.history = History(self.remembered)
        await self.reconnect()


NAMES = st.sampled_from("abc")
VOLUMES = st.dictionaries(st.sampled_from("uvwxyz"), st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=6)
STEPS = st.one_of(
    st.tuples(st.just(Scene.put), NAMES, st.sampled_from("12"), VOLUMES, st.integers(0, 2)),
    st.tuples(st.just(Scene.remove), NAMES),
    st.tuples(st.just(Scene.domains), st.sets(st.sampled_from("xyz"))),
    st.tuples(st.just(Scene.wait), st.sampled_from([1.0, USAGE_TOLD_EVERY_S])),
    st.tuples(st.sampled_from([Scene.read, Scene.reconnect, Scene.restart])),
)


@settings(deadline=None, max_examples=300)
@given(steps=st.lists(STEPS, max_size=30), remembered=st.sampled_from([2, 5, 1000]))
def test_whatever_happens_the_reader_is_right_at_every_mark(steps: list[Any], remembered: int) -> None:
    async def run() -> None:
        scene = Scene(remembered)
        for what, *values in steps:
            await what(scene, *values)
        await scene.read()
        await scene.parts.aclose()

    asyncio.run(run())
