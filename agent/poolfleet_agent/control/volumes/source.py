"""What a volume is cloned from: the volume, and the files that are read when it is copied.

A qcow2 file names what it lies on, and whoever wrote it may have named any file of the host. So each layer is looked at
here, has to lie where allowed_paths says, and is read under the format that it is said to have, never under a guessed
one; the program that copies is told all of them, and opens no other. What is encrypted is read with its secret.

Until the copy's turn comes another host may have put other files in their places, of another format, or whose headers
name what was not looked at. So they are looked at again then, and have to be the same files, with the same to say of
what they lie on. Times and lengths may be others: a guest that ran meanwhile has but written to its disk.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.encrypt import passphrase_of, secret_of_file
from poolfleet_agent.control.volumes.existing import existing_volume
from poolfleet_agent.control.volumes.place import file_on_share
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.disk_header import HEADER_BYTES, DiskHeader, read_disk_header, stands_alone
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import LUKS, Layer, SourceImage, image_format
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.volume import VolumeDefinition, VolumeFacts

MOST_PIECES = 100
"""A raw file that is in more of them is measured by a program: to find each may be a question to a server."""

LONGEST_CHAIN = 200
"""Depth at which a backing chain is taken for a circle."""

_LAYERED = frozenset({"qcow", "qcow2"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A volume, and its pool. `secret`: what opens it, as far as anybody says; None: it is not encrypted."""

    entry: PoolEntry
    record: VolumeRecord
    secret: SecretRef | None = None

    @property
    def facts(self) -> VolumeFacts:
        """What libvirt says of it."""
        return self.record.facts

    @property
    def is_local(self) -> bool:
        """Whether it is a file or a device that programs of this host can open."""
        return self.facts.type in {"file", "block"} and self.facts.path.startswith("/")


async def find_source(host: Host, pool: str, volume: str, *, etag: str, secret: SecretRef | None) -> Source:
    """Find it as it is now: POOL_NOT_FOUND, POOL_NOT_ACTIVE, VOLUME_NOT_FOUND, ETAG_MISMATCH, NOT_A_VOLUME,
    SYMLINK_LEAVES_POOL, NAME_RESERVED, and what the quarantine refuses.

    `secret`: what opens it, as the request says; None: as libvirt says.
    """
    entry, record = await existing_volume(host, pool, volume, etag=etag, use=Use.READ)
    await file_on_share(host, entry, volume)
    facts = record.facts
    return Source(
        entry=entry,
        record=record,
        secret=(secret or facts.secret or secret_of_file(host, facts.path)) if facts.encryption else None,
    )


async def layers_of(host: Host, source: Source, reader: Acting) -> tuple[Layer, ...]:
    """All files that have to be read, the uppermost first, each seen to be readable by who will read them.

    NOT_SUPPORTED_HERE, PATH_NOT_ALLOWED, PATH_NOT_USABLE, SQUASHED, SECRET_NOT_FOUND, SECRET_NOT_USABLE.
    """
    facts = source.facts
    path, known_format = facts.path, image_format(facts.format)
    if facts.encryption and known_format == "raw":
        known_format = LUKS
    if facts.type == "block":
        if known_format in _LAYERED:
            raise _not_supported(facts.path, f"is a device that holds {facts.format}: what that lies on cannot be told")
        opened_by = await passphrase_of(host, source.secret) if source.secret else None
        return (Layer(path=path, format=known_format, is_block=True, passphrase=opened_by),)
    layers: list[Layer] = []
    while path:
        if len(layers) == LONGEST_CHAIN:
            raise _not_supported(facts.path, f"lies on more than {LONGEST_CHAIN} others")
        layer, below = await _layer(host, reader, path, known_format)
        if below.encryption:
            secret = source.secret if not layers and source.secret else secret_of_file(host, path)
            layer = replace(layer, passphrase=await passphrase_of(host, secret))
        layers.append(layer)
        path = posixpath.join(posixpath.dirname(path), below.backing_path) if below.backing_path else ""
        known_format = below.backing_format
    return tuple(layers)


async def check_as_before(host: Host, source: Source, reader: Acting, layers: Sequence[Layer]) -> None:
    """Refuse to read files that are not those which were looked at: ETAG_MISMATCH, and what `layers_of` refuses."""
    try:
        now = await layers_of(host, source, reader)
    except ModelError as error:
        if error.retry_delay_s is not None:  # of who does not answer nothing more is asked
            raise
        # What is refused of a file that was put in the place of another is first of all that.
        for layer in layers:
            if not layer.is_block and await _file(reader, layer.path) != layer.file:
                raise _replaced(layer.path) from None
        raise
    if [(layer.path, layer.format, layer.file) for layer in now] != [
        (layer.path, layer.format, layer.file) for layer in layers
    ]:
        raise _replaced(source.facts.path)


async def _layer(host: Host, reader: Acting, path: str, known_format: str) -> tuple[Layer, DiskHeader]:
    await host.check_path("volume", path)
    file = await _file(reader, path)  # before its header: what is put there in between is another file later, too
    head = await _head(reader, path)
    header = read_disk_header(head)
    if not known_format and header is None:
        raise _not_supported(
            path, "is a backing file whose format is not stated in what lies on it: `qemu-img rebase -u -F` states it"
        )
    layer = Layer(path=path, format=known_format or "qcow2", file=file)
    if layer.format not in _LAYERED:
        if not stands_alone(layer.format, head):
            raise _not_supported(path, f"is of format {layer.format}, and may consist of other files too")
        return layer, DiskHeader(encryption=LUKS if layer.format == LUKS else "")
    if header is None:
        raise _not_usable(path, f"is no {layer.format} file, as it should be")
    if not header.on_paths or header.data_path:
        raise _not_supported(path, "names another file than one that it lies on, or a server")
    if header.encryption not in {"", LUKS}:
        raise _not_supported(path, "is encrypted in a way that qemu no longer reads: only luks is")
    return layer, header


async def _file(reader: Acting, path: str) -> tuple[int, int] | None:
    found = await reader.files.stat(path)
    return (found.device, found.inode) if found is not None else None


async def _head(reader: Acting, path: str) -> bytes:
    try:
        head = await reader.files.head(path, HEADER_BYTES)
    except ModelError as error:
        if not error.is_denial or not reader.squashed:
            raise
        raise ModelError(
            Reason.SQUASHED,
            f"{path} may not be read by {reader.user.uid}:{reader.user.gid}, who has to copy it: root is nobody there",
            metadata={**error.metadata, "path": path, "owner": str(reader.user.uid)},
        ) from error
    if head is None:
        raise _not_usable(path, "is missing")
    return head


async def measure(host: Host, image: SourceImage, copy: VolumeDefinition, reader: Acting, report: Report) -> int:
    """Bytes that a copy takes at most, whose empty parts stay empty."""
    first = image.layers[0]
    if first.format == image_format(copy.format or "") == "raw" and not first.is_block:
        # Its holes are those of its file, and to see them takes no program, where they are not too many.
        data_bytes = await reader.files.data_bytes(first.path, most_pieces=MOST_PIECES)
        if data_bytes is not None:
            return data_bytes
    timeout_s = host.rules.operation_timeout_s
    return await host.images.measure(image, user=reader.user, listener=report, timeout_s=timeout_s)


def check_reachable(source: Source, target: PoolEntry) -> None:
    """Refuse to let a volume on a share lie on a file that only this host has: PATH_NOT_USABLE."""
    if target.pool.server is not None and source.entry.pool.server is None:
        raise _not_usable(
            source.facts.path,
            f"lies on this host alone: a guest of another host that sees pool {target.pool.name} could not reach it;"
            " clone it to that share first",
        )


def _replaced(path: str) -> ModelError:
    return ModelError(
        Reason.ETAG_MISMATCH,
        f"{path} was replaced while its clone waited, or lies on something else by now; look at it, and ask again",
        metadata={"path": path},
    )


def _not_supported(path: str, why: str) -> ModelError:
    return ModelError(Reason.NOT_SUPPORTED_HERE, f"{path} {why}", metadata={"path": path, "what": why})


def _not_usable(path: str, why: str) -> ModelError:
    return ModelError(Reason.PATH_NOT_USABLE, f"{path} {why}", metadata={"path": path})
