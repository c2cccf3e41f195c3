"""ErasePool: destroy what is stored (libvirt's delete). The definition stays."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.in_use import check_pool_not_in_use
from poolfleet_agent.control.mutation import Outcome, Work
from poolfleet_agent.control.pools.stopped import StoppedPoolMutation
from poolfleet_agent.control.report import Report
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.quarantine import Use


@dataclass(frozen=True, kw_only=True)
class ErasePool(StoppedPoolMutation):
    """Erase one pool."""

    kind: ClassVar = OperationKind.ERASE_POOL

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, POOL_ACTIVE, POOL_IN_USE, PATH_NOT_ALLOWED."""
        entry = await self.find()
        if entry is None:
            return Outcome(changed=False)
        await self.host.quarantine.check(entry, Use.START_OR_STOP)
        self.host.quarantine.check_build(entry.pool.definition)
        if not self.allow_in_use:
            await check_pool_not_in_use(self.host, entry, stopped_count=True)
        await self.host.check_definition_paths(entry.pool.definition)

        async def perform(report: Report) -> Outcome:
            proven = partial(self.host.quarantine.check_build, entry.pool.definition)
            await self.host.hypervisor.erase_pool(self.pool, server=entry.pool.server, proven=proven)
            return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=True)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)
