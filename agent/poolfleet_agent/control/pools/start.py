"""StartPool: start a pool, or find that it is started."""

from dataclasses import dataclass, field
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind


@dataclass(frozen=True, kw_only=True)
class StartPool(Mutation):
    """Start one pool."""

    kind: ClassVar = OperationKind.START_POOL
    host: Host = field(repr=False)
    pool: str
    etag: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH."""
        await self.host.find_pool(self.pool)
        entry = await self.host.looker.pool_facts(self.pool)
        check_etag(self.etag, entry.pool.etag)
        if entry.pool.active:
            return self._as_it_is(entry)

        async def perform() -> Outcome:
            return await self._start(entry)

        return Work(perform=perform, timeout_s=self.host.rules.start_timeout_s)

    def _as_it_is(self, entry: PoolEntry) -> Outcome | Work:
        desired = entry.pool.desired
        if desired is not None and desired.desired is Desired.STARTED:
            return Outcome.of_pool(entry, changed=False)

        async def perform() -> Outcome:
            await self.host.intents.want(entry.pool.facts, Desired.STARTED, "StartPool")
            return Outcome.of_pool(await self.host.looker.pool_facts(self.pool), changed=False)

        return Work(perform=perform, timeout_s=self.host.rules.operation_timeout_s)

    async def _start(self, entry: PoolEntry) -> Outcome:
        await self.host.intents.want(entry.pool.facts, Desired.STARTED, "StartPool")
        changed = True
        try:
            await self.host.hypervisor.start_pool(self.pool, server=entry.pool.definition.server)
        except ModelError as error:
            if error.reason is not Reason.POOL_ACTIVE:
                raise
            changed = False
        return Outcome.of_pool(await self.host.looker.pool(self.pool), changed=changed)
