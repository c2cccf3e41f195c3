"""`pool probe`: a line for each host, a column for each layer, and below what failed and what to do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.addressing import pool_name
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Table, plain
from poolfleet.cli.pool.reads import PoolWord, app
from poolfleet.cli.session import Session
from poolfleet.cli.verbs import reads
from poolfleet.types.probe import LayerOutcome, ProbeLayer

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.probe import PoolProbe

_LAYERS = ("dns", "tcp", "rpc", "export", "mount", "squash", "read", "write")
_WRITE_TEST = "Make one file in the pool's directory and remove it; it tells whom the server takes root for."
WriteTest = Annotated[bool, typer.Option("--write-test", help=_WRITE_TEST)]


@dataclass(frozen=True, slots=True)
class HostProbe:
    """A diagnosis and its host's name."""

    host: str
    probe: PoolProbe

    def layer(self, name: str) -> ProbeLayer | None:
        """One layer; None where the agent does not tell of it."""
        return next((layer for layer in self.probe.layers if layer.layer == name), None)


@reads(
    app,
    "probe",
    "poolfleet pool probe vm_data",
    "poolfleet pool probe vm_data -H kvm7 --write-test",
)
async def probe_pool(cli: Session, /, *, pool: PoolWord, write_test: WriteTest = False) -> ExitCode:
    """Find out what keeps a pool from working. Name, server, export, mount, users, reading, each on each host."""

    async def probe(client: AgentClient) -> PoolProbe:
        return await client.pools.probe(await pool_name(client, pool), write_test=write_test)

    async def look() -> Answer:
        result = await cli.read(probe)
        account = cli.account(result)
        rows = [HostProbe(host, each) for host, each in result.answers()]
        probes = [{"host": row.host, **plain(row.probe)} for row in rows]
        failed = any(row.probe.failed for row in rows)
        return Answer(
            tables=[Table(_COLUMNS, rows, name=lambda row: row.host)],
            document={"complete": account.complete, "hosts": account.hosts, "probes": probes},
            last_lines=tuple(_explained(rows)),
            code=ExitCode.FAILED if failed and account.code is ExitCode.OK else account.code,
        )

    return await cli.show(look)


def _cell(layer: ProbeLayer | None) -> str | None:
    if layer is None or layer.outcome in {LayerOutcome.SKIPPED, LayerOutcome.UNKNOWN}:
        return None
    if layer.outcome is LayerOutcome.FAILED:
        return layer.failure
    return text.milliseconds(layer.duration_s)


def _column(name: str) -> Column[HostProbe]:
    return Column(name.upper(), lambda row: _cell(row.layer(name)))


_COLUMNS: tuple[Column[HostProbe], ...] = (
    Column("HOST", lambda row: row.host),
    *map(_column, _LAYERS),
    Column("VERDICT", lambda row: row.probe.failure or "ok"),
)


def _explained(rows: Sequence[HostProbe]) -> Iterator[str]:
    """What failed, hosts that say the same together; of a single host also what is worth knowing of each layer."""
    said: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        verdict = row.probe.verdict + (f"; {row.probe.advice}" if row.probe.advice else "")
        if row.probe.failed or len(rows) == 1:
            said[verdict].append(row.host)
    for verdict, hosts in said.items():
        yield f"{text.joined(hosts)}: {verdict}" if len(rows) > 1 else verdict
    if len(rows) == 1:
        for layer in rows[0].probe.layers:
            if layer.outcome is LayerOutcome.OK and layer.message:
                yield f"{layer.layer}: {layer.message}"
