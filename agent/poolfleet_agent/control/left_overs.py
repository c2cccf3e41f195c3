"""Left-overs: files of agents that died while they created a volume, removed when nobody can be at work for them.

An agent removes its own, unless it is at work for them; anybody's it removes after a day. How old a file is, only
the clock tells that dated it: that of the file server.
"""

import posixpath
from dataclasses import dataclass

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.volumes.reserve import read_reservation
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import FileFacts, Files
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.reservation import (
    ANYBODYS_AFTER_S,
    OWN_PREFIX,
    is_reservation_name,
    operation_of_new_file,
)

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class LeftOvers:
    """Looks through the folders of the host's active pools."""

    host: Host
    journal: Journal

    async def sweep(self) -> bool:
        """Look once, at each pool that can be written to. False: the agent has yet to look at its host.

        What fails is for the next time.
        """
        if not self.host.registry.seen_since_start:
            return False
        if self.host.rules.observe_only:
            return True
        for entry in tuple(self.host.registry.snapshot.pools.values()):
            definition = entry.pool.definition
            if not entry.pool.active or definition.type not in DIRECTORY_POOL_TYPES or not definition.target_path:
                continue
            try:
                await self._sweep(entry, definition.target_path)
            except ModelError as error:
                log.info("left-overs stay for now", pool=entry.pool.name, reason=error.reason, error=error.message)
        return True

    async def _sweep(self, entry: PoolEntry, folder: str) -> None:
        await self.host.quarantine.check(entry, Use.WRITE)
        own = [name.decode(errors="surrogateescape") for name in await self.host.files.names(folder)]
        paths = [posixpath.join(folder, name) for name in own if name.startswith(OWN_PREFIX)]
        if not paths:
            return
        files = (await self.host.actors.acting(entry)).files
        device = self.host.quarantine.device(entry, Use.WRITE)
        now_s = await files.clock_s(folder, device=device)
        for path in paths:
            facts = await self.host.files.lstat(path)
            if (
                facts is not None
                and await self._is_left_over(files, path, facts, now_s)
                and await files.unlink_if(path, inode=facts.inode, device=device)
            ):
                log.info("a left-over is removed", pool=entry.pool.name, path=path)

    async def _is_left_over(self, files: Files, path: str, facts: FileFacts, now_s: float) -> bool:
        name = posixpath.basename(path)
        if not is_reservation_name(name):
            operation_id = operation_of_new_file(name)
            ours = self.journal.of_earlier_life(operation_id) or self.journal.left_files(operation_id)
            return ours or now_s - facts.modified_at_s > ANYBODYS_AFTER_S
        if (found := await read_reservation(files, path)) is None:
            return False
        holder = found.holder
        if holder is not None and self.journal.owes(holder.operation_id):
            return False  # control/recovery removes it, after the volume
        if holder is not None and holder.agent_id == self.host.looker.agent_id:
            at_work = self.journal.of_this_life(holder.operation_id)
            return not at_work or self.journal.left_files(holder.operation_id)
        return found.is_left_over(now_s)
