"""What the calls have in common that need a stopped pool, or an absent one to be fine."""

from dataclasses import dataclass, field

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.control.mutation import Mutation
from poolfleet_agent.inventory.snapshot import PoolEntry, pool_not_found
from poolfleet_agent.model.errors import ModelError, Reason


@dataclass(frozen=True, kw_only=True)
class StoppedPoolMutation(Mutation):
    """A change of a pool that must be stopped, and may be missing."""

    host: Host = field(repr=False)
    pool: str
    etag: str = ""
    allow_missing: bool = False
    allow_in_use: bool = False

    @property
    def target(self) -> tuple[str, str]:
        """The pool."""
        return self.pool, ""

    async def find(self) -> PoolEntry | None:
        """Find it; None: it is missing, and may be. POOL_NOT_FOUND, ETAG_MISMATCH, POOL_ACTIVE, POOL_TRANSIENT."""
        entry = await self.host.fresh_pool_or_none(self.pool)
        if entry is None:
            if self.allow_missing:
                return None
            raise pool_not_found(self.pool)
        check_etag(self.etag, entry.pool.etag)
        require_inactive(entry)
        return entry


def require_inactive(entry: PoolEntry) -> None:
    """Refuse an active pool: POOL_ACTIVE, or POOL_TRANSIENT for one that goes with its stop."""
    if not entry.pool.active:
        return
    name = entry.pool.name
    if not entry.pool.facts.persistent:
        raise ModelError(
            Reason.POOL_TRANSIENT,
            f"pool {name!r} has no stored definition; StopPool makes it go",
            metadata={"pool": name},
        )
    raise ModelError(Reason.POOL_ACTIVE, f"pool {name!r} is active", metadata={"pool": name})
