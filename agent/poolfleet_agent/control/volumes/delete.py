"""DeleteVolume: delete a volume that nobody on this host uses."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.in_use import check_volume_not_in_use
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.existing import existing_volume
from poolfleet_agent.control.volumes.partitions import holds_partitions, removed_partition
from poolfleet_agent.control.volumes.place import file_in_pool, remove_file
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.quarantine import Use


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

    @property
    def changes_table(self) -> bool:
        """Of a disk pool's partitions."""
        return holds_partitions(self.host, self.pool)

    async def check(self) -> Outcome | Work:
        """Refuse what is no volume, is another than the caller saw, or is in use."""
        try:
            entry, record = await existing_volume(self.host, self.pool, self.volume, etag=self.etag, use=Use.WRITE)
        except ModelError as error:
            if error.reason is Reason.VOLUME_NOT_FOUND and self.allow_missing:
                return Outcome(changed=False)
            raise
        await file_in_pool(self.host, entry, self.volume)
        if not self.allow_in_use:
            await check_volume_not_in_use(self.host, entry, record)

        async def perform(report: Report) -> Outcome:
            return await self._delete(entry, record.facts.path)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _delete(self, entry: PoolEntry, path: str) -> Outcome:
        await self.host.quarantine.check_volume(entry, self.volume, Use.WRITE)
        changed = True
        try:
            await self._have_deleted(entry, path)
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

    async def _have_deleted(self, entry: PoolEntry, path: str) -> None:
        """By libvirt; where it cannot, by the agent; where it may not, by who acts in the pool.

        On network pools libvirt unlinks as the file's owner: qemu's user may not do that in a folder of root's. And
        where root is squashed, it is nobody.
        """
        if await removed_partition(self.host, entry, path, timeout_s=self.host.rules.operation_timeout_s):
            return
        proven = self.host.quarantine.proof(entry, Use.WRITE)
        try:
            await self.host.hypervisor.delete_volume(self.pool, self.volume, server=entry.pool.server, proven=proven)
        except ModelError as error:
            if error.reason is not Reason.SQUASHED:
                raise
            acting = await self.host.actors.acting(entry)
            device = self.host.quarantine.device(entry, Use.WRITE)
            try:
                await remove_file(acting.files, path, device)
            except ModelError as denied:
                raise self.host.actors.denied(entry, denied) from denied
            await self.host.refreshes.ask(self.pool)
