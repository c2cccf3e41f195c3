"""Whatever happens to a host, and however its reader reads, reconnects or finds the agent restarted: it is right."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from poolfleet_agent.inventory.history import History
from poolfleet_agent.inventory.registry import USAGE_TOLD_EVERY_S
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
