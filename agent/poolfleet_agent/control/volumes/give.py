"""Whose a new volume is: libvirt makes it root's alone, which no guest on a share can open."""

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.volumes.place import path_in_pool
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.ports import FileKind

log = structlog.get_logger(__name__)


async def give_to_guests(host: Host, entry: PoolEntry, volume: str) -> None:
    """Make a volume that libvirt has just created on a share qemu's user's, where it is still root's.

    Not by `<permissions>`: libvirt then creates it as that user, who may not write in a directory of root's. Where it
    cannot be, the creation has not failed.
    """
    path = path_in_pool(entry, volume)
    if path is None or entry.pool.server is None or (user := await host.actors.qemu_user()) is None:
        return
    try:
        facts = await host.files.lstat(path)
        if facts is not None and facts.kind is FileKind.FILE and facts.uid == 0:
            await host.files.give(path, inode=facts.inode, user=user)
    except ModelError as error:
        log.warning("a new volume stays root's", pool=entry.pool.name, volume=volume, error=error.message)
