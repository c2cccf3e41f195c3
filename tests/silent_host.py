"""What the tests of silent shares ask of a host: its agent at once, its metrics, and libvirt as somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import urllib.request
from collections.abc import Awaitable, Iterator
from typing import TypeVar

from scripts.embedded.host import EmbeddedHost

LIMIT_S = 30.0
AT_ONCE_S = 5.0
"""Far longer than an answer from memory takes, far shorter than any call that hangs."""

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


def virsh_answers(host: EmbeddedHost, *words: str) -> bool:
    """Whether libvirt answers somebody else."""
    try:
        subprocess.run(["virsh", "-c", host.libvirtd.uri, *words], check=True, timeout=AT_ONCE_S, capture_output=True)
    except subprocess.TimeoutExpired:
        return False
    return True


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
