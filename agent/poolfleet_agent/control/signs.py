"""Leaves this agent's sign of life in the adopted storages that it has, and leaves it anew once a day.

Nothing is left in a storage that nobody adopted, and nothing anywhere by who only observes.
"""

import secrets
import socket
from dataclasses import dataclass, field

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import FileKind
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.sign_of_life import GIVEN_ANEW_AFTER_S, SIGNS_FOLDER
from poolfleet_agent.model.storage import MARKER_FOLDER

log = structlog.get_logger(__name__)

TRIED_AGAIN_AFTER_S = 600.0
"""After a storage did not let it be left."""


@dataclass(kw_only=True)
class SignsOfLife:
    """Knows where this life of the agent has left its sign, by target and storage."""

    host: Host
    _due_s: dict[tuple[str, str], float] = field(default_factory=dict)

    async def leave(self) -> None:
        """Leave it wherever it is due. Costs nothing elsewhere; what fails is logged, and for a later time."""
        if self.host.rules.observe_only:
            return
        now_s = self.host.clock.monotonic_s()
        for entry in tuple(self.host.registry.snapshot.pools.values()):
            storage, target = entry.pool.storage, entry.pool.definition.target_path
            if storage is None or storage.signs is None or not target or not entry.pool.active:
                continue
            place = target, storage.id
            if now_s < self._due_s.get(place, 0.0):
                continue
            after_s = GIVEN_ANEW_AFTER_S
            try:
                await self._leave(entry, target)
            except ModelError as error:
                after_s = TRIED_AGAIN_AFTER_S
                # Fleets without this host do not know then that it has the storage; so it is told, once for each.
                tell = log.info if place in self._due_s else log.warning
                tell("no sign of life can be left", pool=entry.pool.name, reason=error.reason, error=error.message)
            self._due_s[place] = now_s + after_s

    async def _leave(self, entry: PoolEntry, target: str) -> None:
        await self.host.quarantine.check(entry, Use.WRITE)
        acting = await self.host.actors.acting(entry)
        # What is marked is a folder of this storage, not one that a link in it leads to.
        marked = await self.host.files.lstat(f"{target}/{MARKER_FOLDER}")
        if marked is None or marked.kind is not FileKind.DIRECTORY:
            message = f"{target}/{MARKER_FOLDER} is no folder"
            raise ModelError(Reason.PATH_NOT_USABLE, message, metadata={"pool": entry.pool.name})
        agent_id = self.host.looker.agent_id
        path = f"{target}/{SIGNS_FOLDER}/{agent_id}"
        device = self.host.quarantine.device(entry, Use.WRITE)
        try:
            if not await acting.files.date_anew(path, device=device):
                content = f"{socket.gethostname()}\n".encode()
                temporary = f"{agent_id}.{secrets.token_hex(4)}"
                await acting.files.make_whole(path, content, temporary=temporary, device=device)
        except ModelError as error:
            raise self.host.actors.denied(entry, error) from error
