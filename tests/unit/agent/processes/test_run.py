"""A program is run to its end, or to its limit: nothing that it starts, says or holds makes us wait longer."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.run import run
from scripts.embedded.process import wait_until

LONG_S = 60
REAP_S = 10.0
"""Far longer than it takes until what was killed is gone, on a busy machine too."""


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poolfleet_agent.processes.run._REAP_S", REAP_S)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def in_group(group: int) -> bool:
    """Whether a process of the group is there that is no zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state != "Z":
            return True
    return False


async def test_how_it_ended_and_what_it_said(children: Children) -> None:
    finished = await run(children, ["sh", "-c", "echo out; echo 'one\n two' >&2; cat; exit 32"], timeout_s=LONG_S)
    assert (finished.status, finished.stdout, finished.words) == (32, b"out\n", "one two")


async def test_one_that_was_ended_by_a_signal(children: Children) -> None:
    assert (await run(children, ["sh", "-c", "kill -9 $$"], timeout_s=LONG_S)).status == -signal.SIGKILL


async def test_one_that_does_not_end_is_killed_with_its_group_and_its_words_are_kept(children: Children) -> None:
    argv = ["sh", "-c", "trap '' TERM; echo $$; echo so far >&2; sleep 1000 & sleep 1000"]
    # In which it has to have begun.
    finished = await run(children, argv, timeout_s=3)
    assert (finished.status, finished.words) == (None, "so far")
    assert not in_group(int(finished.stdout))


async def test_one_whose_waiting_is_cancelled_is_killed(children: Children, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    running = asyncio.create_task(
        run(children, ["sh", "-c", f"echo $$ > {pid}.new; mv {pid}.new {pid}; sleep 1000 & wait"], timeout_s=LONG_S)
    )
    async with asyncio.timeout(LONG_S):
        while not pid.exists():
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not in_group(int(pid.read_text()))


async def test_one_that_is_cancelled_while_it_is_started_is_killed_with_its_group(
    children: Children, tmp_path: Path
) -> None:
    """What is started may have children of its own before asyncio knows of it."""
    pid = tmp_path / "pid"
    loop = asyncio.get_running_loop()
    start = loop.subprocess_exec

    async def slow_start(*arguments: Any, **keywords: Any) -> Any:
        started = await start(*arguments, **keywords)
        await asyncio.to_thread(wait_until, pid.exists, limit_s=LONG_S, what="it has a child of its own")
        running.cancel()
        await asyncio.sleep(0)
        return started

    script = f"sleep 1000 & echo $$ > {pid}.new; mv {pid}.new {pid}; wait"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "subprocess_exec", slow_start)
        running = asyncio.create_task(run(children, ["sh", "-c", script], timeout_s=LONG_S))
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not in_group(int(pid.read_text()))


async def test_what_it_left_behind_with_its_pipes_is_not_waited_for(children: Children) -> None:
    before = descriptors()
    started_s = time.monotonic()
    finished = await run(children, ["sh", "-c", "setsid sleep 1000 & echo $!; exit 3"], timeout_s=LONG_S)
    os.kill(int(finished.stdout), signal.SIGKILL)
    assert finished.status == 3
    assert time.monotonic() - started_s < LONG_S / 2
    assert descriptors() <= before


async def test_what_it_says_is_read_to_the_end_but_not_kept(children: Children) -> None:
    argv = ["sh", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 7"]
    finished = await run(children, argv, timeout_s=LONG_S, most_output_bytes=1000)
    assert (finished.status, len(finished.stdout), len(finished.stderr)) == (7, 1000, 1000)


async def test_a_program_that_is_not_there(children: Children) -> None:
    with pytest.raises(ModelError) as refused:
        await run(children, ["/nowhere/mount"], timeout_s=LONG_S)
    assert refused.value.reason is Reason.INTERNAL
