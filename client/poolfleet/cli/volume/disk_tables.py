"""How what guests refer to is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, plain

if TYPE_CHECKING:
    from poolfleet.cli.session import Session
    from poolfleet.fleet.result import FleetResult
    from poolfleet.types.disk import DomainDisk, DomainDisks

_COLUMNS: tuple[Column[tuple[str, DomainDisk]], ...] = (
    Column("DOMAIN", lambda row: row[1].domain),
    Column("HOST", lambda row: row[0]),
    Column("STATE", lambda row: str(row[1].domain_state)),
    Column("ROLE", lambda row: str(row[1].role)),
    Column("TARGET", lambda row: row[1].target),
    Column("PATH", lambda row: row[1].path, Kind.PATH),
    Column("VOLUME", lambda row: f"{row[1].pool}/{row[1].volume}" if row[1].volume else None, wide=True),
    Column("FORMAT", lambda row: row[1].format, wide=True),
    Column("READ-ONLY", lambda row: text.yes_no(row[1].read_only), wide=True),
    Column("STORAGE", lambda row: row[1].storage_id, Kind.PATH, wide=True),
)


def answer(cli: Session, result: FleetResult[DomainDisks]) -> Answer:
    """Show what the hosts' guests refer to, and say where some of it may be missing."""
    account = cli.account(result)
    complete = account.complete
    for host, found in result.answers():
        complete = complete and found.complete
        for words in found.missing:
            cli.note(text.printable(f"{host}: not complete: {words}"))
    rows = [(host, disk) for host, found in result.answers() for disk in found.disks]
    disks = [{"host": host, **plain(disk)} for host, disk in rows]
    document = {"complete": complete, "hosts": account.hosts, "disks": disks}
    incomplete = account.code is ExitCode.OK and not complete and cli.flags.require_complete
    code = ExitCode.FAILED if incomplete else account.code
    return Answer(tables=[Table(_COLUMNS, rows, name=lambda row: row[1].domain)], document=document, code=code)
