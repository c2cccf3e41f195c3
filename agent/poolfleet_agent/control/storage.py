"""AdoptStorage: mark a storage with an id of its own, which every host that sees it reads there."""

import uuid
from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.refresh import require_active
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES, StorageIdSource
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.storage import MARKER


@dataclass(frozen=True, kw_only=True)
class AdoptStorage(Mutation):
    """Adopt the storage behind one pool. The marker is the only thing lasting that is ever left on a share."""

    kind: ClassVar = OperationKind.ADOPT_STORAGE
    host: Host = field(repr=False)
    pool: str
    etag: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, NOT_SUPPORTED_HERE, POOL_NOT_ACTIVE, IDENTITY_CONFLICT, and of its mount."""
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        target, kind = entry.pool.definition.target_path, entry.pool.definition.type
        if not target or kind not in DIRECTORY_POOL_TYPES:
            raise ModelError(
                Reason.NOT_SUPPORTED_HERE,
                f"pool {self.pool!r} of type {kind} is no directory of files, where a marker could lie",
                metadata={"pool": self.pool, "type": kind},
            )
        require_active(entry)
        await self.host.quarantine.check(entry, Use.READ)
        if await self._marker(target):
            entry = await self.host.looker.pool(self.pool)
            return Outcome.of_pool(entry, changed=False, warnings=_warnings(entry))
        await self.host.quarantine.check(entry, Use.TAKE_SPACE)

        async def perform(report: Report) -> Outcome:
            await self.host.quarantine.check(entry, Use.TAKE_SPACE)
            content = f"{uuid.uuid4()}\n".encode()
            temporary = f"storage-id.{report.operation_id}"
            acting = await self.host.actors.acting(entry)
            # Again: below a share that was unmounted meanwhile nothing is ever written.
            device = self.host.quarantine.device(entry, Use.TAKE_SPACE)
            try:
                made = await acting.files.make_whole(f"{target}/{MARKER}", content, temporary=temporary, device=device)
            except ModelError as error:
                raise self.host.actors.denied(entry, error) from error
            if not made:
                await self._marker(target)  # another host was quicker; if what it made is none, that is said
            after = await self.host.looker.pool(self.pool)
            return Outcome.of_pool(after, changed=made, warnings=_warnings(after))

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _marker(self, target: str) -> str:
        """The marker that is there; empty: none. IDENTITY_CONFLICT: something else is in its place."""
        path = f"{target}/{MARKER}"
        marker = await self.host.looker.storages.marker(self.pool, target)
        if not marker and await self.host.files.lstat(path) is not None:
            raise ModelError(
                Reason.IDENTITY_CONFLICT,
                f"{path} holds no UUID: it is not a marker that an agent wrote",
                metadata={"pool": self.pool, "path": path},
            )
        return marker


def _warnings(entry: PoolEntry) -> tuple[str, ...]:
    storage = entry.pool.storage
    if storage is None or storage.source is not StorageIdSource.CONFIGURED:
        return ()
    return (f"the agent's configuration calls this storage {storage.id}, which goes before its marker",)
