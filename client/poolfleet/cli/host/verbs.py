"""The verbs of hosts: list, show, check, disks, cordon, uncordon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli import parsing
from poolfleet.cli.changing.change import Asked, Change, Switched, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.host import check
from poolfleet.cli.output import fields, text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, Value, plain
from poolfleet.cli.output.fields import FieldOption, Fresh
from poolfleet.cli.session import Session
from poolfleet.cli.verbs import changes, choice, group, reads
from poolfleet.cli.volume import disk_tables
from poolfleet.types.agent import Maintenance
from poolfleet.types.operation import OperationState
from poolfleet.types.pool import HealthStatus

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.agent import Agent

app = group("host")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    agent: Agent
    pools: int | None
    unhealthy: int | None
    operations: int


@dataclass(frozen=True, slots=True)
class _Row:
    host: str
    status: str
    seen: _Seen | None


def _agent(show: Callable[[Agent], Value]) -> Callable[[_Row], Value]:
    return lambda row: None if row.seen is None else show(row.seen.agent)


def _seen(show: Callable[[_Seen], Value]) -> Callable[[_Row], Value]:
    return lambda row: None if row.seen is None else show(row.seen)


_COLUMNS: tuple[Column[_Row], ...] = (
    Column("HOST", lambda row: row.host),
    Column("STATUS", lambda row: row.status),
    Column("LIBVIRT", _agent(lambda agent: agent.versions.libvirt if agent.libvirt_connected else "lost")),
    Column("POOLS", _seen(lambda seen: seen.pools), Kind.COUNT),
    Column("UNHEALTHY", _seen(lambda seen: seen.unhealthy), Kind.COUNT),
    Column("OPS", _seen(lambda seen: seen.operations), Kind.COUNT),
    Column("AGENT", _agent(lambda agent: agent.versions.agent)),
    Column("LAST-SEEN", _agent(lambda agent: agent.age_s), Kind.AGE),
    Column("MODE", _agent(lambda agent: str(agent.mode)), wide=True),
    Column("KERNEL", _agent(lambda agent: agent.versions.kernel), wide=True),
    Column("AGENT-ID", _agent(lambda agent: agent.agent_id), wide=True),
)


async def _look_at(client: AgentClient) -> _Seen:
    agent = await client.get()
    under_way = (OperationState.PENDING, OperationState.RUNNING)
    operations = [each async for each in client.operations.list(states=under_way)]
    if not agent.registry_loaded:
        return _Seen(agent=agent, pools=None, unhealthy=None, operations=len(operations))
    pools = [pool async for pool in client.pools.list()]
    bad = (HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE, HealthStatus.FAULTY)
    unhealthy = sum(pool.health is not None and pool.health.status in bad for pool in pools)
    return _Seen(agent=agent, pools=len(pools), unhealthy=unhealthy, operations=len(operations))


@reads(app, "list", "poolfleet host list", "poolfleet host list -l rack=r1 -o wide")
async def list_hosts(cli: Session) -> ExitCode:
    """List hosts: who answers, with which versions, and how much is amiss there."""

    async def look() -> Answer:
        result = await cli.read(_look_at)
        account = cli.account(result)
        rows = [_Row(host, str(outcome.status), outcome.value) for host, outcome in result.items()]
        seen = {host: plain(each) for host, each in result.answers()}
        hosts = [{**entry, **seen.get(entry["name"], {})} for entry in account.hosts]
        table = Table(_COLUMNS, rows, name=lambda row: row.host)
        return Answer(tables=[table], document={"complete": account.complete, "hosts": hosts}, code=account.code)

    return await cli.show(look)


_HostName = Annotated[str | None, typer.Argument(metavar="HOST", help="Name of the host.", show_default=False)]


@reads(app, "show", "poolfleet host show kvm1", "poolfleet host show kvm1 --field agent_id")
async def show_host(
    cli: Session,
    /,
    *,
    name: _HostName = None,
    field: FieldOption = None,
) -> ExitCode:
    """Show a host's agent in full."""

    async def look() -> Answer:
        result = await cli.read(lambda client: client.get(), host=name)
        account = cli.account(result)
        found = dict(result.answers())
        if field is not None:
            return fields.one_field(account, found, field)
        return fields.in_full(account, "agents", found, {host: _lines(each) for host, each in found.items()}, cli.flags)

    return await cli.show(look)


def _lines(agent: Agent) -> list[fields.Field]:
    versions, maintenance = agent.versions, agent.maintenance
    until = f" until {maintenance.until.isoformat()}" if maintenance.until else ""
    lines: list[tuple[str, str | None]] = [
        ("Host name", agent.host_name),
        ("Agent id", agent.agent_id),
        ("Host UUID", agent.host_uuid),
        ("Agent", versions.agent),
        ("libvirt", versions.libvirt if agent.libvirt_connected else "not connected"),
        ("libvirt client", versions.libvirt_client),
        ("Python", versions.python),
        ("Kernel", versions.kernel),
        ("Mode", str(agent.mode)),
        ("Maintenance", f"{maintenance.reason or 'yes'}{until}" if maintenance.enabled else "no"),
        ("Storage", agent.storage_uri),
        ("Domains", " ".join(agent.domain_uris)),
        ("Pool types", " ".join(agent.pool_types)),
        ("Pools were read", text.yes_no(agent.registry_loaded)),
        ("Started", agent.started_at.isoformat() if agent.started_at else None),
        ("Age of its answers", text.age(agent.age_s)),
    ]
    return [(name, value, Kind.TEXT) for name, value in lines]


@reads(app, "check", "poolfleet host check", "poolfleet host check --fleet fleet.toml --timeout 5s")
async def check_hosts(cli: Session) -> ExitCode:
    """Reach each host, and say what is amiss.

    Versions that differ, a clock that is off, libvirt that does not answer, two entries that are one agent. Ends with 1
    where anything is.
    """

    async def look() -> Answer:
        result = await cli.read(check.reached)
        return check.answer(result)

    return await cli.show(look)


@reads(app, "disks", "poolfleet host disks", "poolfleet host disks kvm1 --domain web1 -o wide")
async def host_disks(
    cli: Session,
    /,
    *,
    name: _HostName = None,
    domain: Annotated[str, choice("--domain", about="Of this guest only.")] = "",
    pool: Annotated[str, choice("--pool", about="In this pool only.")] = "",
    fresh: Fresh = False,
) -> ExitCode:
    """List what guests refer to on storage: disks, backing chains, snapshots, firmware."""
    max_staleness_s = 0.0 if fresh else None

    async def look() -> Answer:
        result = await cli.read(
            lambda client: client.inventory.disks(pool=pool, domain=domain, max_staleness_s=max_staleness_s), host=name
        )
        return disk_tables.answer(cli, result)

    return await cli.show(look)


@changes(
    app,
    "cordon",
    "poolfleet host cordon -H kvm7 --reason 'new disks'",
    "poolfleet host cordon -l rack=r1 --for 2h --yes",
)
async def cordon_hosts(
    cli: Session,
    /,
    *,
    reason: Annotated[str, choice("--reason", about="Why, for people.")] = "",
    lasting: Annotated[str | None, choice("--for", about="Ends by itself after this time.", metavar="TIME")] = None,
) -> ExitCode:
    """Have agents leave pools alone: they start nothing by themselves until `uncordon`. Calls are served as ever."""
    until = None if lasting is None else datetime.now(UTC) + timedelta(seconds=parsing.duration_s(lasting))
    wanted = Maintenance(enabled=True, reason=reason, until=until)
    return await carry_out(cli, _maintenance("cordon", "cordoned", "already cordoned", wanted))


@changes(app, "uncordon", "poolfleet host uncordon -H kvm7")
async def uncordon_hosts(cli: Session) -> ExitCode:
    """Have the agents look after their pools again."""
    wanted = Maintenance(enabled=False, reason="", until=None)
    return await carry_out(cli, _maintenance("uncordon", "uncordoned", "not cordoned", wanted))


def _maintenance(verb: str, done: str, already: str, wanted: Maintenance) -> Change:
    async def ask(client: AgentClient, asked: Asked) -> Switched:
        now = (await client.get()).maintenance
        if now == wanted or (not wanted.enabled and not now.enabled):
            return Switched(changed=False)
        if not asked["validate_only"]:
            await client.set_maintenance(enabled=wanted.enabled, reason=wanted.reason, until=wanted.until)
        return Switched(changed=True)

    return Change(ask=ask, doing=f"{verb} the host", done=done, already=already, several_steps=True)
