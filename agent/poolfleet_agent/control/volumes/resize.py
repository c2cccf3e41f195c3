"""ResizeVolume: give a volume another capacity, to a size or by a difference."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.in_use import check_volume_may_grow, check_volume_may_shrink
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.existing import changed_volume, existing_volume, file_of_volume
from poolfleet_agent.control.volumes.resize_file import resize_file
from poolfleet_agent.control.volumes.space import Promise, Promises
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.capacity import check_fits, check_overcommit
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.ports import FileFacts
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.resizing import NewSize, Resizing, check_may_shrink, resizing_of
from poolfleet_agent.model.secret import VOLUME_USAGE, SecretRef
from poolfleet_agent.model.volume import VolumeFacts


@dataclass(frozen=True, kw_only=True)
class ResizeVolume(Mutation):
    """Resize one volume.

    A file that is not encrypted is shrunk and allocated by programs of our own, and grown by libvirt where root is
    root: libvirt tells no progress, and cuts off nothing that is used. All else is libvirt's.
    """

    kind: ClassVar = OperationKind.RESIZE_VOLUME
    host: Host = field(repr=False)
    promises: Promises = field(repr=False)
    pool: str
    volume: str
    size: NewSize
    allow_shrink: bool = False
    allocate: bool = False
    allow_in_use: bool = False
    etag: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The volume."""
        return self.pool, self.volume

    @property
    def fingerprint(self) -> str:
        """Two who ask for one capacity mean the same; two who add something mean twice that, and do not join."""
        return repr(self) if self.size.delta_bytes is None else f"{self!r} {id(self)}"

    async def check(self) -> Outcome | Work:
        """Refuse what would cut off, does not fit, or is in use; settle where the capacity is that already."""
        use = Use.TAKE_SPACE if self.allocate else Use.WRITE
        entry, record = await existing_volume(self.host, self.pool, self.volume, etag=self.etag, use=use)
        file = await file_of_volume(self.host, entry, record)
        change = resizing_of(record.facts, self.size, allocate=self.allocate)
        if not change.changes_something:
            return Outcome.of_volume(record, changed=False)
        check_may_shrink(record.facts, change, allow_shrink=self.allow_shrink)
        warnings = await self._check_not_in_use(entry, record, change)
        self._check_space(entry, change)
        acting = await self.host.actors.acting(entry)
        made_here = acting.squashed or self.allocate or change.shrinks
        if record.facts.encryption or file is None:
            made_here = False
            _check_libvirt_can(record.facts, acting)
            _check_libvirt_can_open(record.facts)

        async def perform(report: Report) -> Outcome:
            # Again, in the moment of the promise: since the first check others may have been promised the same bytes.
            self._check_space(self.host.registry.snapshot.entry(self.pool), change)
            promise = Promise(at_once_bytes=change.bytes_at_once, capacity_bytes=change.added_bytes)
            with self.promises.hold(self.pool, promise):
                if made_here and file is not None:
                    await self._resize_here(acting, entry, file, change, report)
                else:
                    await self._have_resized(entry, change, use)
                # Not before the pool is looked at again are the bytes known to be gone.
                return await changed_volume(self.host, self.pool, self.volume)

        return Work(
            perform=perform,
            timeout_s=self.host.rules.copy_timeout_s if self.allocate else self.host.rules.operation_timeout_s,
            warnings=warnings,
            # What interrupts qemu-img leaves an image that has to be mended.
            cancellable=made_here and self.allocate and change.format == "raw",
            hopeless=partial(self.host.quarantine.until_unresponsive, entry),
        )

    async def _check_not_in_use(self, entry: PoolEntry, record: VolumeRecord, change: Resizing) -> tuple[str, ...]:
        if self.allow_in_use:
            return ()
        if change.shrinks:
            return await check_volume_may_shrink(self.host, entry, record)
        await check_volume_may_grow(self.host, entry, record)
        return ()

    def _check_space(self, entry: PoolEntry, change: Resizing) -> None:
        pool, promised, rules = entry.pool, self.promises.of(self.pool), self.host.rules
        check_fits(
            needed_bytes=change.bytes_at_once,
            available_bytes=pool.facts.available_bytes,
            promised_bytes=promised.at_once_bytes,
        )
        if change.grows:
            check_overcommit(
                capacity_bytes=promised.capacity_bytes + change.added_bytes,
                provisioned_bytes=pool.provisioned_bytes,
                pool_capacity_bytes=pool.facts.capacity_bytes,
                overcommit_ratio=rules.overcommit_ratios.get(self.pool, rules.overcommit_ratio),
            )

    async def _resize_here(
        self, acting: Acting, entry: PoolEntry, file: FileFacts, change: Resizing, report: Report
    ) -> None:
        await resize_file(self.host, acting, entry, self.volume, file, change, report)
        await self.host.refreshes.ask(self.pool)

    async def _have_resized(self, entry: PoolEntry, change: Resizing, use: Use) -> None:
        await self.host.hypervisor.resize_volume(
            self.pool,
            self.volume,
            change.capacity_bytes,
            allocate=self.allocate,
            server=entry.pool.server,
            proven=self.host.quarantine.proof(entry, use),
        )


def _check_libvirt_can_open(facts: VolumeFacts) -> None:
    """Refuse an encrypted volume of which libvirt has forgotten what opens it: SECRET_NOT_USABLE."""
    if facts.encryption and facts.secret is None:
        secret = SecretRef(usage_type=VOLUME_USAGE, usage_id=facts.path)
        raise ModelError(
            Reason.SECRET_NOT_USABLE,
            f"libvirt does not know which secret opens {facts.path}: set it as {secret}, and refresh pool {facts.pool}",
            metadata={"pool": facts.pool, "volume": facts.name, "secret": str(secret)},
        )


def _check_libvirt_can(facts: VolumeFacts, acting: Acting) -> None:
    """Refuse what only libvirt could do where libvirt is nobody: NOT_SUPPORTED_HERE."""
    if acting.squashed:
        what = "an encrypted volume" if facts.encryption else "what is no file"
        raise ModelError(
            Reason.NOT_SUPPORTED_HERE,
            f"only libvirt could resize {what}, and the share's server takes it for nobody",
            metadata={"pool": facts.pool, "volume": facts.name, "what": "resize"},
        )
