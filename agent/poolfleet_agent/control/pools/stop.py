"""StopPool: stop a pool, or find that it is stopped. Nothing that is stored is touched."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.in_use import check_pool_not_in_use
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.mounting import mount_request
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.quarantine import Use


@dataclass(frozen=True, kw_only=True)
class StopPool(Mutation):
    """Stop one pool."""

    kind: ClassVar = OperationKind.STOP_POOL
    host: Host = field(repr=False)
    pool: str
    etag: str = ""
    allow_in_use: bool = False

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, POOL_IN_USE."""
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        if not entry.pool.active:
            return self._as_it_is(entry)
        await self.host.quarantine.check(entry, Use.START_OR_STOP)
        await self._check_mount_is_ours(entry)
        warnings = () if self.allow_in_use else await check_pool_not_in_use(self.host, entry)

        async def perform(report: Report) -> Outcome:
            return await self._stop(entry)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s, warnings=warnings)

    @property
    def interrupts(self) -> OperationKind:
        """A start that waits for its next attempt."""
        return OperationKind.START_POOL

    async def _check_mount_is_ours(self, entry: PoolEntry) -> None:
        """libvirt stops a netfs pool by unmounting it: a mount that was there before us must not go that way."""
        request = mount_request(entry.pool.definition)
        if request is None or self.host.book.owner(request.target) is not MountOwner.FOREIGN:
            return
        if (await self.host.mounts.table()).on(request.target) is not None:
            raise ModelError(
                Reason.MOUNT_NOT_OURS,
                f"{request.target} was mounted before the pool was started, and stopping would unmount it;"
                " unmount it yourself",
                metadata={"pool": self.pool, "path": request.target},
            )

    def _as_it_is(self, entry: PoolEntry) -> Outcome | Work:
        desired = entry.pool.desired
        if desired is not None and desired.desired is Desired.STOPPED:
            return Outcome.of_pool(entry, changed=False)

        async def perform(report: Report) -> Outcome:
            await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
            return Outcome.of_pool(await self.host.looker.pool_facts(self.pool), changed=False)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _stop(self, entry: PoolEntry) -> Outcome:
        await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
        changed = True
        try:
            await self.host.hypervisor.stop_pool(self.pool, server=entry.pool.server)
        except ModelError as error:
            if error.reason is not Reason.POOL_NOT_ACTIVE:
                raise
            changed = False
        await self._prove_unmounted(entry)
        try:
            return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=changed)
        except ModelError as error:
            if error.reason is Reason.POOL_NOT_FOUND and not entry.pool.facts.persistent:
                return Outcome(changed=changed)  # a transient pool goes with its stop
            raise

    async def _prove_unmounted(self, entry: PoolEntry) -> None:
        """libvirt leaves a mount whose source is spelt in another way: undo it, if it was ours."""
        request = mount_request(entry.pool.definition)
        if request is None:
            return
        mounted = (await self.host.mounts.table()).on(request.target) is not None
        if mounted and self.host.book.owner(request.target) is MountOwner.AGENT:
            await self.host.mounts.unmount(request.target)
            mounted = False
        if not mounted:
            await self.host.book.gone(request.target)
