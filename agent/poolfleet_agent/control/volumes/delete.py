"""DeleteVolume: delete a volume that nobody on this host uses."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.in_use import check_volume_not_in_use
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.refresh import require_active
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.ports import FileKind


@dataclass(frozen=True, kw_only=True)
class DeleteVolume(Mutation):
    """Delete one volume."""

    kind: ClassVar = OperationKind.DELETE_VOLUME
    host: Host = field(repr=False)
    pool: str
    volume: str
    etag: str = ""
    allow_missing: bool = False
    allow_in_use: bool = False

    @property
    def target(self) -> tuple[str, str]:
        """The volume."""
        return self.pool, self.volume

    async def check(self) -> Outcome | Work:
        """Refuse what is no volume, is another than the caller saw, or is in use."""
        check_known_name("volume", self.volume)
        await self.host.find_pool(self.pool)
        entry = await self.host.looker.pool_facts(self.pool)
        require_active(entry)
        try:
            record = await self.host.looker.volume(self.pool, self.volume)
        except ModelError as error:
            if error.reason is Reason.VOLUME_NOT_FOUND and self.allow_missing:
                return Outcome(changed=False)
            raise
        check_etag(self.etag, record.etag)
        await self._check_is_volume(entry, record)
        if not self.allow_in_use:
            await check_volume_not_in_use(self.host, entry, record)

        async def perform() -> Outcome:
            return await self._delete(entry)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _check_is_volume(self, entry: PoolEntry, record: VolumeRecord) -> None:
        metadata = {"pool": self.pool, "volume": self.volume, "path": record.facts.path}
        if record.facts.special:
            raise ModelError(
                Reason.NOT_A_VOLUME,
                f"{self.volume!r} is a directory or begins with a dot; it is no volume",
                metadata=metadata,
            )
        definition = entry.pool.definition
        if definition.server is not None or definition.type not in DIRECTORY_POOL_TYPES or not definition.target_path:
            return
        facts = await self.host.files.lstat(record.facts.path)
        if facts is not None and facts.kind is FileKind.SYMLINK:
            real = await self.host.files.real_path(record.facts.path)
            if not is_within(real, await self.host.files.real_path(definition.target_path)):
                raise ModelError(
                    Reason.SYMLINK_LEAVES_POOL,
                    f"{record.facts.path} is a symbolic link to {real}, outside the pool",
                    metadata=metadata,
                )

    async def _delete(self, entry: PoolEntry) -> Outcome:
        changed = True
        try:
            await self.host.hypervisor.delete_volume(self.pool, self.volume, server=entry.pool.definition.server)
        except ModelError as error:
            if error.reason is not Reason.VOLUME_NOT_FOUND or not self.allow_missing:
                raise
            changed = False
        try:
            await self.host.looker.volume(self.pool, self.volume)
        except ModelError as error:
            if error.reason is not Reason.VOLUME_NOT_FOUND:
                raise
        await self.host.looker.pool_facts(self.pool)
        return Outcome(changed=changed)
