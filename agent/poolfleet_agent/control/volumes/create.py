"""CreateVolume: create a volume, or find that it is there already."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.refresh import require_active
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.encrypt import check_secret, trying
from poolfleet_agent.control.volumes.make import check_nocow, check_owner, creation_timeout_s, make_volume
from poolfleet_agent.control.volumes.new import NewVolume
from poolfleet_agent.control.volumes.partitions import holds_partitions
from poolfleet_agent.control.volumes.place import path_in_pool
from poolfleet_agent.control.volumes.reserve import Held
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.capacity import bytes_at_once
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.image import can_be_made
from poolfleet_agent.model.names import check_new_volume_name
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.ports import FileKind
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.volume import VolumeDefinition
from poolfleet_agent.model.volume_formats import BACKED_FORMATS, check_document_format, format_in_pool


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

    @property
    def changes_table(self) -> bool:
        """Of a disk pool's partitions."""
        return holds_partitions(self.host, self.pool)

    async def check(self) -> Outcome | Work:
        """Refuse for the pool, a file in the way, the backing store or the space; settle where the volume is there."""
        check_new_volume_name("name", self.definition.name)
        entry = await self.host.fresh_pool(self.pool)
        require_active(entry)
        if self.xml:
            check_document_format(entry.pool.definition.type, self.definition.format)
            return await self._check_in(entry)
        fitting = format_in_pool(entry.pool.definition.type, self.definition.format)
        return await replace(self, definition=replace(self.definition, format=fitting))._check_in(entry)

    async def _check_in(self, entry: PoolEntry) -> Outcome | Work:
        new = NewVolume(
            host=self.host,
            promises=self.promises,
            entry=entry,
            definition=self.definition,
            at_once_bytes=bytes_at_once(self.definition),
        )
        if (outcome := await new.found()) is not None:
            return outcome
        await new.check_can_be_made()
        await self.host.quarantine.check(entry, Use.TAKE_SPACE)
        await self._check_backing_store()
        new.check_space()
        acting = await self.host.actors.acting(entry)
        made_here = self._made_here(acting)
        await check_secret(self.host, self.definition, made_here=made_here)
        self._check_can_be_preallocated(entry)
        if made_here and acting.squashed:
            check_owner(entry, self.definition.permissions, acting.user)
            check_nocow(entry, self.definition)

        async def perform(report: Report) -> Outcome:
            return await new.made(lambda held: self._make(new, held, report), report)

        return Work(
            perform=perform,
            timeout_s=creation_timeout_s(self.host.rules, self.definition),
            cancellable=made_here,
            hopeless=partial(self.host.quarantine.until_unresponsive, entry) if self.definition.preallocation else None,
            debris=new.debris(made_here=made_here),
        )

    def _made_here(self, acting: Acting) -> bool:
        """Whether the agent makes the file, not libvirt; a document of the caller's own is for libvirt alone."""
        asked_of_us = acting.squashed or bool(self.definition.preallocation)
        return asked_of_us and not self.xml and can_be_made(self.definition)

    def _check_can_be_preallocated(self, entry: PoolEntry) -> None:
        if self.definition.preallocation and path_in_pool(entry, self.definition.name) is None:
            what = f"preallocation in a pool of type {entry.pool.definition.type}"
            message = f"{what}: only files are preallocated"
            raise ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata={"pool": self.pool, "what": what})

    async def _make(self, new: NewVolume, held: Held, report: Report) -> None:
        if self._made_here(held.acting):
            await make_volume(self.host, held.acting, new.entry, self.definition, report)
            return
        xml = self.xml or self.host.hypervisor.documents.render_volume(self.definition)

        async def ask(proven: Callable[[], None]) -> None:
            await self.host.hypervisor.create_volume(
                self.pool,
                xml,
                server=new.entry.pool.server,
                proven=proven,
                preallocate=bool(self.definition.preallocation),
            )

        await trying(self.definition)(new.have_libvirt_make, held, ask, for_guests=not self.xml)

    async def _check_backing_store(self) -> None:
        backing = self.definition.backing_store
        if backing is None:
            return
        if (self.definition.format or "raw") not in BACKED_FORMATS:
            raise invalid_field("backing_store", f"needs a copy-on-write format: {', '.join(sorted(BACKED_FORMATS))}")
        await self.host.check_path("backing_store.path", backing.path)
        facts = await self.host.files.stat(backing.path)
        if facts is None or facts.kind not in {FileKind.FILE, FileKind.BLOCK}:
            what = "is missing" if facts is None else "is neither a file nor a block device"
            raise ModelError(
                Reason.PATH_NOT_USABLE, f"the backing store {backing.path} {what}", metadata={"path": backing.path}
            )
