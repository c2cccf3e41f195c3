"""Makes a volume's file in programs of our own, as the share's user: where root is nobody, libvirt cannot.

The file is filled under another name, and gets its own when it is complete, by a link, which never takes a name that
something has.
"""

import asyncio
import posixpath
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.encrypt import passphrase, trying
from poolfleet_agent.control.volumes.place import remove_file
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.capacity import bytes_at_once
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import image_of
from poolfleet_agent.model.operation import Progress
from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.ports import Files
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.reservation import new_file_name
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import VolumeDefinition

log = structlog.get_logger(__name__)

DEFAULT_MODE = 0o600
PROGRESS_INTERVAL_S = 1.0


def check_owner(entry: PoolEntry, permissions: Permissions | None, user: ShareUser) -> None:
    """Refuse an owner or a group that a file there cannot be given: SQUASHED."""
    owner = permissions.owner if permissions else None
    group = permissions.group if permissions else None
    if owner in {None, user.uid} and group in {None, user.gid}:
        return
    raise ModelError(
        Reason.SQUASHED,
        f"what is made in pool {entry.pool.name} belongs to {user.uid}:{user.gid}: its server takes root for nobody,"
        " who can give no file away; leave owner and group out, or export with no_root_squash",
        metadata={"pool": entry.pool.name, "owner": str(user.uid), "group": str(user.gid)},
    )


async def make_volume(
    host: Host, acting: Acting, entry: PoolEntry, definition: VolumeDefinition, report: Report
) -> None:
    """Make it, yet to be seen by libvirt: VOLUME_EXISTS, SQUASHED, and what the directory or the program refuses."""
    folder = entry.pool.definition.target_path or ""
    path = posixpath.join(folder, new_file_name(report.operation_id))
    # Its turn may come late: what is unmounted by then must not be written below.
    device = host.quarantine.device(entry, Use.TAKE_SPACE)
    image = image_of(definition, path, device=device, passphrase=await passphrase(host, definition))
    create = partial(host.images.create, image, user=acting.user, listener=report)
    try:
        async with _progress(acting.files, path, bytes_at_once(definition), report):
            await trying(definition)(create, timeout_s=host.rules.operation_timeout_s)
        inode = await acting.files.publish(
            path,
            name=definition.name,
            size_bytes=definition.capacity_bytes if image.format == "raw" else None,
            mode=_mode(definition.permissions),
        )
        if inode is None:
            metadata = {"pool": entry.pool.name, "volume": definition.name}
            raise ModelError(Reason.VOLUME_EXISTS, f"volume {definition.name!r} is there by now", metadata=metadata)
    except ModelError as error:
        await _remove_or_log(acting.files, path, device)
        raise host.actors.denied(entry, error) from error
    except asyncio.CancelledError:
        await _remove_or_log(acting.files, path, device)
        raise


def _mode(permissions: Permissions | None) -> int:
    return DEFAULT_MODE if permissions is None or permissions.mode is None else permissions.mode


async def remove_new_file(host: Host, entry: PoolEntry, operation_id: str) -> None:
    """Remove what an operation that was cut off had begun to fill."""
    acting = await host.actors.acting(entry)
    path = posixpath.join(entry.pool.definition.target_path or "", new_file_name(operation_id))
    await remove_file(acting.files, path, host.quarantine.device(entry, Use.WRITE))


async def _remove_or_log(files: Files, path: str, device: str) -> None:
    """Remove what was begun. What was to be told is how the creation ended: where this fails, a later sweep does it."""
    try:
        await remove_file(files, path, device)
    except ModelError as error:
        log.warning("a file that was begun stays", path=path, reason=error.reason, error=error.message)


@asynccontextmanager
async def _progress(files: Files, path: str, total_bytes: int, report: Report) -> AsyncIterator[None]:
    """Tell within the block what the file takes of the storage, where it is to take anything at once."""

    async def tell() -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            try:
                facts = await files.lstat(path)
                done_bytes = min(facts.allocated_bytes, total_bytes) if facts is not None else 0
                await report.progress(Progress(done_bytes=done_bytes, total_bytes=total_bytes, estimated=True))
            except ModelError as error:
                log.info("progress cannot be told", path=path, reason=error.reason)

    if total_bytes == 0:
        yield
        return
    telling = asyncio.create_task(tell(), name="tell progress")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])
