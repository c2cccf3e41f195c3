"""`inventory duplicates`: volumes that several storages have by one name, or with the same in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.inventory.show import app
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.session import Session
from poolfleet.cli.storage import tables
from poolfleet.cli.verbs import reads

if TYPE_CHECKING:
    from poolfleet.inventory.model import Duplicate, InventoryVolume


class _Row(NamedTuple):
    volume: InventoryVolume
    of: Duplicate

    @property
    def same(self) -> str:
        """What it has in common with the others."""
        return "+".join(what for what, has in (("name", self.of.name), ("content", self.of.content_id)) if has)


_COLUMNS: tuple[Column[_Row], ...] = (
    Column("NAME", lambda row: row.volume.name),
    Column("STORAGE", lambda row: row.volume.storage_id, Kind.PATH),
    Column("SAME", lambda row: row.same),
    Column("FORMAT", lambda row: row.volume.format),
    Column("CAPACITY", lambda row: row.volume.capacity_bytes, Kind.SIZE),
    Column("ALLOCATED", lambda row: row.volume.allocation_bytes, Kind.SIZE),
    Column("USED-BY", lambda row: text.joined(list(dict.fromkeys(user.domain for user in row.volume.used_by)))),
    Column("CONTENT-ID", lambda row: row.volume.content_id, wide=True),
)


@reads(app, "duplicates", "poolfleet inventory duplicates", "poolfleet inventory duplicates -o wide")
async def show_duplicates(cli: Session) -> ExitCode:
    """Show volumes that several storages have by one name, or with the same content by the ids in their headers.

    Such ids are in luks containers, encrypted qcow2, VDI, dynamic VHD and sparse VMDK; -o wide shows them. Whether
    volumes still hold the same nobody has looked. What lies on a storage whose id is not to be trusted is left out,
    with a word on standard error: there one volume may be known by two ids. -o json has them all.
    """

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        doubted = (
            (each.name or each.content_id, each.doubts[0])
            for each in found.duplicates
            if each.doubts
            for _ in each.volumes
        )
        tables.tell_unsaid(cli, "volume", doubted)
        rows = [_Row(volume, each) for each in found.duplicates if not each.doubts for volume in each.volumes]
        return Answer(
            tables=[Table(_COLUMNS, rows, name=lambda row: row.volume.name)],
            document={
                "complete": found.complete,
                "missing": found.missing,
                "duplicates": [each.to_dict() for each in found.duplicates],
            },
            code=tables.code(cli, found),
        )

    return await cli.show(look)
