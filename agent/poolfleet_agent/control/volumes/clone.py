"""CloneVolume: make a volume that holds what another one does, or lies on it; or find that it is there already."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.in_use import check_volume_not_written
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.pools.refresh import require_active
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.encrypt import check_secret
from poolfleet_agent.control.volumes.make import Content, check_owner, make_copy, make_volume
from poolfleet_agent.control.volumes.new import NewVolume
from poolfleet_agent.control.volumes.partitions import holds_partitions
from poolfleet_agent.control.volumes.reserve import Held
from poolfleet_agent.control.volumes.source import (
    Source,
    check_as_before,
    check_reachable,
    find_source,
    layers_of,
    measure,
)
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.capacity import bytes_at_once
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.image import (
    COPIED_FORMATS,
    LUKS,
    MADE_FORMATS,
    Layer,
    SourceImage,
    copied_bytes,
    image_format,
    layout_of,
)
from poolfleet_agent.model.image_options import PLAIN, QCOW2
from poolfleet_agent.model.names import check_new_volume_name
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption


@dataclass(frozen=True, kw_only=True)
class CloneVolume(Mutation):
    """`definition` is what the request states of the new volume; `xml` is its document where it came as one.

    An encrypted source is opened by `source_secret`, or by what libvirt knows; its copy is encrypted as it is itself,
    if nothing else is stated, and plain only where it is to be `decrypted`. Where the source is plain itself, and only
    lies on something encrypted, either has to be stated.
    """

    kind: ClassVar = OperationKind.CLONE_VOLUME
    host: Host = field(repr=False)
    promises: Promises = field(repr=False)
    source_pool: str
    source_volume: str
    pool: str
    definition: VolumeDefinition
    xml: str = ""
    linked: bool = False
    decrypted: bool = False
    source_secret: SecretRef | None = None
    allow_in_use: bool = False
    etag: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The new volume."""
        return self.pool, self.definition.name

    @property
    def reads(self) -> tuple[str, str]:
        """The source."""
        return self.source_pool, self.source_volume

    @property
    def changes_table(self) -> bool:
        """Of a disk pool's partitions."""
        return holds_partitions(self.host, self.pool)

    async def check(self) -> Outcome | Work:
        """Refuse for the source, the pool, a file in the way or the space; settle where the volume is there."""
        check_new_volume_name("name", self.definition.name)
        if self.target == self.reads:
            raise invalid_field("name", "is the source's own")
        source = await find_source(
            self.host, self.source_pool, self.source_volume, etag=self.etag, secret=self.source_secret
        )
        entry = source.entry if self.pool == self.source_pool else await self.host.fresh_pool(self.pool)
        require_active(entry)
        by_libvirt = bool(self.xml) or not source.is_local or entry.pool.definition.type not in DIRECTORY_POOL_TYPES
        definition = self._definition(source, by_libvirt=by_libvirt)
        new = NewVolume(
            host=self.host,
            promises=self.promises,
            entry=entry,
            definition=definition,
            # What is copied here is measured first: how much of the source is empty only its layers tell.
            at_once_bytes=bytes_at_once(definition) if by_libvirt else 0,
        )
        if (outcome := await new.found()) is not None:
            return outcome
        await new.check_can_be_made()
        await self.host.quarantine.check(entry, Use.TAKE_SPACE)
        layers = await self._check_source(source, entry)
        warnings = await self._check_writers(source)
        await check_secret(self.host, definition, made_here=not by_libvirt)
        new.check_space()
        acting = await self.host.actors.acting(entry)
        if not by_libvirt and acting.squashed:
            check_owner(entry, self.definition.permissions, acting.user)

        async def perform(report: Report) -> Outcome:
            if by_libvirt:
                return await new.made(lambda held: self._have_libvirt_clone(new, held), report)
            reader = await self._reader(source, await self.host.actors.acting(entry))
            asking = report.asking_again(partial(check_as_before, self.host, source, reader, layers))
            if self.linked:
                return await new.made(lambda held: self._lay_on_it(new, held, asking), asking)
            return await self._copy(source, SourceImage(layers=layers, forced=self.allow_in_use), reader, new, asking)

        return Work(
            perform=perform,
            timeout_s=self.host.rules.operation_timeout_s if self.linked else self.host.rules.copy_timeout_s,
            warnings=warnings,
            cancellable=not by_libvirt,
            debris=new.debris(made_here=not by_libvirt),
        )

    def _definition(self, source: Source, *, by_libvirt: bool) -> VolumeDefinition:
        """What the new volume has to be like: what is stated, and what follows from the source."""
        facts, asked = source.facts, self.definition
        source_bytes = facts.capacity_bytes or 0
        if self.xml:  # libvirt makes it as large as the source, if that is larger
            return replace(asked, capacity_bytes=max(asked.capacity_bytes or 0, source_bytes))
        if asked.capacity_bytes is not None and asked.capacity_bytes < source_bytes:
            raise invalid_field("spec.capacity_bytes", f"must be at least the source's, {source_bytes}")
        capacity_bytes = source_bytes if asked.capacity_bytes is None else asked.capacity_bytes
        stated = replace(asked, capacity_bytes=capacity_bytes, encryption=self._encryption(source))
        if self.linked:
            if by_libvirt:
                raise _not_supported("a linked clone lies on a file or device, in a pool that is a directory of files")
            if facts.encryption:
                raise _not_linked(facts.path, facts.encryption)
            backing = BackingStore(path=facts.path, format=image_format(facts.format))
            return replace(stated, format="qcow2", backing_store=backing)
        if by_libvirt:
            return stated
        new_format = asked.format or (facts.format if facts.type == "file" else "raw")
        if image_format(new_format) not in COPIED_FORMATS:
            raise _not_supported(f"format {new_format} cannot be written: state one of {', '.join(_FORMATS)}")
        if capacity_bytes == 0 and image_format(new_format) not in MADE_FORMATS:
            raise invalid_field("spec.capacity_bytes", f"must be positive for {new_format}, and the source is empty")
        if stated.encryption is not None and image_format(new_format) not in MADE_FORMATS:
            raise invalid_field("spec.format", "must be raw or qcow2 for a copy that is encrypted", value=new_format)
        options = layout_of(facts) if new_format == facts.format == QCOW2 else PLAIN
        return replace(stated, format=new_format, allocation_bytes=0, options=options)

    def _encryption(self, source: Source) -> VolumeEncryption | None:
        """How the new volume is encrypted: as stated, else as the source is."""
        if self.definition.encryption is not None or self.decrypted or not source.facts.encryption:
            return self.definition.encryption
        if source.facts.encryption != LUKS:
            raise _not_supported(f"{source.facts.path} is encrypted by {source.facts.encryption}: only luks is read")
        return VolumeEncryption(format=LUKS, secret=source.secret)

    async def _check_source(self, source: Source, entry: PoolEntry) -> tuple[Layer, ...]:
        """Refuse what must not be read; the answer is the files that are, where programs of ours can do so."""
        if self.linked:
            check_reachable(source, entry)
        if not source.is_local:
            return ()
        return await self._layers(source, await self._reader(source, await self.host.actors.acting(entry)))

    async def _check_writers(self, source: Source) -> tuple[str, ...]:
        """Refuse what must not be read now; the answer warns of what may yet spoil the clone."""
        if self.allow_in_use:
            return ()
        writers = await check_volume_not_written(self.host, source.entry, source.record)
        if not writers or not self.linked:
            return ()
        return (f"the clone is spoilt as soon as one of these domains is started and writes: {', '.join(writers)}",)

    async def _layers(self, source: Source, reader: Acting) -> tuple[Layer, ...]:
        """The files that are read; refused where what one of them keeps encrypted would be laid bare unasked."""
        layers = await layers_of(self.host, source, reader)
        encrypted = next((layer.path for layer in layers if layer.passphrase is not None), None)
        if encrypted is None or self.xml or self.decrypted or self._encryption(source) is not None:
            return layers
        if self.linked:
            raise _not_linked(encrypted, LUKS)
        why = f"the source lies on {encrypted}, which is encrypted, and is not so itself"
        raise invalid_field("spec.encryption", f"must be stated, or decrypted: {why}")

    async def _reader(self, source: Source, acting: Acting) -> Acting:
        """Who copies: who may write the new volume; where that is root, who may read the source."""
        return acting if acting.squashed else await self.host.actors.acting(source.entry)

    async def _copy(
        self, source: Source, image: SourceImage, reader: Acting, new: NewVolume, report: Report
    ) -> Outcome:
        await self.host.quarantine.check_volume(source.entry, self.source_volume, Use.READ)
        total_bytes = copied_bytes(new.definition, await measure(self.host, image, new.definition, reader, report))

        async def make(held: Held) -> None:
            await report.ask_again()  # the reservation may have waited for a server
            # That root is nobody may show only by the reservation.
            user = (await self._reader(source, held.acting)).user
            content = Content(image=image, user=user, total_bytes=total_bytes)
            await make_copy(self.host, held.acting, new.entry, new.definition, content, report)

        return await replace(new, at_once_bytes=total_bytes).made(make, report)

    async def _lay_on_it(self, new: NewVolume, held: Held, report: Report) -> None:
        await report.ask_again()
        await make_volume(self.host, held.acting, new.entry, new.definition, report)

    async def _have_libvirt_clone(self, new: NewVolume, held: Held) -> None:
        xml = self.xml or self.host.hypervisor.documents.render_volume(new.definition)

        async def ask(proven: Callable[[], None]) -> None:
            server = new.entry.pool.server
            await self.host.hypervisor.clone_volume(self.pool, xml, self.reads, server=server, proven=proven)

        await new.have_libvirt_make(held, ask, for_guests=not self.xml)


_FORMATS = tuple(sorted(COPIED_FORMATS))


def _not_linked(path: str, encryption: str) -> ModelError:
    return _not_supported(
        f"{path} is encrypted ({encryption}), and what is written to a linked clone would not be: copy it"
    )


def _not_supported(what: str) -> ModelError:
    return ModelError(Reason.NOT_SUPPORTED_HERE, what, metadata={"what": what})
