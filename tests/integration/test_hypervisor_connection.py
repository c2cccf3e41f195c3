"""The connection to a real libvirtd: it dies, hangs, is late, and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from poolfleet_agent.hypervisor import HypervisorSettings, Libvirt, connection
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import ConnectionEvent, HypervisorEvent, PoolEvent, PoolEventKind
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.raw_agent import eventually

# Far more than anything here takes, but where a test says otherwise.
LIMIT_S = 30.0
# It is to take 5 seconds; a busy machine may be slower.
FOUND_WITHIN_S = 15.0
HANGS_S = 1.0
"""After which a call that hangs is given up."""
POOL = "<pool type='dir'><name>p</name><target><path>/nowhere</path></target></pool>"


@pytest.fixture
def daemon(host_folder: Path) -> Iterator[EmbeddedLibvirtd]:
    with EmbeddedLibvirtd(host_folder / "l") as started:
        yield started


@asynccontextmanager
async def connecting(
    daemon: EmbeddedLibvirtd, *, call_timeout_s: float = LIMIT_S
) -> AsyncIterator[tuple[Libvirt, list[HypervisorEvent]]]:
    libvirt = Libvirt(HypervisorSettings(storage_uri=daemon.uri, domain_uris=(), call_timeout_s=call_timeout_s))
    events: list[HypervisorEvent] = []
    libvirt.subscribe(events.append)
    await libvirt.start()
    try:
        yield libvirt, events
    finally:
        await libvirt.close()


async def until(condition: Callable[[], bool], *, limit_s: float = LIMIT_S) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


async def reason_of_names(libvirt: Libvirt) -> Reason:
    with pytest.raises(ModelError) as failed:
        await libvirt.pool_names()
    return failed.value.reason


async def test_a_killed_libvirtd_is_missed_at_once_and_found_again_soon(daemon: EmbeddedLibvirtd) -> None:
    async with connecting(daemon) as (libvirt, events):
        await until(lambda: libvirt.facts().connected)
        daemon.kill9()
        await until(lambda: not libvirt.facts().connected)
        assert await reason_of_names(libvirt) is Reason.LIBVIRT_UNAVAILABLE
        # Long enough for the pauses between two attempts to be at their longest.
        await asyncio.sleep(4)
        await asyncio.to_thread(daemon.restart)
        await until(lambda: libvirt.facts().connected, limit_s=FOUND_WITHIN_S)
        assert await libvirt.pool_names() == []
        assert [event for event in events if isinstance(event, ConnectionEvent)] == [
            ConnectionEvent(connected=True),
            ConnectionEvent(connected=False),
            ConnectionEvent(connected=True),
        ]
        # Events come over the new connection.
        await libvirt.define_pool(POOL)
        await until(lambda: PoolEvent(kind=PoolEventKind.DEFINED, pool="p") in events)


async def test_a_stopped_libvirtd_holds_up_neither_start_nor_loop_nor_close(
    daemon: EmbeddedLibvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long an opening is waited for: who waited for it would be found.
    monkeypatch.setattr(connection, "OPEN_LIMIT_S", 10 * LIMIT_S)
    daemon.sigstop()
    try:
        async with asyncio.timeout(LIMIT_S), connecting(daemon, call_timeout_s=HANGS_S) as (libvirt, _):
            await asyncio.sleep(0.5)
            assert not libvirt.facts().connected
            assert await reason_of_names(libvirt) is Reason.LIBVIRT_UNAVAILABLE
    finally:
        daemon.sigcont()


async def test_a_libvirtd_that_goes_on_after_a_stop_is_found_again(daemon: EmbeddedLibvirtd) -> None:
    async with connecting(daemon, call_timeout_s=HANGS_S) as (libvirt, events):
        await until(lambda: libvirt.facts().connected)
        daemon.sigstop()
        try:
            assert await reason_of_names(libvirt) is Reason.LIBVIRT_UNAVAILABLE
            assert (libvirt.counters.in_flight, libvirt.counters.hung) == (1, 1)
            # Nothing ends the hung call but the keepalive, which then ends the connection.
            await until(lambda: not libvirt.facts().connected)
            await until(lambda: libvirt.counters.in_flight == 0)
        finally:
            daemon.sigcont()
        await until(lambda: libvirt.facts().connected)

        async def answers() -> bool:
            with contextlib.suppress(ModelError):  # not within the time in which it would be taken for hung
                return await libvirt.pool_names() == []
            return False

        await eventually(answers, limit_s=LIMIT_S, what="libvirt answers")
        assert ConnectionEvent(connected=False) in events


async def test_a_libvirtd_that_is_not_there_yet_is_found_when_it_comes(daemon: EmbeddedLibvirtd) -> None:
    daemon.kill9()
    async with connecting(daemon) as (libvirt, events):
        assert await reason_of_names(libvirt) is Reason.LIBVIRT_UNAVAILABLE
        assert events == []
        await asyncio.to_thread(daemon.restart)
        await until(lambda: libvirt.facts().connected)
        assert await libvirt.pool_names() == []


async def test_two_at_once_and_one_after_the_other(daemon: EmbeddedLibvirtd) -> None:
    async with connecting(daemon) as (first, _):
        async with connecting(daemon) as (second, events):
            await until(lambda: first.facts().connected and second.facts().connected)
        # The events' thread goes on for the other.
        await first.define_pool(POOL)
    async with connecting(daemon) as (third, events):
        await until(lambda: third.facts().connected)
        await third.undefine_pool("p", server=None)
        await until(lambda: PoolEvent(kind=PoolEventKind.UNDEFINED, pool="p") in events)


def sockets() -> set[str]:
    """Those that this process has open; each has a number of its own."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(entry))
    return {link for link in found if link.startswith("socket:")}


async def test_nothing_stays_open_after_an_end_or_a_loss(daemon: EmbeddedLibvirtd) -> None:
    # Those of tests before may go meanwhile.
    before = sockets()
    async with connecting(daemon) as (libvirt, _):
        await until(lambda: libvirt.facts().connected)
        while_connected = len(sockets() - before)
        assert while_connected
        for _ in range(2):
            daemon.kill9()
            await until(lambda: not libvirt.facts().connected)
            await asyncio.to_thread(daemon.restart)
            await until(lambda: libvirt.facts().connected)
        await until(lambda: len(sockets() - before) <= while_connected)
    await until(lambda: not sockets() - before)
