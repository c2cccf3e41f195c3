"""What every use case works with: the ports, the inventory, and the rules of this host."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from poolfleet_agent.control.acting import Actors
from poolfleet_agent.control.grace import ServerGrace
from poolfleet_agent.control.maintenance import MaintenanceState
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.control.quarantine import Quarantine
from poolfleet_agent.control.refreshes import Refreshes, Refreshing
from poolfleet_agent.inventory.asked import is_new_enough
from poolfleet_agent.inventory.intents import Intents
from poolfleet_agent.inventory.look import Looker
from poolfleet_agent.inventory.observe import Observer
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.allowed_paths import check_allowed, is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import RetryPolicy
from poolfleet_agent.model.names import check_absolute_path, check_known_name
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES, PoolDefinition
from poolfleet_agent.model.pool_source import local_devices
from poolfleet_agent.model.ports import Clock, Contents, Encoder, Files, Hypervisor, Images, Mounts, Partitions


@dataclass(frozen=True, kw_only=True)
class HostRules:
    """What the configuration says of changes on this host."""

    allowed_paths: Sequence[str]
    observe_only: bool = False
    overcommit_ratio: float = 0.0
    overcommit_ratios: Mapping[str, float] = field(default_factory=dict)
    operation_timeout_s: float = 600.0
    copy_timeout_s: float = 23 * 3600.0
    """For what copies or fills whole volumes: less than a day, after which its reservation would be anybody's."""
    start_timeout_s: float = 300.0
    mount_retries: RetryPolicy = field(default_factory=RetryPolicy)
    allowed_mount_options: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Host:
    """Everything a use case may touch."""

    hypervisor: Hypervisor
    files: Files
    registry: Registry
    looker: Looker
    observer: Observer
    intents: Intents
    mounts: Mounts
    book: MountBook
    maintenance: MaintenanceState
    quarantine: Quarantine
    actors: Actors
    images: Images
    contents: Contents
    partitions: Partitions
    refreshing: Refreshing
    refreshes: Refreshes
    """The same, by name: several who ask share one."""
    grace: ServerGrace
    encoder: Encoder
    clock: Clock
    rules: HostRules

    async def find_pool(self, pool: str) -> PoolEntry:
        """Find a pool as it was last seen: a name that the snapshot lacks is looked for once. POOL_NOT_FOUND."""
        check_known_name("pool", pool)
        entry = self.registry.snapshot.pools.get(pool)
        self.registry.snapshot.require_loaded()
        return entry if entry is not None else await self.looker.pool(pool)

    async def fresh_pool(self, pool: str) -> PoolEntry:
        """Find a pool as it is now, or was since this was asked for, to change it: POOL_NOT_FOUND."""
        check_known_name("pool", pool)
        self.registry.snapshot.require_loaded()
        known = self.registry.snapshot.pools.get(pool)
        if known is not None and is_new_enough(known.looked_at_s, now_s=self.clock.monotonic_s()):
            return known
        return await (self.looker.pool_facts(pool) if known is not None else self.looker.pool(pool))

    async def fresh_pool_or_none(self, pool: str) -> PoolEntry | None:
        """As fresh_pool; None where there is none."""
        try:
            return await self.fresh_pool(pool)
        except ModelError as error:
            if error.reason is Reason.POOL_NOT_FOUND:
                return None
            raise

    async def check_path(self, field: str, path: str) -> None:
        """Refuse a path that is malformed or, with its symbolic links resolved, outside allowed_paths."""
        check_absolute_path(field, path)
        check_allowed(field, path, self.rules.allowed_paths)
        await check_real_path(self.files, self.rules.allowed_paths, field, path)

    async def check_definition_paths(self, definition: PoolDefinition) -> None:
        """Refuse a pool whose target, or a device that its source names, is not allowed: PATH_NOT_ALLOWED."""
        if definition.target_path is not None and not _is_device_folder(definition):
            await self.check_path("target.path", definition.target_path)
        for device in local_devices(definition.source):
            if not is_within(clean_path(device), "/dev"):
                await self.check_path("source.device", device)

    async def fresh_disks(self) -> DomainDisks:
        """What the domains use, read now."""
        return await self.observer.look_at_domains()

    async def fresh_disks_with(self, entry: PoolEntry, record: VolumeRecord) -> DomainDisks:
        """The same, or as it was since this was asked for, where the volume was known by then."""
        known = self.observer.disks_with(entry, record)
        if known is not None and is_new_enough(known.looked_at_s, now_s=self.clock.monotonic_s()):
            return known.disks
        return await self.fresh_disks()


def _is_device_folder(definition: PoolDefinition) -> bool:
    """Device pools have their target under /dev, which libvirt fills; no files are written there."""
    return definition.type not in DIRECTORY_POOL_TYPES | {"vstorage"} and is_within(
        clean_path(definition.target_path or ""), "/dev"
    )


async def check_real_path(files: Files, allowed_paths: Sequence[str], field: str, path: str) -> None:
    """Refuse a path that leads, with its symbolic links resolved, outside allowed_paths: PATH_NOT_ALLOWED."""
    real = await files.real_path(path)
    if any(is_within(real, one) for one in allowed_paths):
        return
    # The folders of the configuration may be links themselves.
    check_allowed(field, real, [*allowed_paths, *[await files.real_path(one) for one in allowed_paths]])


def check_etag(asked: str, have: str) -> None:
    """Refuse to change what is not what the caller saw: ETAG_MISMATCH."""
    if asked and asked != have:
        raise ModelError(
            Reason.ETAG_MISMATCH,
            "the object was changed since it was read; read it again",
            metadata={"etag": have, "asked_etag": asked},
        )


def require_complete(missing: Sequence[str], what: str) -> None:
    """Refuse to say "not in use" while something could not be read: LIBVIRT_UNAVAILABLE."""
    if missing:
        told = "; ".join(missing)[:1000]
        raise ModelError(
            Reason.LIBVIRT_UNAVAILABLE,
            f"whether {what} is in use cannot be told: {told}; allow_in_use passes over this",
            metadata={"missing": told},
            retry_delay_s=2.0,
        )
