"""Every network mount is probed: one miss is suspect, two are a dead mount, an answer heals; none delays another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry, MountTable
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.ports import MountWatch, ProbeAnswer
from poolfleet_agent.model.ports.mount_watch import ERRNO
from poolfleet_agent.mounts.watch import NAMES_EVERY, Watch
from poolfleet_agent.server.clock import SystemClock

LIMIT_S = 30.0
SHORT_S = 0.02


def mount(number: int, target: str, source: str, fs_type: str = "nfs4") -> MountEntry:
    return MountEntry(
        mount_id=number, parent_id=1, device=f"0:{number}", root="/", target=target, fs_type=fs_type, source=source,
        options=(), super_options=(),
    )  # fmt: skip


ROOT = mount(1, "/", "/dev/sda", "ext4")
ONE = mount(2, "/mnt/one", "one:/export")
TWO = mount(3, "/mnt/two", "two:/export")


class FakeTable:
    def __init__(self, *entries: MountEntry) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._table = MountTable((ROOT, *entries))

    def current(self) -> MountTable:
        return self._table

    def become(self, *entries: MountEntry) -> None:
        self._table = MountTable((ROOT, *entries))
        self.changed()


class FakeProber:
    """Mounts answer at once that all is well; those in `silent` do not answer, those in `faulty` say what is wrong."""

    def __init__(self) -> None:
        self.answering: dict[str, asyncio.Event] = {}
        self.faulty: dict[str, ProbeAnswer | ModelError] = {}
        self.asked: list[tuple[str, str]] = []
        self.kept: Collection[str] = ()

    def silence(self, entry: MountEntry) -> None:
        self.answering[entry.target] = asyncio.Event()

    def heal(self, entry: MountEntry) -> None:
        self.answering.pop(entry.target).set()

    def count(self, question: str, entry: MountEntry) -> int:
        return self.asked.count((question, entry.target))

    async def _answer(self, question: str, entry: MountEntry) -> ProbeAnswer:
        self.asked.append((question, entry.target))
        if entry.target in self.answering:
            await self.answering[entry.target].wait()
        answer = self.faulty.get(entry.target, ProbeAnswer())
        if isinstance(answer, ModelError):
            raise answer
        return answer

    async def ask_sizes(self, entry: MountEntry) -> ProbeAnswer:
        return await self._answer("sizes", entry)

    async def ask_names(self, entry: MountEntry) -> ProbeAnswer:
        return await self._answer("names", entry)

    def keep_only(self, entries: Collection[MountEntry]) -> None:
        self.kept = [entry.target for entry in entries]


@asynccontextmanager
async def watching(
    table: FakeTable, prober: FakeProber, *, probe_timeout_s: float = SHORT_S, probe_interval_s: float = SHORT_S
) -> AsyncIterator[Watch]:
    watch = Watch(table, prober, SystemClock(), probe_timeout_s=probe_timeout_s, probe_interval_s=probe_interval_s)
    task = asyncio.create_task(watch.run())
    yield watch
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.001)


def status(watch: MountWatch, path: str) -> HealthStatus | None:
    health = watch.health(path)
    return health.status if health else None


async def test_only_network_mounts_are_probed_and_what_lies_on_them_has_their_health() -> None:
    prober = FakeProber()
    async with watching(FakeTable(ONE), prober) as watch:
        await until(lambda: status(watch, "/mnt/one/below/it") is HealthStatus.HEALTHY)
        assert watch.health("/") is None
        assert watch.health("/mnt/one_more") is None
        assert watch.holding("/mnt/one/below/it") == ONE
        assert {target for _, target in prober.asked} == {"/mnt/one"}


async def test_a_silent_mount_becomes_suspect_then_unresponsive_and_the_others_stay_healthy() -> None:
    prober = FakeProber()
    prober.silence(ONE)
    seen: list[HealthStatus | None] = []
    async with watching(FakeTable(ONE, TWO), prober) as watch:
        watch.subscribe(lambda: seen.append(status(watch, ONE.target)))
        await until(lambda: watch.unresponsive() == (ONE,))
        await until(lambda: status(watch, TWO.target) is HealthStatus.HEALTHY)
        health = watch.health(ONE.target)
        assert health is not None
        assert health.dead
        assert health.reason == Reason.POOL_UNRESPONSIVE
    told = [one for one in seen if one is not None]
    assert told[:2] == [HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE]
    assert watch.transitions == {"SUSPECT": 1, "UNRESPONSIVE": 1}


async def test_a_silent_mount_has_one_open_question_however_long_it_lasts() -> None:
    prober = FakeProber()
    prober.silence(ONE)
    async with watching(FakeTable(ONE, TWO), prober) as watch:
        await until(lambda: watch.unresponsive() == (ONE,))
        await until(lambda: prober.count("sizes", TWO) > 10)
        assert prober.count("sizes", ONE) == 1


async def test_an_answer_heals_as_soon_as_it_comes_not_at_the_next_probe() -> None:
    prober = FakeProber()
    prober.silence(ONE)
    async with watching(FakeTable(ONE), prober, probe_interval_s=100 * LIMIT_S) as watch:
        await until(lambda: watch.unresponsive() == (ONE,))
        prober.heal(ONE)
        await until(lambda: status(watch, ONE.target) is HealthStatus.HEALTHY)
        assert watch.unresponsive() == ()


async def test_an_error_in_place_of_an_answer_is_a_miss() -> None:
    prober = FakeProber()
    prober.faulty[ONE.target] = ModelError(Reason.POOL_UNRESPONSIVE, "Input/output error")
    async with watching(FakeTable(ONE), prober) as watch:
        await until(lambda: watch.unresponsive() == (ONE,))
        prober.faulty.clear()
        await until(lambda: status(watch, ONE.target) is HealthStatus.HEALTHY)


async def test_a_fault_that_a_mount_tells_of_is_its_health() -> None:
    prober = FakeProber()
    prober.faulty[ONE.target] = ProbeAnswer(reason=Reason.STALE, message="gone")
    async with watching(FakeTable(ONE), prober) as watch:
        await until(lambda: status(watch, ONE.target) is HealthStatus.FAULTY)
        health = watch.health(ONE.target)
        assert health is not None
        assert (health.reason, health.message) == (Reason.STALE, "gone")
        assert watch.unresponsive() == ()


async def test_some_probes_read_the_directory_too() -> None:
    prober = FakeProber()
    async with watching(FakeTable(ONE), prober):
        await until(lambda: prober.count("sizes", ONE) > 2 * NAMES_EVERY)
    assert prober.count("names", ONE) == 3


async def test_a_mount_that_comes_is_probed_and_one_that_goes_is_forgotten() -> None:
    prober, table = FakeProber(), FakeTable(ONE)
    prober.silence(ONE)
    async with watching(table, prober) as watch:
        await until(lambda: watch.unresponsive() == (ONE,))
        table.become(TWO)
        await until(lambda: status(watch, TWO.target) is HealthStatus.HEALTHY)
        assert watch.unresponsive() == ()
        assert watch.health(ONE.target) is None
        assert prober.kept == [TWO.target]


async def test_another_mount_on_the_same_target_does_not_inherit_its_health() -> None:
    prober, table = FakeProber(), FakeTable(ONE)
    prober.silence(ONE)
    async with watching(table, prober) as watch:
        await until(lambda: watch.unresponsive() == (ONE,))
        prober.answering.clear()
        table.become(mount(9, ONE.target, ONE.source))
        assert watch.health(ONE.target) is None
        await until(lambda: status(watch, ONE.target) is HealthStatus.HEALTHY)


async def test_the_next_probe_can_be_waited_for_with_a_limit() -> None:
    prober = FakeProber()
    async with watching(FakeTable(ONE), prober) as watch:
        async with asyncio.timeout(LIMIT_S):
            await watch.wait_for_next_probe(ONE.target, LIMIT_S * 2)
            await watch.wait_for_next_probe("/local", LIMIT_S * 2)
        prober.silence(ONE)
        await until(lambda: watch.unresponsive() == (ONE,))
        await watch.wait_for_next_probe(ONE.target, 0.001)


async def test_a_mount_that_fell_silent_since_its_last_probe_is_found_out_at_once() -> None:
    prober, clock = FakeProber(), SystemClock()
    watch = Watch(FakeTable(ONE, TWO), prober, clock, probe_timeout_s=0.05, probe_interval_s=LIMIT_S * 10)
    running = asyncio.create_task(watch.run())
    try:
        await until(lambda: status(watch, ONE.target) is status(watch, TWO.target) is HealthStatus.HEALTHY)
        assert await watch.silent_now([ONE, TWO]) == ()
        prober.silence(ONE)
        prober.faulty[TWO.target] = ModelError(Reason.POOL_UNRESPONSIVE, "not connected", metadata={ERRNO: "ENOTCONN"})
        both = list(await asyncio.gather(watch.silent_now([ONE, TWO]), watch.silent_now([ONE])))
        assert both == [(ONE,), (ONE,)]
        # Its own probes follow, long before they are due.
        await until(lambda: watch.unresponsive() == (ONE,))
        assert prober.count("sizes", ONE) == 3
        assert await watch.silent_now([mount(9, "/gone", "x:/y")]) == ()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_first_probes_can_be_waited_for_with_a_limit() -> None:
    prober, table = FakeProber(), FakeTable(ONE, TWO)
    prober.silence(TWO)
    watch = Watch(table, prober, SystemClock(), probe_timeout_s=0.05, probe_interval_s=LIMIT_S * 10)
    await watch.wait_until_probed(0.01)
    running = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(LIMIT_S):
            await watch.wait_until_probed(LIMIT_S * 2)
        assert status(watch, ONE.target) is HealthStatus.HEALTHY
        assert status(watch, TWO.target) in {HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE}
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
