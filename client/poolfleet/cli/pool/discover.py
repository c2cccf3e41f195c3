"""`pool discover`: what a new pool could have as its source, what several hosts found alike in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, plain
from poolfleet.cli.pool.reads import app
from poolfleet.cli.session import Session
from poolfleet.cli.verbs import choice, reads
from poolfleet.types.discovery import DiscoveredBy

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.discovery import DiscoveredSource, PoolSources

_TYPE = typer.Argument(metavar="TYPE", help="Pool type, such as netfs, iscsi, gluster or logical.", show_default=False)
_BY_ROOT = "The server lists no exports; these are what its root shows, a folder that leads to several left out."


@dataclass(slots=True)
class _Row:
    """A source and the hosts that found it."""

    source: DiscoveredSource
    hosts: list[str] = field(default_factory=list)


@reads(
    app,
    "discover",
    "poolfleet pool discover netfs --server nfs.example.com",
    "poolfleet pool discover logical -H kvm7 -o json",
)
async def discover_sources(
    cli: Session,
    /,
    *,
    type_: Annotated[str, _TYPE],
    server: Annotated[str | None, choice("--server", about="Server to ask; netfs needs one.")] = None,
    port: Annotated[int | None, choice("--port", about="Its port, where that is not the usual one.")] = None,
    initiator: Annotated[str | None, choice("--initiator", about="iSCSI name of the host.", metavar="IQN")] = None,
    source_format: Annotated[str | None, choice("--format", about="Of netfs: nfs or glusterfs.")] = None,
) -> ExitCode:
    """Find sources for new pools. Exports of a server, targets, volume groups, as each host sees them."""

    async def discover(client: AgentClient) -> PoolSources:
        return await client.pools.discover(
            type_, host=server or "", port=port or 0, initiator=initiator or "", source_format=source_format or ""
        )

    async def look() -> Answer:
        result = await cli.read(discover)
        account = cli.account(result)
        found = dict(result.answers())
        by_root = any(each.found_by is DiscoveredBy.ROOT for each in found.values())
        answers = [{"host": host, **plain(each)} for host, each in found.items()]
        return Answer(
            tables=[_table(_rows(found), len(result))],
            document={"complete": account.complete, "hosts": account.hosts, "discoveries": answers},
            last_lines=(_BY_ROOT,) if by_root else (),
            code=account.code,
        )

    return await cli.show(look)


def _rows(found: dict[str, PoolSources]) -> list[_Row]:
    rows: dict[DiscoveredSource, _Row] = {}
    for host, each in found.items():
        for source in each.sources:
            rows.setdefault(source, _Row(source)).hosts.append(host)
    return list(rows.values())


def _table(rows: Sequence[_Row], hosts: int) -> Table[_Row]:
    columns = [column for column in _COLUMNS if any(column.value(row) for row in rows)]
    if hosts > 1:
        columns.append(Column("HOSTS", lambda row: f"{len(row.hosts)}/{hosts}"))
        columns.append(Column("ON", lambda row: text.joined(row.hosts), wide=True))
    return Table(columns, rows, name=lambda row: row.source.path or row.source.name or ",".join(row.source.devices))


# Those that no source has are left out.
_COLUMNS: tuple[Column[_Row], ...] = (
    Column("SERVER", lambda row: row.source.host),
    Column("PATH", lambda row: row.source.path, Kind.PATH),
    Column("NAME", lambda row: row.source.name),
    Column("DEVICES", lambda row: ",".join(row.source.devices), Kind.PATH),
    Column("CLIENTS", lambda row: ",".join(row.source.clients), Kind.MESSAGE),
)
