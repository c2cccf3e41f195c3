"""CreateVolume: create a volume, or find that it is there already."""

import json
import posixpath
from dataclasses import dataclass, field
from typing import ClassVar

import structlog

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.refresh import require_active
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.encrypt import check_secret, trying
from poolfleet_agent.control.volumes.give import give_to_guests
from poolfleet_agent.control.volumes.make import check_owner, make_volume
from poolfleet_agent.control.volumes.place import file_in_pool, file_on_share, path_in_pool
from poolfleet_agent.control.volumes.reserve import MAY_GO_ON, check_not_being_created, reserved
from poolfleet_agent.control.volumes.space import Promise, Promises
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.capacity import bytes_at_once, check_fits, check_overcommit
from poolfleet_agent.model.compare import volume_differences
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.image import can_be_made, largest_capacity_bytes
from poolfleet_agent.model.names import check_new_volume_name
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.ports import FileFacts, FileKind
from poolfleet_agent.model.quarantine import NOT_THE_SHARE, Use
from poolfleet_agent.model.volume import VolumeDefinition

log = structlog.get_logger(__name__)

_NOT_MADE_BY_US = frozenset({Reason.VOLUME_EXISTS, Reason.RESOURCE_BUSY}) | NOT_THE_SHARE


@dataclass(frozen=True, kw_only=True)
class CreateVolume(Mutation):
    """`definition` is what the request states; `xml` is its document where it came as one, and passes untouched."""

    kind: ClassVar = OperationKind.CREATE_VOLUME
    host: Host = field(repr=False)
    promises: Promises = field(repr=False)
    pool: str
    definition: VolumeDefinition
    xml: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The volume."""
        return self.pool, self.definition.name

    async def check(self) -> Outcome | Work:
        """Refuse for the pool, a file in the way, the backing store or the space; settle where the volume is there."""
        check_new_volume_name("name", self.definition.name)
        entry = await self.host.fresh_pool(self.pool)
        require_active(entry)
        await self.host.quarantine.check(entry, Use.READ)
        there = await file_in_pool(self.host, entry, self.definition.name)
        if (record := await self._existing(entry, there)) is not None:
            await check_not_being_created(self.host, entry, self.definition.name)
            return self._compare(record)
        await self.host.quarantine.check(entry, Use.TAKE_SPACE)
        await self._check_backing_store()
        self._check_space(entry)
        acting = await self.host.actors.acting(entry)
        made_here = self._made_here(acting)
        await check_secret(self.host, self.definition, made_here=made_here)
        if made_here:
            check_owner(entry, self.definition.permissions, acting.user)

        async def perform(report: Report) -> Outcome:
            return await self._create(entry, report)

        return Work(
            perform=perform,
            timeout_s=self.host.rules.operation_timeout_s,
            cancellable=made_here,
            debris=self._debris(made_here=made_here),
        )

    def _made_here(self, acting: Acting) -> bool:
        """Whether the agent makes the file, not libvirt; a document of the caller's own is for libvirt alone."""
        return acting.squashed and not self.xml and can_be_made(self.definition)

    def _debris(self, *, made_here: bool) -> str:
        asked = self.definition
        kept = {"volume": asked.name, "capacity_bytes": largest_capacity_bytes(asked), "format": asked.format}
        kept |= {"made_here": made_here}
        return json.dumps({"pool": self.pool, **kept})

    async def _existing(self, entry: PoolEntry, there: FileFacts | None) -> VolumeRecord | None:
        """The volume of that name, also where libvirt has not yet seen its file."""
        try:
            return await self.host.looker.volume(self.pool, self.definition.name)
        except ModelError as error:
            if error.reason is not Reason.VOLUME_NOT_FOUND:
                raise
        if there is None:
            return None
        await self._check_can_be_volume(entry, there)
        await self.host.refreshes.ask(self.pool)
        return await self.host.looker.volume(self.pool, self.definition.name)

    async def _check_can_be_volume(self, entry: PoolEntry, there: FileFacts) -> None:
        path = posixpath.join(entry.pool.definition.target_path or "", self.definition.name)
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

    async def _check_backing_store(self) -> None:
        backing = self.definition.backing_store
        if backing is None:
            return
        if (self.definition.format or "raw") == "raw":
            raise invalid_field("backing_store", "needs a copy-on-write format such as qcow2")
        await self.host.check_path("backing_store.path", backing.path)
        facts = await self.host.files.stat(backing.path)
        if facts is None or facts.kind not in {FileKind.FILE, FileKind.BLOCK}:
            what = "is missing" if facts is None else "is neither a file nor a block device"
            raise ModelError(
                Reason.PATH_NOT_USABLE, f"the backing store {backing.path} {what}", metadata={"path": backing.path}
            )

    def _check_space(self, entry: PoolEntry) -> None:
        pool, promised = entry.pool, self.promises.of(self.pool)
        check_fits(
            needed_bytes=bytes_at_once(self.definition),
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

    async def _create(self, entry: PoolEntry, report: Report) -> Outcome:
        # Again, in the moment of the promise: since the first check others may have been promised the same bytes.
        self._check_space(self.host.registry.snapshot.entry(self.pool))
        promise = Promise(
            at_once_bytes=bytes_at_once(self.definition), capacity_bytes=self.definition.capacity_bytes or 0
        )
        with self.promises.hold(self.pool, promise):
            try:
                return await self._create_reserved(entry, report)
            except ModelError as error:
                if error.reason is not Reason.VOLUME_EXISTS:
                    raise
            return await self._compare_or_replace(entry, report)

    async def _compare_or_replace(self, entry: PoolEntry, report: Report) -> Outcome:
        """There is such a file, or libvirt knows such a volume, although we found none before."""
        # Somebody created it between our look and now: compare as if it had been there before.
        there = await file_on_share(self.host, entry, self.definition.name)
        if (record := await self._existing(entry, there)) is not None:
            return self._compare(record)
        # Somebody removed its file, and libvirt has not seen that yet; or it is only being made, then this is refused.
        await self.host.refreshes.ask(self.pool)
        return await self._create_reserved(entry, report)

    async def _create_reserved(self, entry: PoolEntry, report: Report) -> Outcome:
        await self.host.quarantine.check(entry, Use.TAKE_SPACE)
        async with reserved(self.host, entry, self.definition.name, report) as held:
            if self._made_here(held.acting):
                check_owner(entry, self.definition.permissions, held.acting.user)
                await make_volume(self.host, held.acting, entry, self.definition, report)
            else:
                held.libvirt_was_asked = True
                await trying(self.definition)(self._have_created, entry)
                # As long as the name is reserved, an agent that dies tells the next one whose the volume is.
                return await self._created()
        # Not before the reservation is gone, or libvirt would take that for a volume.
        await self.host.refreshes.ask(self.pool)
        return await self._created()

    async def _created(self) -> Outcome:
        record = await self.host.looker.volume(self.pool, self.definition.name)
        await self.host.looker.pool_facts(self.pool)
        return Outcome.of_volume(record, changed=True)

    async def _have_created(self, entry: PoolEntry) -> None:
        xml = self.xml or self.host.hypervisor.documents.render_volume(self.definition)
        # Between the reservation and libvirt's turn the share may be unmounted: below it nothing must be written.
        proven = self.host.quarantine.proof(entry, Use.TAKE_SPACE)
        try:
            await self.host.hypervisor.create_volume(self.pool, xml, server=entry.pool.server, proven=proven)
        except ModelError as error:
            await self._remove_half_made(entry, error)
            raise
        if not self.xml and self.definition.permissions is None:
            await give_to_guests(self.host, entry, self.definition.name)

    async def _remove_half_made(self, entry: PoolEntry, error: ModelError) -> None:
        """Remove what a qemu-img that failed left: the name was free when it began.

        libvirt removes a raw volume itself, and fails where somebody else has made one of that name meanwhile.
        """
        path = path_in_pool(entry, self.definition.name)
        by_libvirt = (self.definition.format or "raw") == "raw" and self.definition.encryption is None
        if path is None or by_libvirt or error.reason in _NOT_MADE_BY_US | MAY_GO_ON:
            return
        try:
            # What is mounted there by now may be somebody else's.
            device = self.host.quarantine.device(entry, Use.WRITE)
            facts = await self.host.files.lstat(path)
            if facts is not None and facts.kind is FileKind.FILE:
                await self.host.files.unlink_if(path, inode=facts.inode, device=device)
        except ModelError as left:
            # What was to be told is why the volume was not made.
            log.warning("a half-made volume stays", path=path, reason=left.reason, error=left.message)
