"""Reads the signs of life in adopted storages: again only when their folder has changed."""

from dataclasses import dataclass, field

import structlog

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Signs
from poolfleet_agent.model.ports import FileFacts, FileKind, Files
from poolfleet_agent.model.sign_of_life import MOST_SIGNS, SIGNS_FOLDER, agents_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a folder held. `settled`: it was read twice since its last change, one in the moment of the first included.

    `changed`: which of its states that was; None: it was missing. `agent_ids` are None where it had too many names.
    """

    changed: tuple[int, int, float] | None
    agent_ids: tuple[str, ...] | None
    settled: bool


@dataclass(kw_only=True)
class SignReader:
    """Remembers what it read, by target."""

    files: Files
    _read: dict[str, _Read] = field(default_factory=dict)

    async def read(self, target: str, marker_file: FileFacts) -> Signs | None:
        """The signs in the storage at a target, whose marker that is; None: they cannot be read, which is logged.

        Raises POOL_UNRESPONSIVE and STALE.
        """
        path = f"{target}/{SIGNS_FOLDER}"
        try:
            folder = await self.files.lstat(path)
            changed = None if folder is None else (folder.device, folder.inode, folder.modified_at_s)
            known = self._read.get(target)
            if known is None or known.changed != changed or not known.settled:
                settled = known is not None and known.changed == changed
                known = _Read(changed=changed, agent_ids=await self._agents(path, folder), settled=settled)
                self._read[target] = known
        except ModelError as error:
            if error.reason in {Reason.POOL_UNRESPONSIVE, Reason.STALE}:
                raise
            self._read.pop(target, None)
            log.warning("signs of life cannot be read", path=path, reason=error.reason, error=error.message)
            return None
        if known.agent_ids is None:
            return None
        # One that came late, or comes again after all were lost, says that others may not have come yet.
        since_s = max(one.modified_at_s for one in (marker_file, folder) if one is not None)
        return Signs(since_s=since_s, agent_ids=known.agent_ids)

    async def _agents(self, path: str, folder: FileFacts | None) -> tuple[str, ...] | None:
        if folder is None:
            return ()
        if folder.kind is not FileKind.DIRECTORY:
            raise ModelError(Reason.PATH_NOT_USABLE, f"{path} is no folder", metadata={"path": path})
        try:
            found = agents_of(await self.files.names(path))
        except ModelError as error:
            if error.reason is not Reason.TOO_LARGE:
                raise
            found = None
        if found is None or len(found) > MOST_SIGNS:
            # Remembered as any other state of it: anybody who writes there could have it read at every look.
            log.warning("more signs of life than are believed", path=path, believed=MOST_SIGNS)
            return None
        return found
