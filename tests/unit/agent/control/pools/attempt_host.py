"""A host for attempts at one share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from poolfleet_agent.control.grace import Say
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.control.pools.attempt import MountAttempt
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountError
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import MountRequest
from tests.unit.agent.fake_mounts import FakeMounts, MemoryMountStore

TARGET = "/pools/vm"
SHARE = "nfs1:/srv/vm"
REQUEST = MountRequest(source=NetfsSource(host="nfs1", path="/srv/vm"), target=TARGET)
LIMIT_S = 30.0


class Host:
    """Attempts at one share; `begin_anew` is an agent's end and start in the same boot."""

    def __init__(self) -> None:
        self.mounts = FakeMounts()
        self.store = MemoryMountStore()
        self.book = MountBook(store=self.store, boot_id="boot")
        self.looked_at: list[str] = []
        self.started = 0
        self.readying: Callable[[], Awaitable[None]] | None = None
        self.starting: Callable[[], Awaitable[None]] | None = None

    async def begin_anew(self) -> None:
        self.book = MountBook(store=self.store, boot_id="boot")
        await self.book.load()

    async def names(self, path: str, *, timeout_s: float = 10.0) -> list[bytes]:
        self.looked_at.append(path)
        self.mounts.put(path, SHARE)
        return []

    async def ready(self, say: Say) -> None:
        if self.readying is not None:
            await self.readying()

    async def say(self, message: str) -> None:
        raise AssertionError(message)

    async def start(self) -> None:
        if self.starting is not None:
            await self.starting()
        self.started += 1

    async def attempt(self) -> None:
        files: Any = self
        async with asyncio.timeout(LIMIT_S):
            attempt = MountAttempt(mounts=self.mounts, book=self.book, files=files, request=REQUEST, ready=self.ready)
            await attempt.run(self.start, self.say)

    async def failure(self) -> MountError:
        with pytest.raises(MountError) as failed:
            await self.attempt()
        return failed.value


async def fail() -> None:
    raise ModelError(Reason.INTERNAL, "libvirt says no")
