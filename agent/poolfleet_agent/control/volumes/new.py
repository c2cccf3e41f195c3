"""A volume that is to be in a pool, by whatever means it is made: what every creation of one has in common.

One of that name that is there is compared, what is free is promised to one alone, the name is reserved, and once the
volume is made libvirt sees it.
"""

import json
import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Outcome
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.existing import changed_volume
from poolfleet_agent.control.volumes.give import give_to_guests
from poolfleet_agent.control.volumes.partitions import check_partition_name
from poolfleet_agent.control.volumes.place import file_in_pool, file_on_share, path_in_pool
from poolfleet_agent.control.volumes.reserve import MAY_GO_ON, Held, check_not_being_created, reserved
from poolfleet_agent.control.volumes.space import Promise, Promises
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.capacity import check_fits, check_overcommit
from poolfleet_agent.model.compare import volume_differences
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import largest_capacity_bytes
from poolfleet_agent.model.ports import FileFacts, FileKind
from poolfleet_agent.model.quarantine import NOT_THE_SHARE, Use
from poolfleet_agent.model.volume import VolumeDefinition
from poolfleet_agent.model.volume_formats import check_makes_volumes

log = structlog.get_logger(__name__)

_NOT_MADE_BY_US = frozenset({Reason.VOLUME_EXISTS, Reason.RESOURCE_BUSY}) | NOT_THE_SHARE

Make = Callable[[Held], Awaitable[None]]
"""Makes the file or has libvirt make it, once the name is reserved."""


@dataclass(frozen=True, kw_only=True)
class NewVolume:
    """`definition` is what it has to be like; `at_once_bytes`, what making it takes of the storage at once."""

    host: Host
    promises: Promises
    entry: PoolEntry
    definition: VolumeDefinition
    at_once_bytes: int

    @property
    def pool(self) -> str:
        """Name of its pool."""
        return self.entry.pool.name

    async def found(self) -> Outcome | None:
        """The volume of that name, if there is one and it is as it has to be; None: there is none.

        VOLUME_EXISTS, NOT_A_VOLUME, SYMLINK_LEAVES_POOL, NAME_RESERVED, RESOURCE_BUSY.
        """
        await self.host.quarantine.check(self.entry, Use.READ)
        there = await file_in_pool(self.host, self.entry, self.definition.name)
        if (record := await self._existing(there, self.host.refreshes.ask_once)) is None:
            return None
        await check_not_being_created(self.host, self.entry, self.definition.name)
        return self._compare(record)

    async def check_can_be_made(self) -> None:
        """Refuse what there is no new volume of in such a pool: NOT_SUPPORTED_HERE, INVALID_FIELD."""
        check_makes_volumes(self.entry.pool.definition.type)
        await check_partition_name(self.host, self.entry, self.definition.name)

    def check_space(self) -> None:
        """Refuse what does not fit beside all that is being made: NO_SPACE."""
        pool, promised = self.host.registry.snapshot.entry(self.pool).pool, self.promises.of(self.pool)
        check_fits(
            needed_bytes=self.at_once_bytes,
            available_bytes=pool.facts.available_bytes,
            promised_bytes=promised.at_once_bytes,
        )
        rules = self.host.rules
        check_overcommit(
            capacity_bytes=promised.capacity_bytes + (self.definition.capacity_bytes or 0),
            provisioned_bytes=pool.provisioned_bytes,
            pool_capacity_bytes=pool.facts.capacity_bytes,
            overcommit_ratio=rules.overcommit_ratios.get(self.pool, rules.overcommit_ratio),
        )

    def debris(self, *, made_here: bool) -> str:
        """What a restart has to know of it, if the agent dies meanwhile (control/recovery)."""
        asked = self.definition
        kept = {"volume": asked.name, "capacity_bytes": largest_capacity_bytes(asked), "format": asked.format}
        kept |= {"made_here": made_here}
        return json.dumps({"pool": self.pool, **kept})

    async def made(self, make: Make, report: Report) -> Outcome:
        """Have it made, or find that somebody has made it meanwhile: NO_SPACE, and what `make` or `found` raise."""
        # Again, in the moment of the promise: since the first check others may have been promised the same bytes.
        self.check_space()
        promise = Promise(at_once_bytes=self.at_once_bytes, capacity_bytes=self.definition.capacity_bytes or 0)
        with self.promises.hold(self.pool, promise):
            try:
                return await self._made_reserved(make, report)
            except ModelError as error:
                if error.reason is not Reason.VOLUME_EXISTS:
                    raise
            return await self._compare_or_replace(make, report)

    async def have_libvirt_make(
        self, held: Held, ask: Callable[[Callable[[], None]], Awaitable[object]], *, for_guests: bool
    ) -> None:
        """Ask libvirt, which is given the proof that the share is there, and remove what a failure of its left.

        `for_guests`: what it makes on a share is to be qemu's user's.
        """
        held.libvirt_was_asked = True
        try:
            # Between the reservation and libvirt's turn the share may be unmounted: below it nothing must be written.
            await ask(self.host.quarantine.proof(self.entry, Use.TAKE_SPACE))
        except ModelError as error:
            await self._remove_half_made(error)
            raise
        if for_guests and self.definition.permissions is None:
            await give_to_guests(self.host, self.entry, self.definition.name)

    async def _made_reserved(self, make: Make, report: Report) -> Outcome:
        await self.host.quarantine.check(self.entry, Use.TAKE_SPACE)
        async with reserved(self.host, self.entry, self.definition.name, report) as held:
            await make(held)
            if held.libvirt_was_asked:
                # As long as the name is reserved, an agent that dies tells the next one whose the volume is.
                return await changed_volume(self.host, self.pool, self.definition.name)
        # Not before the reservation is gone, or libvirt would take that for a volume.
        await self.host.refreshes.ask(self.pool)
        return await changed_volume(self.host, self.pool, self.definition.name)

    async def _compare_or_replace(self, make: Make, report: Report) -> Outcome:
        """There is such a file, or libvirt knows such a volume, although we found none before."""
        # Somebody created it between our look and now: compare as if it had been there before.
        there = await file_on_share(self.host, self.entry, self.definition.name)
        if (record := await self._existing(there, self.host.refreshes.ask)) is not None:
            return self._compare(record)
        # Somebody removed its file, and libvirt has not seen that yet; or it is only being made, then this is refused.
        await self.host.refreshes.ask(self.pool)
        return await self._made_reserved(make, report)

    async def _existing(
        self, there: FileFacts | None, refresh: Callable[[str], Awaitable[None]]
    ) -> VolumeRecord | None:
        """The volume of that name, also where libvirt has not yet seen its file, and is to `refresh` the pool."""
        try:
            return await self.host.looker.volume(self.pool, self.definition.name)
        except ModelError as error:
            if error.reason is not Reason.VOLUME_NOT_FOUND:
                raise
        if there is None:
            return None
        await self._check_can_be_volume(there)
        await refresh(self.pool)
        return await self.host.looker.volume(self.pool, self.definition.name)

    async def _check_can_be_volume(self, there: FileFacts) -> None:
        path = posixpath.join(self.entry.pool.definition.target_path or "", self.definition.name)
        followed = await self.host.files.stat(path) if there.kind is FileKind.SYMLINK else there
        if followed is None or followed.kind is not FileKind.FILE:
            what = "is a symbolic link to nothing" if followed is None else "exists and is no regular file"
            metadata = {"pool": self.pool, "volume": self.definition.name, "path": path}
            raise ModelError(Reason.NOT_A_VOLUME, f"{path} {what}", metadata=metadata)

    def _compare(self, record: VolumeRecord) -> Outcome:
        metadata = {"pool": self.pool, "volume": self.definition.name}
        if record.facts.special:
            raise ModelError(Reason.NOT_A_VOLUME, f"{record.facts.path} is a directory", metadata=metadata)
        if fields := volume_differences(self.definition, record.facts):
            raise ModelError(
                Reason.VOLUME_EXISTS,
                f"volume {self.pool}/{self.definition.name} exists with another {', '.join(fields)}",
                metadata={**metadata, "fields": ",".join(fields)},
            )
        return Outcome.of_volume(record, changed=False)

    async def _remove_half_made(self, error: ModelError) -> None:
        """Remove what a qemu-img that failed left: the name was free when it began.

        libvirt removes a raw volume itself, and fails where somebody else has made one of that name meanwhile.
        """
        path = path_in_pool(self.entry, self.definition.name)
        by_libvirt = (self.definition.format or "raw") == "raw" and self.definition.encryption is None
        if path is None or by_libvirt or error.reason in _NOT_MADE_BY_US | MAY_GO_ON:
            return
        try:
            # What is mounted there by now may be somebody else's.
            device = self.host.quarantine.device(self.entry, Use.WRITE)
            facts = await self.host.files.lstat(path)
            if facts is not None and facts.kind is FileKind.FILE:
                await self.host.files.unlink_if(path, inode=facts.inode, device=device)
        except ModelError as left:
            # What was to be told is why the volume was not made.
            log.warning("a half-made volume stays", path=path, reason=left.reason, error=left.message)
