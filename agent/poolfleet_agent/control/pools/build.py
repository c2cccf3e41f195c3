"""BuildPool: make what a pool needs before its first start."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.stopped import require_inactive
from poolfleet_agent.control.report import Report
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.ports import BuildMode
from poolfleet_agent.model.quarantine import Use


@dataclass(frozen=True, kw_only=True)
class BuildPool(Mutation):
    """Build one pool."""

    kind: ClassVar = OperationKind.BUILD_POOL
    host: Host = field(repr=False)
    pool: str
    etag: str = ""
    mode: BuildMode = BuildMode.NEW

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, POOL_ACTIVE, PATH_NOT_ALLOWED."""
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        require_inactive(entry)
        await self.host.quarantine.check(entry, Use.START_OR_STOP)
        self.host.quarantine.check_build(entry.pool.definition)
        await self.host.check_definition_paths(entry.pool.definition)

        async def perform(report: Report) -> Outcome:
            await self.host.hypervisor.build_pool(
                self.pool,
                self.mode,
                server=entry.pool.server,
                proven=partial(self.host.quarantine.check_build, entry.pool.definition),
            )
            return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=True)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)
