"""`inventory unmanaged`: what domains use beside all pools."""

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
    from poolfleet.inventory.model import UnmanagedDisk

_COLUMNS: tuple[Column[UnmanagedDisk], ...] = (
    Column("HOST", lambda disk: disk.host),
    Column("PATH", lambda disk: disk.path, Kind.PATH),
    Column("KIND", lambda disk: disk.source_kind),
    Column("USED-BY", lambda disk: text.joined(list(dict.fromkeys(user.domain for user in disk.used_by)))),
    Column("ROLE", lambda disk: text.joined(list(dict.fromkeys(str(user.role) for user in disk.used_by)))),
)


@reads(app, "unmanaged", "poolfleet inventory unmanaged", "poolfleet inventory unmanaged -l site=ams -o json")
async def show_unmanaged(cli: Session) -> ExitCode:
    """Show files and devices that guests use, down their backing chains, and that no pool of any host has.

    It is said only of what is certain. Of the rest standard error tells why it is not, and -o json all of it.
    """

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        certain = [disk for disk in found.unmanaged if not disk.doubts]
        tables.tell_unsaid(cli, "path", ((disk.host, disk.doubts[0]) for disk in found.unmanaged if disk.doubts))
        return Answer(
            tables=[Table(_COLUMNS, certain, name=lambda disk: disk.path)],
            document={
                "complete": found.complete,
                "missing": found.missing,
                "unmanaged": [disk.to_dict() for disk in found.unmanaged],
            },
            code=tables.code(cli, found),
        )

    return await cli.show(look)
