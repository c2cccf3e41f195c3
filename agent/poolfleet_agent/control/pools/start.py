"""StartPool: start a pool, or find that it is started. A network share is mounted first, with retries; one that was
lost below a started pool is brought back.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.grace import LONGEST_GRACE_S, Say
from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.attempt import ATTEMPT_LIMIT_S, MountAttempt
from poolfleet_agent.control.pools.heal import check_may_heal, lost_share, remove_stale
from poolfleet_agent.control.pools.mounting import Mounting, mount_request, mount_warnings
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.secrets.lookup import check_has_secrets
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import RetryPolicy
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.ports import MountRequest, PoolEventKind
from poolfleet_agent.model.quarantine import Use


@dataclass(frozen=True, kw_only=True)
class StartPool(Mutation):
    """Start one pool; `as_meant`: nobody wishes it anew, and it ends where the pool is not meant to run any more."""

    kind: ClassVar = OperationKind.START_POOL
    host: Host = field(repr=False)
    pool: str
    etag: str = ""
    retry: RetryPolicy | None = None
    as_meant: bool = False

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, HOST_MOUNT_UNRESPONSIVE, SECRET_NOT_USABLE, and what the quarantine refuses.

        A pool whose share is lost is not started, though libvirt says so: MOUNT_NOT_OURS, POOL_IN_USE.
        """
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        await self.host.quarantine.check(entry, Use.START_OR_STOP)
        lost = lost_share(self.host, entry)
        if entry.pool.active and lost is None:
            return self._as_it_is(entry)
        request = self._mount_request(entry)
        if lost is not None:
            await check_may_heal(self.host, entry, lost, request)
        await self.host.quarantine.check_start(entry.pool.definition)
        facts = entry.pool.facts
        await check_has_secrets(self.host, self.pool, facts.inactive_xml or facts.xml)

        async def perform(report: Report) -> Outcome:
            return await self._start(entry, request, report)

        policy = self.retry or self.host.rules.mount_retries
        timeout_s = max(self.host.rules.start_timeout_s, policy.deadline_s + 2 * ATTEMPT_LIMIT_S + LONGEST_GRACE_S)
        return Work(perform=perform, timeout_s=timeout_s, warnings=mount_warnings(request))

    def _as_it_is(self, entry: PoolEntry) -> Outcome | Work:
        desired = entry.pool.desired
        if self.as_meant or (desired is not None and desired.desired is Desired.STARTED):
            return Outcome.of_pool(entry, changed=False)

        async def perform(report: Report) -> Outcome:
            await self.host.intents.want(entry.pool.facts, Desired.STARTED, "StartPool")
            return Outcome.of_pool(await self.host.looker.pool_facts(self.pool), changed=False)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    def _mount_request(self, entry: PoolEntry) -> MountRequest | None:
        """What the agent is to mount; None: libvirt does it, or nobody."""
        request = mount_request(entry.pool.definition)
        return request if self.host.mounts.shares_host_namespace() else None

    async def _require_meant(self, entry: PoolEntry, *, stopped_by_us: bool = False) -> None:
        """Refuse to start what somebody stopped meanwhile: OPERATION_CANCELLED."""
        is_undecided = not stopped_by_us and self.host.observer.wishes.is_undecided(self.pool)
        intent = await self.host.intents.of(entry.pool.facts)
        if is_undecided or intent.desired.desired is not Desired.STARTED:
            message = f"pool {self.pool!r} was started or stopped by others meanwhile; this start goes by what is meant"
            raise ModelError(Reason.OPERATION_CANCELLED, message, metadata={"pool": self.pool})

    async def _start(self, entry: PoolEntry, request: MountRequest | None, report: Report) -> Outcome:
        if self.as_meant:
            await self._require_meant(entry)
        else:
            await self.host.intents.want(entry.pool.facts, Desired.STARTED, "StartPool")
        changed, stopped_by_us = True, False

        async def start() -> None:
            nonlocal changed
            # Attempts take their time: another mount may have died meanwhile, and libvirt must not be who finds out.
            await self.host.quarantine.check_start(entry.pool.definition)
            await self.host.actors.check_listable(entry.pool.definition)
            if self.as_meant:
                await self._require_meant(entry, stopped_by_us=stopped_by_us)
            changed = await self._have_started(entry)

        if request is None:
            await self.host.grace.passed(entry.pool.definition, report.warn)
            await start()
        else:
            if (lost := lost_share(self.host, entry)) is not None and lost.reason == Reason.STALE:
                stopped_by_us = await remove_stale(self.host, entry, request)

            async def ready(say: Say) -> None:
                await self.host.grace.passed(entry.pool.definition, say)

            attempt = MountAttempt(
                mounts=self.host.mounts, book=self.host.book, files=self.host.files, request=request, ready=ready
            )
            mounting = Mounting(
                attempt=attempt,
                clock=self.host.clock,
                pool=self.pool,
                policy=self.retry or self.host.rules.mount_retries,
                told=report.attempts,
            )
            await mounting.run(start)
        return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=changed)

    async def _have_started(self, entry: PoolEntry) -> bool:
        """Have libvirt start it, or look anew at what is mounted below an active one; whether anything was done."""
        try:
            with self.host.observer.own_changes.changing(self.pool, PoolEventKind.STARTED, wished=not self.as_meant):
                if not self.as_meant:
                    # Once more: what others did since the mounting began, and what is heard of that late, is older.
                    await self.host.intents.want(entry.pool.facts, Desired.STARTED, "StartPool")
                await self.host.hypervisor.start_pool(self.pool, server=entry.pool.server)
        except ModelError as error:
            if error.reason is not Reason.POOL_ACTIVE:
                raise
        else:
            return True
        if not entry.pool.active:
            return False  # somebody was quicker
        await self.host.refreshing.refresh_proven(entry)
        return True
