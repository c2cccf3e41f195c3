"""Brings back the share of a pool that libvirt holds for started: it was unmounted, or what is mounted went stale.

Where nothing is mounted, the pool stays active: it is mounted below it, and refreshed. What is stale has to go first,
and goes only if it is nobody else's and no running domain uses it.
"""

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.in_use import check_pool_not_in_use
from poolfleet_agent.control.pools.attempt import unmount_soon
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import MountOwner, PoolHealth
from poolfleet_agent.model.ports import MountRequest, PoolEventKind
from poolfleet_agent.model.quarantine import NOT_THE_SHARE, Use, refusal


def lost_share(host: Host, entry: PoolEntry) -> PoolHealth | None:
    """Why what lies at an active pool's target is not the pool; None: it is, or the pool is not active."""
    if not entry.pool.active:
        return None
    health = host.quarantine.mounts.health(entry.pool.definition)
    return health if health is not None and health.reason in NOT_THE_SHARE else None


async def check_may_heal(host: Host, entry: PoolEntry, health: PoolHealth, request: MountRequest | None) -> None:
    """Refuse what only a person can mend: UNMOUNTED, STALE, WRONG_SHARE; MOUNT_NOT_OURS, POOL_IN_USE."""
    if request is None or health.reason == Reason.WRONG_SHARE:
        if error := refusal(entry.pool.name, health, Use.WRITE):
            raise error
    elif health.reason == Reason.STALE:
        if host.book.owner(request.target) is MountOwner.FOREIGN:
            raise ModelError(
                Reason.MOUNT_NOT_OURS,
                f"{request.target} is stale, and was mounted before the pool was started; mount it anew yourself",
                metadata={"pool": entry.pool.name, "path": request.target},
            )
        await check_pool_not_in_use(host, entry)


async def remove_stale(host: Host, entry: PoolEntry, request: MountRequest) -> bool:
    """Have libvirt stop a pool whose mount is stale, and undo what it leaves: RESOURCE_BUSY, POOL_UNRESPONSIVE.

    False: somebody else has stopped it.
    """
    # Nobody wished the pool to be stopped: it is meant to be started all the same.
    is_ours = True
    try:
        with host.observer.own_changes.changing(entry.pool.name, PoolEventKind.STOPPED, wished=False):
            await host.hypervisor.stop_pool(entry.pool.name, server=entry.pool.server)
    except ModelError as error:
        if error.reason is not Reason.POOL_NOT_ACTIVE:
            raise
        is_ours = False
    if (await host.mounts.table()).on(request.target) is not None:
        await unmount_soon(host.mounts, request.target)
    await host.book.gone(request.target)
    return is_ours
