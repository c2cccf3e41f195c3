"""Resizes a volume's file by the file worker and programs of our own, as who touches the pool's files.

The length of a raw file is one system call of the worker's, which looks at the file once more and gives it exactly the
bytes that were asked for. Only taking its bytes from the storage is long: that is a program's, which can be ended.
"""

import asyncio
from dataclasses import dataclass

import structlog

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.place import path_in_pool
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import ImageFile
from poolfleet_agent.model.ports import FileFacts, Files
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.resizing import Resizing

log = structlog.get_logger(__name__)


async def resize_file(
    host: Host, acting: Acting, entry: PoolEntry, volume: str, found: FileFacts, change: Resizing, report: Report
) -> None:
    """Resize, yet to be seen by libvirt: RESOURCE_BUSY where it is another by now, and what it or qemu-img refuses.

    A raw file that could not be allocated has its former length again.
    """
    path = path_in_pool(entry, volume) or ""
    # Its turn may come late: what is unmounted by then must not be touched below.
    device = host.quarantine.device(entry, Use.TAKE_SPACE if change.allocate else Use.WRITE)
    file = ImageFile(path=path, inode=found.inode, device=device)
    try:
        if change.format == "raw":
            await _resize_raw(host, acting, file, change, report)
        else:
            await host.images.resize(
                file, change, user=acting.user, listener=report, timeout_s=host.rules.copy_timeout_s
            )
    except ModelError as error:
        raise host.actors.denied(entry, error) from error


async def _resize_raw(host: Host, acting: Acting, file: ImageFile, change: Resizing, report: Report) -> None:
    """Grow before, shrink after its bytes are taken: whoever is cut off leaves one of both lengths, never another."""
    length = _Length(acting.files, file)
    old_bytes, new_bytes = change.old_capacity_bytes, change.capacity_bytes
    try:
        if change.grows:
            await length.change(old_bytes, new_bytes)
        if change.allocate:
            await host.contents.allocate(
                file, new_bytes, user=acting.user, listener=report, timeout_s=host.rules.copy_timeout_s
            )
    except (ModelError, asyncio.CancelledError):
        if change.grows:
            await length.take_back(new_bytes, old_bytes)
        raise
    if change.shrinks:
        await length.change(old_bytes, new_bytes)


@dataclass(frozen=True, slots=True)
class _Length:
    """How long a file is."""

    files: Files
    file: ImageFile

    async def change(self, size_bytes: int, new_size_bytes: int) -> None:
        """Change it: RESOURCE_BUSY where the file is another by now, or has another length."""
        if not await self._changed(size_bytes, new_size_bytes):
            raise ModelError(
                Reason.RESOURCE_BUSY,
                f"{self.file.path} was changed meanwhile by somebody else",
                metadata={"path": self.file.path},
                retry_delay_s=1.0,
            )

    async def take_back(self, size_bytes: int, former_size_bytes: int) -> None:
        """Undo it. What was to be told is why: where this fails, the volume stays larger and is not allocated."""
        try:
            await self._changed(size_bytes, former_size_bytes)
        except ModelError as error:
            log.warning("a volume stays larger", path=self.file.path, reason=error.reason, error=error.message)

    async def _changed(self, size_bytes: int, new_size_bytes: int) -> bool:
        file = self.file
        return await self.files.resize_if(
            file.path, inode=file.inode, size_bytes=size_bytes, new_size_bytes=new_size_bytes, device=file.device
        )
