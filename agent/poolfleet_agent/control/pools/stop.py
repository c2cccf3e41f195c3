"""StopPool: stop a pool, or find that it is stopped. Nothing that is stored is touched."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.in_use import check_pool_not_in_use
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind


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
        await self.host.find_pool(self.pool)
        entry = await self.host.looker.pool_facts(self.pool)
        check_etag(self.etag, entry.pool.etag)
        if not entry.pool.active:
            return self._as_it_is(entry)
        warnings = () if self.allow_in_use else await check_pool_not_in_use(self.host, entry)

        async def perform() -> Outcome:
            return await self._stop(entry)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s, warnings=warnings)

    def _as_it_is(self, entry: PoolEntry) -> Outcome | Work:
        desired = entry.pool.desired
        if desired is not None and desired.desired is Desired.STOPPED:
            return Outcome.of_pool(entry, changed=False)

        async def perform() -> Outcome:
            await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
            return Outcome.of_pool(await self.host.looker.pool_facts(self.pool), changed=False)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _stop(self, entry: PoolEntry) -> Outcome:
        await self.host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
        changed = True
        try:
            await self.host.hypervisor.stop_pool(self.pool, server=entry.pool.definition.server)
        except ModelError as error:
            if error.reason is not Reason.POOL_NOT_ACTIVE:
                raise
            changed = False
        try:
            return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=changed)
        except ModelError as error:
            if error.reason is Reason.POOL_NOT_FOUND and not entry.pool.facts.persistent:
                return Outcome(changed=changed)  # a transient pool goes with its stop
            raise
