"""Refuses at once what would hang on a dead share, or write where a share should be and is not.

What is checked is what is known now of the host's mounts, not what the snapshot says.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from poolfleet_agent.inventory.dead_chains import DeadChains
from poolfleet_agent.inventory.pool_mounts import SUSPECT_WAIT_S, PoolMounts
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.pool import HealthStatus, PoolDefinition
from poolfleet_agent.model.quarantine import Use, refusal

MOUNTED_TYPES = frozenset({"fs", "netfs"})
"""Pool types for whose start libvirt looks at every mount of the host, and hangs on one that does not answer."""


@dataclass(frozen=True, kw_only=True)
class Quarantine:
    """Asked by every use case before it asks libvirt or touches a file."""

    mounts: PoolMounts
    registry: Registry
    chains: DeadChains

    async def check(self, entry: PoolEntry, use: Use) -> None:
        """Refuse by the health of the pool's mount: POOL_UNRESPONSIVE, UNMOUNTED, STALE, WRONG_SHARE, READ_ONLY, FULL.

        An inactive pool has no health: only a mount at its target that does not answer counts. POOL_UNRESPONSIVE too
        where libvirt hangs already on a backing file of one of its volumes.
        """
        health = await self.mounts.settled(entry.pool.definition)
        if not entry.pool.active and health is not None and health.status is HealthStatus.FAULTY:
            return
        if error := refusal(entry.pool.name, health, use):
            raise error
        if stuck := self.chains.stuck(entry):
            raise stuck

    def proof(self, entry: PoolEntry, use: Use) -> Callable[[], None]:
        """What refuses by the health of the mount alone, at once: for the moment in which libvirt is asked."""

        def prove() -> None:
            if error := refusal(entry.pool.name, self.mounts.health(entry.pool.definition), use):
                raise error

        return prove

    def device(self, entry: PoolEntry, use: Use) -> str:
        """Refuse as `proof` does; the device of the mount, for what is asked next to find there. Empty: local.

        Between this and the asking the share may be unmounted: below it nothing must be written or removed.
        """
        self.proof(entry, use)()
        mount = self.mounts.mount(entry.pool.definition)
        return mount.device if mount is not None else ""

    async def check_known(self, pool: str, use: Use) -> None:
        """As check, for a pool that the snapshot may have; one that it lacks passes."""
        if (entry := self.registry.snapshot.pools.get(pool)) is not None:
            await self.check(entry, use)

    async def check_refresh(self, entry: PoolEntry) -> None:
        """Refuse to have all volumes looked at: as check, and where one of them lies on a dead share."""
        await self.check(entry, Use.READ)
        if error := self.chains.any_of(entry):
            raise error

    async def check_volume(self, entry: PoolEntry, volume: str, use: Use) -> None:
        """Refuse what is to be done with one volume: as check, and where it lies on a dead share."""
        await self.check(entry, use)
        if error := self.chains.of_volume(entry, volume):
            raise error

    async def check_start(self, definition: PoolDefinition) -> None:
        """Refuse a start that would hang, or open the bare folder below a share: HOST_MOUNT_UNRESPONSIVE, UNMOUNTED."""
        if error := self.mounts.unmounted(definition):
            raise error
        if definition.type not in MOUNTED_TYPES:
            return
        watch = self.mounts.watch
        await asyncio.gather(*(watch.wait_for_next_probe(entry.target, SUSPECT_WAIT_S) for entry in watch.suspect()))
        for entry in (*watch.unresponsive(), *watch.suspect()):
            raise hangs_libvirt(definition.name, entry)
        # What was healthy at its last probe may have died since, and libvirt must not be who finds out.
        for entry in await self.mounts.silent(watch.table().network()):
            raise hangs_libvirt(definition.name, entry)

    async def check_stop(self, definition: PoolDefinition) -> None:
        """Refuse a stop that would hang: HOST_MOUNT_UNRESPONSIVE.

        libvirt looks for the pool's mount in the host's list, and touches all that come before it.
        """
        if definition.type not in MOUNTED_TYPES:
            return
        table = self.mounts.watch.table()
        target, _ = self.mounts.place(definition)
        own = table.on(target)
        before = itertools.takewhile(lambda entry: entry != own, table.entries)
        for entry in await self.mounts.silent([entry for entry in before if entry.network]):
            raise hangs_libvirt(definition.name, entry)

    async def until_unresponsive(self, entry: PoolEntry) -> ModelError:
        """Wait until a pool's share does not answer, for ever if need be; what its callers are told then."""
        return await self._until(lambda: self._share_is_dead(entry))

    async def until_refresh_hangs(self, entry: PoolEntry) -> ModelError:
        """As until_unresponsive, or until a share dies on which one of its volumes lies."""
        chain_died = self.chains.died_since_now(entry)
        return await self._until(lambda: self._share_is_dead(entry) or chain_died())

    async def _until(self, error: Callable[[], ModelError | None]) -> ModelError:
        while (found := error()) is None:
            await self.mounts.watch.wait_for_change()
        return found

    def _share_is_dead(self, entry: PoolEntry) -> ModelError | None:
        health = self.mounts.health(entry.pool.definition)
        dead = health is not None and health.status is HealthStatus.UNRESPONSIVE
        return refusal(entry.pool.name, health, Use.START_OR_STOP) if dead else None

    def check_build(self, definition: PoolDefinition) -> None:
        """Refuse to make or fill the bare folder below a share: UNMOUNTED."""
        if error := self.mounts.unmounted(definition):
            raise error


def hangs_libvirt(pool: str, entry: MountEntry) -> ModelError:
    """The error for what libvirt must not be asked beside a mount that does not answer."""
    return ModelError(
        Reason.HOST_MOUNT_UNRESPONSIVE,
        f"{entry.source} on {entry.target} does not answer, and libvirt would hang on it;"
        " unmount it, or bring its server back",
        metadata={"pool": pool, "mount": entry.target, "source": entry.source},
    )
