"""A worker that hangs, stops or dies costs one answer, never the agent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.files.worker import THREADS
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.child import Children
from tests.unit.agent.files.conftest import Hanging

LIMIT_S = 30.0


async def pid_of(channel: Channel) -> int:
    """The worker's, once it has answered."""
    await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
    assert channel.worker_pid is not None
    return channel.worker_pid


async def until_replaced(channel: Channel, pid: int) -> None:
    """Return once another worker answers."""
    async with asyncio.timeout(LIMIT_S):
        while channel.worker_pid == pid:
            await asyncio.sleep(0.01)
    assert await pid_of(channel) != pid


def open_descriptors(pid: int) -> dict[str, str]:
    return {entry.name: os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}


async def test_nothing_is_started_before_the_first_question(channel: Channel) -> None:
    assert channel.worker_pid is None


async def test_one_worker_serves_many_questions_and_ends_with_its_channel(channel: Channel) -> None:
    pid = await pid_of(channel)
    await asyncio.gather(*(channel.ask(b"names", b"/etc", timeout_s=LIMIT_S) for _ in range(50)))
    assert await pid_of(channel) == pid
    await channel.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(ModelError) as caught:
        await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
    assert caught.value.reason is Reason.AGENT_STOPPING


async def test_a_channel_that_was_never_asked_can_be_closed(children: Children) -> None:
    await Channel(children).close()


async def test_the_worker_is_no_shell_s_child_alone_in_its_group_and_isolated(channel: Channel) -> None:
    pid = await pid_of(channel)
    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert command[1:3] == [b"-I", b"-S"]
    assert command[3].endswith(b"/files/worker.py")
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    assert int(stat[1]) == os.getpid()
    assert os.getpgid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"


async def test_between_questions_the_worker_holds_no_file(channel: Channel, tmp_path: Path) -> None:
    pid = await pid_of(channel)
    (tmp_path / "file").write_bytes(b"content")
    before = open_descriptors(pid)
    path = bytes(tmp_path / "file")
    inode = b"%d" % (tmp_path / "file").stat().st_ino
    await channel.ask(b"names", bytes(tmp_path), timeout_s=LIMIT_S)
    await channel.ask(b"head", path, b"4", timeout_s=LIMIT_S)
    await channel.ask(b"head", bytes(tmp_path), b"4", timeout_s=LIMIT_S)
    await channel.ask(b"file_system", path, timeout_s=LIMIT_S)
    await channel.ask_once(b"unlink_if", path, inode, timeout_s=LIMIT_S)
    assert open_descriptors(pid) == before
    assert await pid_of(channel) == pid


async def test_a_path_that_hangs_does_not_hold_up_others(
    files: RoutedFiles, hanging: Hanging, channel: Channel
) -> None:
    pid = await pid_of(channel)
    slow = [asyncio.create_task(files.head(hanging.file(), 7, timeout_s=LIMIT_S)) for _ in range(THREADS - 1)]
    assert len(await files.names("/etc")) > 0
    assert not any(task.done() for task in slow)
    hanging.let_go()
    assert await asyncio.gather(*slow) == [b"at last"] * (THREADS - 1)
    assert channel.worker_pid == pid


async def test_a_wait_has_an_end_and_a_late_answer_is_nobody_s(
    files: RoutedFiles, hanging: Hanging, channel: Channel
) -> None:
    channel._ping_timeout_s = LIMIT_S  # it lives, however long a busy machine keeps it from saying so
    pid = await pid_of(channel)
    path = hanging.file()
    with pytest.raises(ModelError) as caught:
        await files.head(path, 7, timeout_s=0.2)
    assert caught.value.reason is Reason.POOL_UNRESPONSIVE
    assert caught.value.metadata["path"] == path
    assert caught.value.retry_delay_s is not None
    hanging.let_go()
    assert await asyncio.gather(*(files.head(path, length, timeout_s=LIMIT_S) for length in (1, 2, 3))) == [
        b"a",
        b"at",
        b"at ",
    ]
    assert await pid_of(channel) == pid


async def test_a_worker_whose_threads_all_hang_is_replaced(
    files: RoutedFiles, hanging: Hanging, channel: Channel
) -> None:
    pid = await pid_of(channel)
    slow = [files.head(hanging.file(), 7, timeout_s=0.3) for _ in range(THREADS)]
    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    assert [getattr(outcome, "reason", outcome) for outcome in outcomes] == [Reason.POOL_UNRESPONSIVE] * THREADS
    await until_replaced(channel, pid)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_stopped_worker_is_killed_and_others_are_served_by_the_next(
    files: RoutedFiles, channel: Channel
) -> None:
    pid = await pid_of(channel)
    os.kill(pid, signal.SIGSTOP)
    patient = asyncio.create_task(files.stat("/etc", timeout_s=LIMIT_S))
    with pytest.raises(ModelError) as caught:
        await files.stat("/", timeout_s=0.1)
    assert caught.value.reason is Reason.POOL_UNRESPONSIVE
    assert await patient is not None
    assert await pid_of(channel) != pid


async def test_what_was_asked_when_the_worker_was_killed_is_answered_by_the_next(
    files: RoutedFiles, hanging: Hanging, channel: Channel
) -> None:
    pid = await pid_of(channel)
    slow = asyncio.create_task(files.head(hanging.file(), 7, timeout_s=LIMIT_S))
    await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
    os.kill(pid, signal.SIGKILL)
    await until_replaced(channel, pid)
    hanging.let_go()
    assert await slow == b"at last"


async def test_a_change_is_not_asked_twice(files: RoutedFiles, channel: Channel, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    pid = await pid_of(channel)
    os.kill(pid, signal.SIGSTOP)
    removing = asyncio.create_task(files.unlink_if(str(file), inode=file.stat().st_ino, timeout_s=LIMIT_S))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ModelError, match="lost before it answered") as caught:
        await removing
    assert caught.value.reason is Reason.POOL_UNRESPONSIVE
    assert file.exists()


async def test_a_worker_that_can_not_live_is_not_started_without_end(children: Children, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    script = tmp_path / "broken.py"
    script.write_text(f"open({str(starts)!r}, 'a').write('x')\nraise SystemExit(1)\n")
    channel = Channel(children, program=(sys.executable, "-I", "-S", str(script)))
    errors = []
    for _ in range(30):
        with pytest.raises(ModelError) as caught:
            await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
        errors.append(caught.value)
    # Any of them, the last too, may be one for which another start was due.
    refused = [error for error in errors if error.reason is Reason.INTERNAL]
    assert refused
    assert all(error.retry_delay_s is not None for error in refused)
    # Two at once, then with a growing delay.
    assert len(starts.read_text()) <= 6
    await channel.close()


async def test_a_program_that_is_not_there_is_named(children: Children, tmp_path: Path) -> None:
    channel = Channel(children, program=(str(tmp_path / "nowhere"),))
    with pytest.raises(ModelError, match="nowhere") as caught:
        await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
    assert caught.value.reason is Reason.INTERNAL


async def test_while_two_workers_can_not_be_killed_there_is_no_third(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel(children, ping_timeout_s=0.2)
    pids = []
    with monkeypatch.context() as patch:
        # As if the kernel held them: SIGKILL has no effect.
        patch.setattr("poolfleet_agent.processes.child.os.killpg", lambda _pid, _signal: None)
        for _ in range(2):
            pid = await pid_of(channel)
            pids.append(pid)
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(ModelError, match="no answer"):
                await channel.ask(b"stat", b"/", timeout_s=0.1)
            async with asyncio.timeout(LIMIT_S):
                while channel.worker_pid == pid:
                    await asyncio.sleep(0.01)
        with pytest.raises(ModelError, match="hang in the kernel") as caught:
            await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
        assert caught.value.reason is Reason.POOL_UNRESPONSIVE
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                await pid_of(channel)
                break
            except ModelError:
                await asyncio.sleep(0.01)
    await channel.close()


async def test_more_than_may_be_open_is_refused_at_once(children: Children, hanging: Hanging) -> None:
    channel = Channel(children, most_open=1)
    first = asyncio.create_task(channel.ask(b"head", os.fsencode(hanging.file()), b"1", timeout_s=LIMIT_S))
    await asyncio.sleep(0)
    with pytest.raises(ModelError) as caught:
        await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
    assert caught.value.reason is Reason.TOO_BUSY
    hanging.let_go()
    assert await first == [b"0", b"a"]
    await channel.close()


async def test_a_caller_that_gives_up_leaves_the_worker_to_others(
    files: RoutedFiles, hanging: Hanging, channel: Channel
) -> None:
    pid = await pid_of(channel)
    slow = asyncio.create_task(files.head(hanging.file(), 7, timeout_s=LIMIT_S))
    await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await pid_of(channel) == pid
