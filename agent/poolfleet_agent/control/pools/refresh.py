"""RefreshPool: have libvirt read the volumes anew, then look at them."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind


@dataclass(frozen=True, kw_only=True)
class RefreshPool(Mutation):
    """Refresh one pool."""

    kind: ClassVar = OperationKind.REFRESH_POOL
    host: Host = field(repr=False)
    pool: str
    etag: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def check(self) -> Outcome | Work:
        """POOL_NOT_FOUND, ETAG_MISMATCH, POOL_NOT_ACTIVE."""
        entry = await self.host.fresh_pool(self.pool)
        check_etag(self.etag, entry.pool.etag)
        require_active(entry)
        await self.host.quarantine.check_refresh(entry)

        async def perform(report: Report) -> Outcome:
            try:
                await self.host.refreshing.refresh(entry, report.warn)
            finally:
                # A refresh that fails makes libvirt stop the pool: what is there now must be seen in either case.
                after = await self.host.looker.pool(self.pool)
            return Outcome.of_pool(after, changed=True)

        return Work(
            perform=perform,
            timeout_s=self.host.rules.operation_timeout_s,
            hopeless=partial(self.host.quarantine.until_refresh_hangs, entry),
        )


def require_active(entry: PoolEntry) -> None:
    """Refuse an inactive pool: POOL_NOT_ACTIVE."""
    if not entry.pool.active:
        raise ModelError(
            Reason.POOL_NOT_ACTIVE,
            f"pool {entry.pool.name!r} is not active; start it first",
            metadata={"pool": entry.pool.name},
        )
