"""What a benchmark makes of calls that are cut off, that fail, and that go on while others hang."""

from __future__ import annotations

import asyncio

import pytest

from poolfleet import Unavailable
from scripts.benchmarks.figures import CutOffError, Figures
from scripts.benchmarks.nfs.virsh import ended
from scripts.benchmarks.storm import Load, storm
from scripts.embedded.process import NotReadyError

AT_ONCE = Load(clients=3, pause_s=0.001)
LIMIT_S = 20.0


def figures(unit: str = "ms") -> Figures:
    return Figures(case="case", system="virsh", metric="latency", unit=unit)


async def cut_off() -> None:
    raise CutOffError(7)


async def nothing() -> None:
    """Succeeds."""


async def test_a_call_that_is_cut_off_counts_with_its_limit_and_is_said_to_have_been() -> None:
    some = figures()
    await some.time(cut_off)
    await some.time(nothing)
    row = some.result().row()
    assert row["timed_out"] is True
    assert (row["n"], row["p99"]) == (2, 7000.0)


async def test_a_row_tells_nothing_that_does_not_apply() -> None:
    some = figures("s")
    await some.time(nothing)
    assert some.result().row().keys() == {"case", "system", "metric", "unit", "n", "median", "p99"}


async def test_a_command_that_does_not_end_is_killed_and_one_that_does_gives_its_status() -> None:
    assert await ended(["sh", "-c", "exit 3"], limit_s=LIMIT_S) == 3
    with pytest.raises(CutOffError) as late:
        await ended(["sleep", "600"], limit_s=0.05)
    assert late.value.limit_s == 0.05


async def test_calls_that_hang_hold_up_no_others_and_are_waited_for_in_the_end() -> None:
    healed, near, far = asyncio.Event(), figures(), figures()
    async with asyncio.timeout(LIMIT_S):
        async with storm(AT_ONCE, (near, [nothing]), (far, [healed.wait])):
            while len(near.values) < 10 * AT_ONCE.clients:
                await asyncio.sleep(0)
            assert far.values == []
            healed.set()
    assert len(far.values) >= AT_ONCE.clients


async def test_each_client_calls_once_at_least_however_short_the_load_is() -> None:
    some = figures()
    async with storm(Load(clients=3, pause_s=600), (some, [nothing])):
        pass
    assert len(some.values) == 3


async def test_a_call_that_fails_ends_the_load_and_is_told() -> None:
    async def fail() -> None:
        raise Unavailable("gone", reason="UNREACHABLE")

    async def load() -> None:
        async with asyncio.timeout(LIMIT_S), storm(AT_ONCE, (figures(), [fail])):
            await asyncio.Event().wait()

    with pytest.raises(NotReadyError, match="gone"):
        await load()
