"""The mounts of a host that is not there: what mount does is said by the test, and what it did is to be seen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from poolfleet_agent.model.mount_table import MountEntry, MountTable
from poolfleet_agent.model.ports import LayerResult, MountRecord, MountRequest, ServerProbe
from poolfleet_agent.model.ports.mounts import Account, Export


def mount_entry(target: str, source: str, **differing: Any) -> MountEntry:
    return MountEntry(**{
        "mount_id": 40, "parent_id": 1, "device": "0:40", "root": "/", "target": target, "fs_type": "nfs4",
        "source": source, "options": (), "super_options": ("rw", "addr=10.0.0.1"), **differing,
    })  # fmt: skip


ROOT = mount_entry("/", "/dev/sda1", mount_id=1, parent_id=0, device="8:1", fs_type="ext4", super_options=("rw",))


class FakeMounts:
    """`mounting` is what happens at each mount; by default the share appears."""

    def __init__(self) -> None:
        self.entries: list[MountEntry] = [ROOT]
        self.resolved: Sequence[str] = ["10.0.0.1"]
        self.failed_layer: LayerResult | None = None
        self.mounting: Callable[[MountRequest], Awaitable[None]] = self.appear
        self.unmounting: Callable[[], Awaitable[None]] | None = None
        self.mount_calls = 0
        self.orphans: dict[str, str] = {}
        """What goes on to be mounted, by target, unless it is ended."""
        self._next_id = 100

    async def appear(self, request: MountRequest) -> None:
        self.put(request.target, f"{request.source.host}:{request.source.path}")

    def put(self, target: str, source: str, **differing: Any) -> None:
        """Have something mounted, on top of what is there."""
        top = MountTable(self.entries).on(target)
        self._next_id += 1
        parent_id = top.mount_id if top else 1
        self.entries.append(mount_entry(target, source, mount_id=self._next_id, parent_id=parent_id, **differing))

    def on(self, target: str) -> list[str]:
        """Sources of all that is on a target, in the order in which they came."""
        return [entry.source for entry in MountTable(self.entries).all_on(target)]

    def shares_host_namespace(self) -> bool:
        return True

    async def table(self) -> MountTable:
        return MountTable(tuple(self.entries))

    async def addresses(self, host: str) -> Sequence[str]:
        return self.resolved

    async def end_orphans(self, target: str) -> bool:
        return bool(self.orphans.pop(target, None))

    async def exports(self, host: str) -> tuple[Export, ...] | None:
        return None

    async def paths_below_root(self, host: str, port: int = 0) -> tuple[str, ...]:
        return ()

    async def qemu_user(self, uid: int | None) -> Account | None:
        return None

    async def probe_server(self, request: MountRequest) -> ServerProbe:
        return ServerProbe(layers=(self.failed_layer,) if self.failed_layer else (), addresses=tuple(self.resolved))

    async def mount(self, request: MountRequest, *, timeout_s: float) -> None:
        self.mount_calls += 1
        await self.mounting(request)

    async def kept_by_host(self, target: str) -> bool:
        return False

    async def unmount(self, target: str, *, timeout_s: float = 10.0) -> None:
        if self.unmounting is not None:
            await self.unmounting()
        if (top := MountTable(self.entries).on(target)) is not None:
            self.entries.remove(top)

    @asynccontextmanager
    async def forced_off(self, target: str) -> AsyncIterator[None]:
        await self.unmount(target)
        yield


class MemoryMountStore:
    """Keeps mount records as the state directory would, over the end of an agent."""

    def __init__(self) -> None:
        self.kept: dict[str, MountRecord] = {}

    async def load_all(self) -> Sequence[MountRecord]:
        return list(self.kept.values())

    async def save(self, record: MountRecord) -> None:
        self.kept[record.target] = record

    async def remove(self, target: str) -> None:
        self.kept.pop(target, None)
