"""Children end: by themselves, by SIGKILL with all that they started, or they are counted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.child import Children, hear_of_ends

LIMIT_S = 30.0


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    """What is killed has the time that a busy machine takes to end it."""
    children = Children(reap_timeout_s=LIMIT_S)
    yield children
    await children.close()


async def test_a_child_is_a_program_with_its_arguments_as_they_are(children: Children) -> None:
    child = await children.start("printf", ["%s|", "$HOME; echo *", "-o", "a b"])
    assert await child.stdout.read() == b"$HOME; echo *|-o|a b|"
    assert await child.gone_within(30)
    assert not child.running


async def test_no_thread_waits_for_the_end_of_a_child(children: Children) -> None:
    hear_of_ends()
    try:
        child = await children.start("cat", [])
        assert [thread.name for thread in threading.enumerate() if "waitpid" in thread.name] == []
        assert await child.end(grace_s=30)
        assert child.status == 0
    finally:
        if sys.version_info < (3, 12):
            asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())


async def test_its_texts_are_in_one_language_and_its_folder_is_on_no_share(children: Children) -> None:
    child = await children.start("env", [])
    assert b"\nLC_ALL=C.UTF-8\n" in b"\n" + await child.stdout.read()
    child = await children.start("pwd", [])
    assert await child.stdout.read() == b"/\n"


async def test_a_child_that_ends_at_the_end_of_its_input_is_not_killed(children: Children) -> None:
    child = await children.start("sh", ["-c", "cat; echo ended"])
    assert await child.end(grace_s=30)
    assert await child.stdout.read() == b"ended\n"


async def test_one_that_stays_is_killed_with_all_that_it_started(children: Children) -> None:
    child = await children.start("sh", ["-c", "trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000"])
    grandchild = int(await child.stdout.readline())
    assert os.getpgid(grandchild) == child.pid != os.getpgid(0)
    assert await child.end(grace_s=0.05)
    # The end of a pipe that both hold: the grandchild is gone too.
    async with asyncio.timeout(30):
        assert await child.stdout.read() == b""


async def test_a_child_that_is_gone_can_be_killed_again(children: Children) -> None:
    child = await children.start("true", [])
    assert await child.gone_within(30)
    child.kill()
    assert not child.stuck


async def test_one_that_even_sigkill_leaves_is_counted_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children(reap_timeout_s=0.2)
    child = await children.start("sleep", ["1000"])
    with monkeypatch.context() as patch, capture_logs() as logs:
        # As if the kernel held it: SIGKILL has no effect.
        patch.setattr("poolfleet_agent.processes.child.os.killpg", lambda _pid, _signal: None)
        assert not await child.end(grace_s=0.01)
        async with asyncio.timeout(30):
            while children.stuck_count == 0:
                await asyncio.sleep(0.01)
    assert [(log["log_level"], log["pid"]) for log in logs] == [("error", child.pid)]
    os.kill(child.pid, signal.SIGKILL)
    assert await child.gone_within(30)
    assert children.stuck_count == 0


async def test_the_last_ones_are_killed_with_their_owner() -> None:
    children = Children()
    started = [await children.start("sleep", ["1000"]) for _ in range(3)]
    await children.close()
    assert not any(child.running for child in started)


async def test_a_program_that_is_not_there_is_named(children: Children) -> None:
    with pytest.raises(ModelError, match="/nowhere/at/all") as caught:
        await children.start("/nowhere/at/all", [])
    assert caught.value.reason is Reason.INTERNAL
    assert caught.value.metadata["program"] == "/nowhere/at/all"
