"""StopPool: stop a pool, or find that it is stopped. Nothing that is stored is touched.

By force it gets rid of a share that does not answer (control/pools/dead_share); with one that does, it is a stop like
any other.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.in_use import check_dead_pool_not_in_use, check_pool_not_in_use
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.dead_share import check_share_is_ours, get_rid_of_share, mount_not_ours
from poolfleet_agent.control.pools.mounting import mount_request
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.ports import PoolEventKind
from poolfleet_agent.model.quarantine import Use


@dataclass(frozen=True, kw_only=True)
class StopPool(Mutation):
    """Stop one pool."""

    kind: ClassVar = OperationKind.STOP_POOL
    host: Host = field(repr=False)
    pool: str
    etag: str = ""
    allow_in_use: bool = False
    force: bool = False

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, POOL_IN_USE, MOUNT_NOT_OURS, HOST_MOUNT_UNRESPONSIVE, POOL_UNRESPONSIVE."""
        if self.force:
            known = await self.host.find_pool(self.pool)
            if (mount := await self.host.quarantine.mounts.silent_mount(known.pool.definition)) is not None:
                return await self._by_force(known, mount)
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        if not entry.pool.active:
            return self._as_it_is(entry)
        await self.host.quarantine.check(entry, Use.START_OR_STOP)
        await self._check_mount_is_ours(entry)
        await self.host.quarantine.check_stop(entry.pool.definition)
        warnings = () if self.allow_in_use else await check_pool_not_in_use(self.host, entry)

        async def perform(report: Report) -> Outcome:
            # The share came back to life between the decision to overtake and the checks: nothing has to be freed.
            await report.alone()
            return await self._stop(entry)

        return Work(
            perform=perform,
            timeout_s=self.host.rules.operation_timeout_s,
            warnings=warnings,
            hopeless=partial(self.host.quarantine.until_unresponsive, entry),
        )

    async def _by_force(self, entry: PoolEntry, mount: MountEntry) -> Work:
        """Decided by what was last seen: libvirt cannot be asked."""
        check_etag(self.etag, entry.pool.etag)
        await check_share_is_ours(self.host, entry, mount)
        warnings = () if self.allow_in_use else await check_dead_pool_not_in_use(self.host, entry)

        async def perform(report: Report) -> Outcome:
            await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
            await get_rid_of_share(self.host, entry, mount, alone=report.alone)
            return await self._as_it_became(entry, changed=True)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s, warnings=warnings)

    async def overtakes(self) -> bool:
        """What holds a pool on a dead share hangs on that, and comes back by this stop only."""
        entry = self.host.registry.snapshot.pools.get(self.pool) if self.force else None
        return entry is not None and await self.host.quarantine.mounts.silent_mount(entry.pool.definition) is not None

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
            raise mount_not_ours(self.pool, request.target)

    def _as_it_is(self, entry: PoolEntry) -> Outcome | Work:
        desired = entry.pool.desired
        if desired is not None and desired.desired is Desired.STOPPED:
            return Outcome.of_pool(entry, changed=False)

        async def perform(report: Report) -> Outcome:
            await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
            return Outcome.of_pool(await self.host.looker.pool_facts(self.pool), changed=False)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _stop(self, entry: PoolEntry) -> Outcome:
        changed = True
        try:
            with self.host.observer.own_changes.changing(self.pool, PoolEventKind.STOPPED, wished=True):
                await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
                await self.host.hypervisor.stop_pool(self.pool, server=entry.pool.server)
        except ModelError as error:
            if error.reason is not Reason.POOL_NOT_ACTIVE:
                raise
            changed = False
        await self._prove_unmounted(entry)
        return await self._as_it_became(entry, changed=changed)

    async def _as_it_became(self, entry: PoolEntry, *, changed: bool) -> Outcome:
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
