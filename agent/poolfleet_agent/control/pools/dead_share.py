"""Gets rid of a pool's share whose server is dead, and frees a libvirt that hangs on it: what StopPool by force does.

The order counts. First the mount is undone by force, for nothing that hangs on it comes back before: neither libvirt's
calls nor the operations of ours that wait for them, which are overtaken for that reason (control/lanes). Then all of
these are waited for, so that libvirt's lock on the pool is free. Only then is libvirt told to stop the pool. Until it
has, what hangs on the share is ended again and again: others than we, virsh say, may have hung libvirt too. Where it
does not come back it can no more be helped from here, and to restart it is a person's decision.

A pool is unmounted alone: of another one on the same server nothing is touched.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_before_delay, wait_fixed

from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import PoolEventKind

FREE_WITHIN_S = 20.0
"""How long libvirt's calls may take to come back when their mount is gone, and its stop behind them."""

OTHERS_GO_WITHIN_S = 10.0
"""How long other dead mounts of the host are waited for, which somebody may be getting rid of just now."""
OTHERS_EVERY_S = 0.5

log = structlog.get_logger(__name__)


def mount_not_ours(pool: str, target: str) -> ModelError:
    """The error for a mount that was there before us."""
    return ModelError(
        Reason.MOUNT_NOT_OURS,
        f"{target} was mounted before the pool was started, and stopping would unmount it; unmount it yourself",
        metadata={"pool": pool, "path": target},
    )


async def check_share_is_ours(host: Host, entry: PoolEntry, mount: MountEntry) -> None:
    """Refuse to undo a mount that others made, or that is not the pool's own: MOUNT_NOT_OURS.

    Of one that nobody saw being made, the host's own configuration tells.
    """
    definition = entry.pool.definition
    target = clean_path(definition.target_path or "")
    own = isinstance(definition.source, NetfsSource) and mount.target == host.quarantine.mounts.place(definition)[0]
    owner = host.book.owner(target)
    foreign = owner is MountOwner.FOREIGN or (owner is None and await host.mounts.kept_by_host(mount.target))
    if not own or foreign:
        raise mount_not_ours(entry.pool.name, mount.target)


async def get_rid_of_share(
    host: Host, entry: PoolEntry, mount: MountEntry, *, alone: Callable[[], Awaitable[None]]
) -> None:
    """Unmount by force, and stop the pool in libvirt; `alone` waits for the operations that were overtaken.

    POOL_UNRESPONSIVE: it could not be unmounted; OPERATION_TIMED_OUT: libvirt hangs still, HOST_MOUNT_UNRESPONSIVE: it
    would hang on another mount; the share is unmounted then, and an ordinary stop does the rest later.
    """
    pool = entry.pool.name
    log.warning("getting rid of a dead share", pool=pool, target=mount.target, source=mount.source)
    async with host.mounts.forced_off(mount.target):
        await host.book.gone(entry.pool.definition.target_path or mount.target)
        async with _free_in_time(pool, mount):
            await alone()
            await host.hypervisor.until_pool_calls_are_back(pool)
        await _no_other_is_silent(host, entry)
        async with _free_in_time(pool, mount):
            await _stop(host, entry)
    log.info("got rid of a dead share", pool=pool, target=mount.target)


async def _no_other_is_silent(host: Host, entry: PoolEntry) -> None:
    """Wait a little for mounts to go on which libvirt's stop would hang: HOST_MOUNT_UNRESPONSIVE."""
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(ModelError),
        stop=stop_before_delay(OTHERS_GO_WITHIN_S),
        wait=wait_fixed(OTHERS_EVERY_S),
        reraise=True,
    )
    await retrying(host.quarantine.check_stop, entry.pool.definition)


async def _stop(host: Host, entry: PoolEntry) -> None:
    """Nothing of the pool is mounted any more, and its server's places may be taken by others: it has its own."""
    pool = entry.pool.name
    try:
        with host.observer.own_changes.changing(pool, PoolEventKind.STOPPED, wished=True):
            # Once more: what was heard while the share was got rid of is older.
            await host.intents.want(entry.pool.facts, Desired.STOPPED, "StopPool")
            await host.hypervisor.stop_pool(pool, server=f"{pool} unmounted")
    except ModelError as error:
        # A refresh that failed has stopped it; one without a stored definition is gone with that.
        if error.reason not in {Reason.POOL_NOT_ACTIVE, Reason.POOL_NOT_FOUND}:
            raise


@asynccontextmanager
async def _free_in_time(pool: str, mount: MountEntry) -> AsyncIterator[None]:
    """OPERATION_TIMED_OUT where the body, which waits for libvirt, takes too long."""
    try:
        async with asyncio.timeout(FREE_WITHIN_S):
            yield
    except TimeoutError:
        raise ModelError(
            Reason.OPERATION_TIMED_OUT,
            f"{mount.target} is unmounted, and libvirt did not come back within {FREE_WITHIN_S:g} s from calls that"
            " hung on it; to restart libvirtd is up to you",
            metadata={"pool": pool, "path": mount.target, "timeout_s": f"{FREE_WITHIN_S:g}"},
        ) from None
