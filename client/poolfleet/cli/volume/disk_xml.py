"""`volume disk-xml`: the `<disk>` that gives a volume to a guest, always with the volume's real format.

Without `<driver type>` a guest's format is guessed or taken for raw, and who can write a raw disk can write a header
that makes it a qcow2 with any file of the host below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from xml.etree import ElementTree as ET

from poolfleet.cli.addressing import volume_at
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer
from poolfleet.cli.output.fields import xml_documents
from poolfleet.cli.parsing import volume_word
from poolfleet.cli.session import Session, say
from poolfleet.cli.verbs import choice, reads
from poolfleet.cli.volume.reads import VolumeArgument, app
from poolfleet.types.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.volume import Volume

# libvirt's word for a volume's format, and qemu's for the driver that reads it.
_DRIVERS = {"iso": "raw"} | {
    name: name for name in ("raw", "qcow2", "qcow", "qed", "vmdk", "vpc", "vdi", "bochs", "cloop", "dmg", "luks")
}


class As(StrEnum):
    """How the guest's XML names the volume."""

    FILE = "file"
    """By path or device."""
    VOLUME = "volume"
    """By pool and volume."""


@reads(
    app,
    "disk-xml",
    "poolfleet volume disk-xml vm_data/web1.qcow2",
    "poolfleet volume disk-xml vm_data/web1.qcow2 --target vdb > disk.xml && virsh attach-device web1 disk.xml",
)
async def disk_xml(
    cli: Session,
    /,
    *,
    volume: VolumeArgument,
    target: Annotated[str, choice("--target", about="The guest's device: vda, or sda for a CD.")] = "",
    bus: Annotated[str, choice("--bus", about="virtio, scsi, sata, …: virtio, or sata for a CD.")] = "",
    cache: Annotated[
        str, choice("--cache", about="none (unless said), writeback, writethrough, directsync, unsafe.")
    ] = "none",
    discard: Annotated[str, choice("--discard", about="unmap (unless said) or ignore.")] = "unmap",
    as_: Annotated[As, choice("--as", about="By path, or by pool and volume.", metavar="file|volume")] = As.FILE,
) -> ExitCode:
    """Write the XML that gives a volume to a guest. Its format is the real one."""
    word = volume_word(volume)

    async def read(client: AgentClient) -> Volume:
        found = await volume_at(client, word, fresh=True)
        await _refuse_unfit(client, found)
        return found

    result = await cli.read(read, host=word.host)
    account = cli.account(result)
    found = dict(result.answers())
    driver = {"cache": cache, "discard": discard}
    documents = {host: _document(each, target, bus, driver, as_) for host, each in found.items()}
    if len(set(documents.values())) > 1:
        _tell_differences(found)

    async def look() -> Answer:
        return xml_documents(account, documents)

    return await cli.show(look)


async def _refuse_unfit(client: AgentClient, volume: Volume) -> None:
    """Raise FailedPrecondition for what no guest should get: a directory, a symbolic link, an unknown format."""

    def refused(why: str) -> FailedPrecondition:
        words = f"{volume.pool}/{volume.name} {why}"
        return FailedPrecondition(words, reason="NOT_A_VOLUME", host=client.name)

    if volume.type in ("dir", "netdir"):
        raise refused("is a directory")
    if volume.type == "file":
        try:
            real = await client.volumes.lookup(path=volume.path)
        except NotFound as error:
            raise refused("is a symbolic link, or gone") from error
        if (real.pool, real.name) != (volume.pool, volume.name):
            raise refused(f"is a symbolic link to {real.pool}/{real.name}: give the guest that")
    if volume.format not in _DRIVERS:
        raise refused(f"is of format {volume.format or 'unknown'!r}, which no guest can read")


def _document(volume: Volume, target: str, bus: str, driver: dict[str, str], as_: As) -> str:
    kind = "volume" if as_ is As.VOLUME else "block" if volume.type == "block" else "file"
    is_cdrom = volume.format == "iso"
    disk = ET.Element("disk", type=kind, device="cdrom" if is_cdrom else "disk")
    ET.SubElement(disk, "driver", {"name": "qemu", "type": _DRIVERS[volume.format], **driver})
    if kind == "volume":
        ET.SubElement(disk, "source", pool=volume.pool, volume=volume.name)
    else:
        ET.SubElement(disk, "source", {"dev" if kind == "block" else "file": volume.path})
    # No guest has a CD drive on virtio.
    dev, on = ("sda", "sata") if is_cdrom else ("vda", "virtio")
    ET.SubElement(disk, "target", dev=target or dev, bus=bus or on)
    if is_cdrom:
        ET.SubElement(disk, "readonly")
    ET.indent(disk)
    return ET.tostring(disk, encoding="unicode")


def _tell_differences(found: Mapping[str, Volume]) -> None:
    for what in ("path", "format", "pool"):
        by_value: dict[str, list[str]] = {}
        for host, volume in found.items():
            by_value.setdefault(str(getattr(volume, what)), []).append(host)
        if len(by_value) > 1:
            parts = "; ".join(f"{value} on {text.joined(hosts)}" for value, hosts in by_value.items())
            say(text.printable(f"hosts have different {what}s: {parts}. Choose one with --host."))
