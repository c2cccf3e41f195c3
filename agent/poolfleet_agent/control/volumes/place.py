"""What is really at a volume's place: libvirt follows symbolic links, as root, so one that leads out of its pool never
reaches it."""

import posixpath

from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import FileFacts, FileKind


async def file_in_pool(host: Host, entry: PoolEntry, volume: str) -> FileFacts | None:
    """What is there by that name, its last symbolic link not followed: SYMLINK_LEAVES_POOL.

    None: nothing, or the pool is no directory of this host, or the name cannot be a file's.
    """
    definition = entry.pool.definition
    target = definition.target_path
    if not target or definition.server is not None or definition.type not in DIRECTORY_POOL_TYPES or "/" in volume:
        return None
    path = posixpath.join(target, volume)
    facts = await host.files.lstat(path)
    if facts is not None and facts.kind is FileKind.SYMLINK:
        real = await host.files.real_path(path)
        if not is_within(real, await host.files.real_path(target)):
            raise ModelError(
                Reason.SYMLINK_LEAVES_POOL,
                f"{path} is a symbolic link to {real}, outside the pool",
                metadata={"pool": entry.pool.name, "volume": volume, "path": path},
            )
    return facts
