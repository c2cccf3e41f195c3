"""UndefinePool: forget a stored definition. Nothing that is stored in the pool is touched."""

from dataclasses import dataclass
from typing import ClassVar

from poolfleet_agent.control.in_use import check_pool_not_in_use
from poolfleet_agent.control.mutation import Outcome, Work
from poolfleet_agent.control.pools.stopped import StoppedPoolMutation
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind


@dataclass(frozen=True, kw_only=True)
class UndefinePool(StoppedPoolMutation):
    """Forget one pool."""

    kind: ClassVar = OperationKind.UNDEFINE_POOL

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, POOL_ACTIVE, POOL_TRANSIENT, POOL_IN_USE."""
        entry = await self.find()
        if entry is None:
            return Outcome(changed=False)
        warnings = () if self.allow_in_use else await check_pool_not_in_use(self.host, entry)

        async def perform(report: Report) -> Outcome:
            return await self._undefine(entry)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s, warnings=warnings)

    async def _undefine(self, entry: PoolEntry) -> Outcome:
        await self.host.hypervisor.undefine_pool(self.pool, server=entry.pool.server)
        await self.host.book.gone(entry.pool.definition.target_path or "")
        try:
            await self.host.looker.pool(self.pool)
        except ModelError as error:
            if error.reason is not Reason.POOL_NOT_FOUND:
                raise
        return Outcome(changed=True)
