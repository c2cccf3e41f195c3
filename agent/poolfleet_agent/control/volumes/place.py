"""What is really at a volume's place: libvirt follows symbolic links, as root, so one that leads out of its pool never
reaches it."""

import posixpath

from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import FileFacts, FileKind, Files


def path_in_pool(entry: PoolEntry, name: str) -> str | None:
    """Path of a file of that name; None: the pool is no directory of files, or the name cannot be a file's."""
    definition = entry.pool.definition
    if not definition.target_path or definition.type not in DIRECTORY_POOL_TYPES or "/" in name:
        return None
    return posixpath.join(definition.target_path, name)


async def file_in_pool(host: Host, entry: PoolEntry, volume: str) -> FileFacts | None:
    """What is there by that name, its last symbolic link not followed: SYMLINK_LEAVES_POOL.

    None: nothing, or the pool is no directory of this host alone, or the name cannot be a file's.
    """
    return None if entry.pool.definition.server is not None else await file_on_share(host, entry, volume)


async def file_on_share(host: Host, entry: PoolEntry, volume: str) -> FileFacts | None:
    """As file_in_pool, also where a server has the files: for who knows that it answers."""
    path = path_in_pool(entry, volume)
    facts = None if path is None else await host.files.lstat(path)
    if path is not None and facts is not None and facts.kind is FileKind.SYMLINK:
        real = await host.files.real_path(path)
        if not is_within(real, await host.files.real_path(posixpath.dirname(path))):
            raise ModelError(
                Reason.SYMLINK_LEAVES_POOL,
                f"{path} is a symbolic link to {real}, outside the pool",
                metadata={"pool": entry.pool.name, "volume": volume, "path": path},
            )
    return facts


async def remove_file(files: Files, path: str, device: str) -> None:
    """Remove what has a name now, if it still is that when it goes; nothing there is fine."""
    if (left := await files.lstat(path)) is not None:
        await files.unlink_if(path, inode=left.inode, device=device)
