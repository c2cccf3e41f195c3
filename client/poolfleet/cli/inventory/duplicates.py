"""`inventory duplicates`: volumes of one name on several storages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.inventory.show import app
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.session import Session
from poolfleet.cli.storage import tables
from poolfleet.cli.verbs import reads

if TYPE_CHECKING:
    from poolfleet.inventory.model import InventoryVolume

_COLUMNS: tuple[Column[InventoryVolume], ...] = (
    Column("NAME", lambda volume: volume.name),
    Column("STORAGE", lambda volume: volume.storage_id, Kind.PATH),
    Column("FORMAT", lambda volume: volume.format),
    Column("CAPACITY", lambda volume: volume.capacity_bytes, Kind.SIZE),
    Column("ALLOCATED", lambda volume: volume.allocation_bytes, Kind.SIZE),
    Column("USED-BY", lambda volume: text.joined(list(dict.fromkeys(user.domain for user in volume.used_by)))),
)


@reads(app, "duplicates", "poolfleet inventory duplicates", "poolfleet inventory duplicates -o json")
async def show_duplicates(cli: Session) -> ExitCode:
    """Show volumes that have one name on several storages.

    Whether they hold the same nobody has looked. Names on a storage whose id is not to be trusted are left out, with
    a word on standard error: there one volume may be known by two ids. -o json has them all.
    """

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        doubted = ((one.name, each.doubts[0]) for each in found.duplicates if each.doubts for one in each.volumes)
        tables.tell_unsaid(cli, "volume", doubted)
        rows = [volume for each in found.duplicates if not each.doubts for volume in each.volumes]
        return Answer(
            tables=[Table(_COLUMNS, rows, name=lambda volume: volume.name)],
            document={
                "complete": found.complete,
                "missing": found.missing,
                "duplicates": [each.to_dict() for each in found.duplicates],
            },
            code=tables.code(cli, found),
        )

    return await cli.show(look)
