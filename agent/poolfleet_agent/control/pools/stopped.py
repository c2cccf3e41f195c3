"""What the calls have in common that need a stopped pool, or an absent one to be fine."""

from poolfleet_agent.control.host import Host, check_etag
from poolfleet_agent.inventory.snapshot import PoolEntry, pool_not_found
from poolfleet_agent.model.errors import ModelError, Reason


async def find_stopped(host: Host, pool: str, etag: str, *, allow_missing: bool) -> PoolEntry | None:
    """Find an inactive pool; None: it is missing, and may be. POOL_NOT_FOUND, ETAG_MISMATCH, POOL_ACTIVE."""
    entry = await host.fresh_pool_or_none(pool)
    if entry is None:
        if allow_missing:
            return None
        raise pool_not_found(pool)
    check_etag(etag, entry.pool.etag)
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
