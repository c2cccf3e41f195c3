"""Network mounts in memory, with their health, as small as their port allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from poolfleet_agent.model.errors import Reason
from poolfleet_agent.model.mount_health import MountHealth
from poolfleet_agent.model.mount_table import MountEntry, MountTable
from poolfleet_agent.model.pool import HealthStatus


class FakeWatch:
    """No network mounts, until some are added: those in `answers` do not answer their next probe before it is set."""

    def __init__(self) -> None:
        self.entries: list[MountEntry] = []
        self.known: dict[str, MountHealth] = {}
        self.probed = asyncio.Event()
        self.silent: set[str] = set()
        """Targets that fell silent, and were not probed since."""
        self.asked: list[str] = []
        self.listeners: list[Callable[[], None]] = []

    def mount(self, target: str, source: str, **differing: Any) -> MountEntry:
        entry = MountEntry(**{
            "mount_id": len(self.entries) + 2, "parent_id": 1, "device": f"0:{len(self.entries)}", "root": "/",
            "target": target, "fs_type": "nfs4", "source": source, "options": (), "super_options": (), **differing,
        })  # fmt: skip
        self.entries.append(entry)
        self.become(target, HealthStatus.HEALTHY)
        return entry

    def unmount(self, target: str) -> None:
        self.entries = [entry for entry in self.entries if entry.target != target]
        self._tell()

    def become(self, target: str, status: HealthStatus, reason: str = "") -> None:
        """Say what a probe found."""
        if status in {HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE}:
            reason = Reason.POOL_UNRESPONSIVE
        self.known[target] = MountHealth(status=status, since_s=1.0, probed_at_s=1.0, reason=reason, message=reason)
        self.probed.set()
        self.probed = asyncio.Event()
        self._tell()

    def table(self) -> MountTable:
        root = {"mount_id": 1, "parent_id": 0, "device": "8:1", "root": "/", "target": "/", "fs_type": "ext4"}
        rest: dict[str, Any] = {"source": "/dev/sda", "options": (), "super_options": ()}
        return MountTable((MountEntry(**root, **rest), *self.entries))  # type: ignore[arg-type]

    def holding(self, path: str) -> MountEntry | None:
        entry = self.table().holding(path)
        return entry if entry is not None and entry.network else None

    def health(self, path: str) -> MountHealth | None:
        entry = self.holding(path)
        return self.known.get(entry.target) if entry else None

    def _with(self, status: HealthStatus) -> tuple[MountEntry, ...]:
        return tuple(entry for entry in self.entries if self.known[entry.target].status is status)

    def unresponsive(self) -> tuple[MountEntry, ...]:
        return self._with(HealthStatus.UNRESPONSIVE)

    def suspect(self) -> tuple[MountEntry, ...]:
        return self._with(HealthStatus.SUSPECT)

    async def wait_until_probed(self, limit_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while any(entry.target not in self.known for entry in self.entries):
                    await self.probed.wait()

    async def wait_for_next_probe(self, path: str, limit_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self.probed.wait()

    async def silent_now(self, entries: Iterable[MountEntry]) -> tuple[MountEntry, ...]:
        asked = tuple(entries)
        self.asked += [entry.target for entry in asked]
        return tuple(entry for entry in asked if entry.target in self.silent or self.known[entry.target].dead)

    async def until_unresponsive(self, path: str) -> None:
        while not (health := self.health(path)) or not health.dead:
            await self.probed.wait()

    async def wait_for_change(self) -> None:
        await self.probed.wait()

    def subscribe(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def _tell(self) -> None:
        for listener in self.listeners:
            listener()
