"""What the tests of silent shares ask of a host: its agent at once, its metrics, and libvirt as somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import urllib.request
from collections.abc import Awaitable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from poolfleet.aio import AgentClient
from poolfleet_agent.inventory.observe import LONGEST_REST_S
from scripts.embedded.host import EmbeddedHost
from tests.raw_agent import eventually

LIMIT_S = 30.0
AT_ONCE_S = 15.0
"""Far longer than an answer from memory takes, far shorter than any call that hangs."""

QUICK_SETTINGS: dict[str, Any] = {"mount": {"probe_interval_s": 1.0}, "staleness_s": 600.0}
"""For an agent that finds a share silent soon, and whose periodic look does not happen to fall into the silence."""

T = TypeVar("T")


async def at_once(answer: Awaitable[T]) -> T:
    async with asyncio.timeout(AT_ONCE_S):
        return await answer


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT_S) as answer:
        return str(answer.read().decode())


def libvirt_calls(port: int) -> dict[str, float]:
    """What the agent's metrics say of them, by state."""
    lines = metrics(port).splitlines()
    found = [line.split() for line in lines if line.startswith("poolfleet_libvirt_calls{")]
    return {name.split('"')[1]: float(value) for name, value in found}


async def libvirt_calls_settle(port: int, *, stuck_most: int = 0) -> None:
    """Return when at most so many calls to libvirt are left, where those that hang stay.

    The agent's own looks at what has changed come and go at any moment, so one answer of the metrics says nothing.
    """

    async def settled() -> bool:
        return libvirt_calls(port)["in_flight"] <= stuck_most

    await eventually(settled, limit_s=LIMIT_S, what=f"at most {stuck_most} calls to libvirt are left")


async def looked_at_all(client: AgentClient, port: int) -> None:
    """Return when the agent has looked at all that it was told of: what is under way would hang with a share."""
    now_s = asyncio.get_running_loop().time
    seen: dict[str, datetime | None] = {}
    since_s = now_s()

    async def rests() -> bool:
        nonlocal seen, since_s
        looks = {pool.name: pool.as_of async for pool in client.pools.list()}
        if libvirt_calls(port)["in_flight"] or looks != seen:
            seen, since_s = looks, now_s()
        # What it was told of during its rest it looks at after it.
        return now_s() - since_s > 1.5 * LONGEST_REST_S

    await eventually(rests, limit_s=LIMIT_S, what="the agent looks at nothing any more")


async def mounts_found_dead(port: int, count: int) -> None:
    """Return when so many network mounts of the host are found unresponsive: none of them is asked anything more."""

    async def dead() -> bool:
        return f'poolfleet_network_mounts{{health="UNRESPONSIVE"}} {count:.1f}\n' in metrics(port)

    await eventually(dead, limit_s=LIMIT_S, what=f"{count} mounts are found unresponsive")


def virsh_answers(host: EmbeddedHost, *words: str) -> bool:
    """Whether libvirt answers somebody else."""
    try:
        subprocess.run(["virsh", "-c", host.libvirtd.uri, *words], check=True, timeout=AT_ONCE_S, capture_output=True)
    except subprocess.TimeoutExpired:
        return False
    return True


async def virsh_hangs(host: EmbeddedHost, *words: str) -> None:
    """Return when libvirt does not answer somebody else any more: what keeps it may have yet to come."""

    async def hangs() -> bool:
        return not await asyncio.to_thread(virsh_answers, host, *words)

    await eventually(hangs, limit_s=LIMIT_S, what=f"libvirt hangs for who asks for its {words[0]}")


@contextlib.contextmanager
def hanging_refreshes(host: EmbeddedHost, *pools: str) -> Iterator[None]:
    """Somebody else has libvirt refresh pools whose share is silent; in the end libvirt has to have come back."""
    argv = ["virsh", "-c", host.libvirtd.uri, "pool-refresh"]
    silenced = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with contextlib.ExitStack() as ends:
        begun = [ends.enter_context(subprocess.Popen([*argv, pool], **silenced)) for pool in pools]  # type: ignore[call-overload]
        try:
            yield
            for refresh in begun:
                refresh.wait(LIMIT_S)
        finally:
            for refresh in begun:
                refresh.kill()
