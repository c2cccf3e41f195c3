"""How a check of storages is shown: a line for each finding, and below the commands that mend them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.storage.tables import completeness

if TYPE_CHECKING:
    from poolfleet.inventory.check.model import Finding, StorageCheck


@dataclass(frozen=True, slots=True)
class _Row:
    storage_id: str
    finding: Finding


_COLUMNS: tuple[Column[_Row], ...] = (
    Column("STORAGE", lambda row: row.storage_id, Kind.PATH),
    Column("HOST", lambda row: row.finding.host),
    Column("POOL", lambda row: row.finding.pool),
    Column("KIND", lambda row: str(row.finding.kind)),
    Column("MESSAGE", lambda row: row.finding.message, Kind.MESSAGE),
)


def answer(found: StorageCheck) -> Answer:
    """Show what was found, and end accordingly."""
    rows = [_Row(storage.storage_id, finding) for storage in found.storages for finding in storage.findings]
    commands = list(dict.fromkeys(command for row in rows for command in row.finding.commands))
    return Answer(
        tables=[Table(_COLUMNS, rows, name=lambda row: row.finding.host)] if rows else [],
        document=found.to_dict(),
        first_line=_first_line(found),
        last_lines=["What to do:", *commands] if commands else [],
        code=code(found),
    )


def _first_line(found: StorageCheck) -> str:
    shared = [storage for storage in found.storages if not storage.local_to]
    if found.storages and not shared:
        owners = text.joined(sorted({storage.local_to for storage in found.storages}))
        return f"{completeness(found)}, nothing to compare: it is on {owners} alone"
    parts = [
        completeness(found),
        text.counted(len(shared), "shared storage"),
        text.counted(len(found.findings), "finding") if found.findings else "nothing found",
    ]
    return ", ".join(parts)


def code(found: StorageCheck) -> ExitCode:
    """What was found counts first: what is missing may hide more, and takes nothing of it back."""
    if found.findings:
        return ExitCode.CONFLICT
    if {str(host.status) for host in found.hosts} == {"unreachable"}:
        return ExitCode.UNREACHABLE
    return ExitCode.OK if found.complete else ExitCode.FAILED
