"""Makes a volume's file in programs of our own: where root is nobody, as the share's user, for libvirt cannot; and
what is long at work everywhere, for libvirt could neither tell how far it is nor end it.

The file is filled under another name, and gets its own when it is complete, by a link, which never takes a name that
something has.
"""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host, HostRules
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.encrypt import passphrase, trying
from poolfleet_agent.control.volumes.give import give_to_guests
from poolfleet_agent.control.volumes.place import remove_file
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.capacity import bytes_at_once
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import NewImage, SourceImage, copy_of, image_format, image_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is written into a new volume, and by whom: `user` reads the one and writes the other."""

    image: SourceImage
    user: ShareUser
    total_bytes: int


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


def check_nocow(entry: PoolEntry, definition: VolumeDefinition) -> None:
    """Refuse a raw file without copy-on-write where it cannot be, as libvirt does: NOT_SUPPORTED_HERE."""
    if definition.options.nocow and definition.encryption is None and definition.format in {None, "raw"}:
        message = f"pool {entry.pool.name} is on a share, and only files on btrfs can be without copy-on-write"
        metadata = {"pool": entry.pool.name, "what": message}
        raise ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata=metadata)


def creation_timeout_s(rules: HostRules, definition: VolumeDefinition) -> float:
    """How long a creation may take; one that writes the whole volume is as long at work as a copy."""
    return rules.copy_timeout_s if definition.preallocation else rules.operation_timeout_s


async def make_volume(
    host: Host, acting: Acting, entry: PoolEntry, definition: VolumeDefinition, report: Report
) -> None:
    """Make an empty one, yet to be seen by libvirt: VOLUME_EXISTS, SQUASHED, and what directory or program refuse."""
    total_bytes = bytes_at_once(definition)
    async with _new_file(host, acting, entry, definition, report) as (path, device):
        image = image_of(definition, path, device=device, passphrase=await passphrase(host, definition))
        create = partial(host.images.create, image, user=acting.user, listener=report)
        done_bytes = partial(_allocated_bytes, acting.files, path, total_bytes)
        async with _progress(done_bytes, total_bytes, report):
            await trying(definition)(create, timeout_s=creation_timeout_s(host.rules, definition))


async def make_copy(
    host: Host, acting: Acting, entry: PoolEntry, definition: VolumeDefinition, content: Content, report: Report
) -> None:
    """As make_volume, with the content of another one."""
    done_bytes = 0

    def copied(share: float) -> None:
        nonlocal done_bytes
        done_bytes = int(share * content.total_bytes)

    async def told() -> int:
        return done_bytes

    async with _new_file(host, acting, entry, definition, report) as (path, device):
        image = copy_of(definition, path, device=device, passphrase=await passphrase(host, definition))
        if image.is_empty_file:
            await _make_empty(acting, image, report)
        else:
            create = partial(host.images.create, image, user=acting.user, listener=report)
            await trying(definition)(create, timeout_s=host.rules.operation_timeout_s)
        is_lent = content.user != acting.user
        owner = await _make_owner(acting.files, path, content.user) if is_lent else None
        async with _progress(told, content.total_bytes, report):
            await host.images.copy(
                content.image,
                image,
                user=content.user,
                listener=report,
                copied=copied,
                timeout_s=host.rules.copy_timeout_s,
            )
        if owner is not None:
            await _make_owner(acting.files, path, owner)


async def _make_empty(acting: Acting, image: NewImage, report: Report) -> None:
    """Make a file that begins as nothing but a hole, which takes no program."""
    # A libvirt that is nobody on a share reads what another user fills there; what is root's is nobody's business.
    mode = 0o600 if acting.user.is_root else 0o644
    making = asyncio.ensure_future(
        acting.files.make_empty(image.path, size_bytes=image.size_bytes, mode=mode, device=image.device)
    )
    try:
        await asyncio.shield(making)
    except ModelError:
        report.owes_files()  # it may yet be made
        raise
    except asyncio.CancelledError:
        # Not before it is there can it be removed.
        report.owes_files()
        await asyncio.gather(making, return_exceptions=True)
        raise


@asynccontextmanager
async def _new_file(
    host: Host, acting: Acting, entry: PoolEntry, definition: VolumeDefinition, report: Report
) -> AsyncIterator[tuple[str, str]]:
    """Path and device of a file that the block makes; then it becomes the volume, or goes where the block fails."""
    if acting.squashed:
        check_owner(entry, definition.permissions, acting.user)
    folder = entry.pool.definition.target_path or ""
    path = posixpath.join(folder, new_file_name(report.operation_id))
    # Its turn may come late: what is unmounted by then must not be written below.
    device = host.quarantine.device(entry, Use.TAKE_SPACE)
    try:
        yield path, device
        await _give_as_asked(acting, path, definition.permissions)
        report.commits()
        inode = await acting.files.publish(
            path,
            name=definition.name,
            size_bytes=definition.capacity_bytes if _is_plain_raw(definition) else None,
            mode=_mode(definition.permissions),
        )
        if inode is None:
            metadata = {"pool": entry.pool.name, "volume": definition.name}
            raise ModelError(Reason.VOLUME_EXISTS, f"volume {definition.name!r} is there by now", metadata=metadata)
    except ModelError as error:
        await _remove_or_owe(acting.files, path, device, report)
        raise host.actors.denied(entry, error) from error
    except asyncio.CancelledError:
        await _remove_or_owe(acting.files, path, device, report)
        raise
    if not acting.squashed and definition.permissions is None:
        await give_to_guests(host, entry, definition.name)


async def _give_as_asked(acting: Acting, path: str, asked: Permissions | None) -> None:
    """Make a new file whose it is to be. Where root is nobody it can be given to nobody, and need not: check_owner."""
    if acting.squashed or asked is None or (asked.owner is None and asked.group is None):
        return
    if (facts := await acting.files.lstat(path)) is not None:
        uid = facts.uid if asked.owner is None else asked.owner
        gid = facts.gid if asked.group is None else asked.group
        await _make_owner(acting.files, path, ShareUser(uid=uid, gid=gid))


async def _make_owner(files: Files, path: str, owner: ShareUser) -> ShareUser | None:
    """Give a new file to somebody; whose it was."""
    facts = await files.lstat(path)
    if facts is None:
        return None
    was = ShareUser(uid=facts.uid, gid=facts.gid)
    if owner != was:
        await files.give(path, inode=facts.inode, user=owner)
    return was


def _is_plain_raw(definition: VolumeDefinition) -> bool:
    """Whether its file's length is its capacity, to the byte."""
    return image_format(definition.format or "") == "raw" and definition.encryption is None


def _mode(permissions: Permissions | None) -> int:
    return DEFAULT_MODE if permissions is None or permissions.mode is None else permissions.mode


async def remove_new_file(host: Host, entry: PoolEntry, operation_id: str) -> None:
    """Remove what an operation that was cut off had begun to fill."""
    acting = await host.actors.acting(entry)
    path = posixpath.join(entry.pool.definition.target_path or "", new_file_name(operation_id))
    await remove_file(acting.files, path, host.quarantine.device(entry, Use.WRITE))


async def _remove_or_owe(files: Files, path: str, device: str, report: Report) -> None:
    """Remove what was begun. What was to be told is how the creation ended: where this fails, a later sweep does it."""
    try:
        await remove_file(files, path, device)
    except ModelError as error:
        report.owes_files()
        log.warning("a file that was begun stays", path=path, reason=error.reason, error=error.message)


async def _allocated_bytes(files: Files, path: str, most_bytes: int) -> int:
    facts = await files.lstat(path)
    return min(facts.allocated_bytes, most_bytes) if facts is not None else 0


@asynccontextmanager
async def _progress(done: Callable[[], Awaitable[int]], total_bytes: int, report: Report) -> AsyncIterator[None]:
    """Tell within the block how far it is, where there is anything to do."""

    async def tell() -> None:
        while True:
            try:
                report.progress(Progress(done_bytes=await done(), total_bytes=total_bytes, estimated=True))
            except ModelError as error:
                log.info("progress cannot be told", operation=report.operation_id, reason=error.reason)
            await asyncio.sleep(PROGRESS_INTERVAL_S)

    if total_bytes == 0:
        yield
        return
    telling = asyncio.create_task(tell(), name="tell progress")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])
