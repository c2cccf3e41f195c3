"""`pool list` and `pool show`; the group that the other verbs of pools are added to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli import completion
from poolfleet.cli.addressing import pool_name
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import fields, text
from poolfleet.cli.output.answers import Answer, Kind, plain
from poolfleet.cli.output.fields import FieldOption, Fresh
from poolfleet.cli.pool import tables
from poolfleet.cli.pool.source_text import source_lines, source_text
from poolfleet.cli.pool.tables import HostPool
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import choice, group, reads

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.pool import Pool

app = group("pool")

_WORD = typer.Argument(
    metavar="POOL", help="Name or UUID of the pool.", autocompletion=completion.pools, show_default=False
)
PoolWord = Annotated[str, _WORD]


@reads(
    app,
    "list",
    "poolfleet pool list",
    "poolfleet pool list --inactive -o json",
    "poolfleet pool list -A --by-host --sort -capacity",
)
async def list_pools(
    cli: Session,
    /,
    *,
    active: Annotated[bool | None, choice("--active/--inactive", about="Only those.")] = None,
    type_: Annotated[list[str] | None, choice("--type", about="Only this type, such as netfs. Repeatable.")] = None,
    autostart: Annotated[bool | None, choice("--autostart/--no-autostart", about="Only those.")] = None,
    persistent: Annotated[bool | None, choice("--persistent/--transient", about="Only those.")] = None,
    field: FieldOption = None,
) -> ExitCode:
    """List pools. Alike ones of several hosts stand in one line, those that are not well first."""
    types = [each for word in type_ or () for each in word.split(",")]

    def fits(pool: Pool) -> bool:
        wanted = ((active, pool.active), (autostart, pool.autostart), (persistent, pool.persistent))
        return (not types or pool.type in types) and all(value is None or value == own for value, own in wanted)

    async def look() -> Answer:
        result = await cli.read(_all_pools)
        account = cli.account(result)
        found = [(host, pool) for host, pools in result.answers() for pool in pools]
        storages = cli.storages(found)
        rows = [HostPool(host, pool, storages.get((host, pool.name), "")) for host, pool in found if fits(pool)]
        pools = [{"host": row.host, **plain(row.pool)} for row in rows]
        document = {"complete": account.complete, "hosts": account.hosts, "pools": pools}
        if field is not None:
            return Answer(verbatim="\n".join(_fields(rows, field)), document=document, code=account.code)
        if cli.flags.by_host:
            drawn = tables.by_host(rows)
        elif len(result) == 1:
            drawn = tables.of_one_host(rows)
        else:
            drawn = tables.of_fleet(rows, len(result))
        return Answer(tables=drawn, document=document, code=account.code)

    return await cli.show(look)


async def _all_pools(client: AgentClient) -> list[Pool]:
    return [pool async for pool in client.pools.list()]


def _fields(rows: Sequence[HostPool], field: str) -> list[str]:
    name = field.replace("-", "_")
    if rows and not hasattr(rows[0].pool, name):
        raise UsageError(f"there is no field {field!r}; there are {', '.join(plain(rows[0].pool))}")
    return list(dict.fromkeys(text.printable(str(getattr(row.pool, name))) for row in rows))


@reads(
    app,
    "show",
    "poolfleet pool show vm_data",
    "poolfleet pool show vm_data --xml --inactive",
    "poolfleet pool show vm_data --field uuid",
)
async def show_pool(
    cli: Session,
    /,
    *,
    pool: PoolWord,
    xml: Annotated[bool, typer.Option("--xml", help="libvirt's XML.")] = False,
    inactive: Annotated[bool, typer.Option("--inactive", help="With --xml: the stored definition.")] = False,
    field: FieldOption = None,
    fresh: Fresh = False,
) -> ExitCode:
    """Show one pool in full, as each host has it."""

    async def get(client: AgentClient) -> Pool:
        name = await pool_name(client, pool)
        return await client.pools.get(name, full=xml, max_staleness_s=0.0 if fresh else None)

    async def look() -> Answer:
        result = await cli.read(get)
        account = cli.account(result)
        found = dict(result.answers())
        if field is not None:
            return fields.one_field(account, found, field)
        if xml:
            return fields.xml_documents(account, {host: _xml(each, inactive=inactive) for host, each in found.items()})
        return fields.in_full(account, "pools", found, {host: _lines(each) for host, each in found.items()}, cli.flags)

    return await cli.show(look)


def _xml(pool: Pool, *, inactive: bool) -> str:
    return pool.inactive_xml or pool.xml if inactive else pool.xml or pool.inactive_xml


def _lines(pool: Pool) -> list[fields.Field]:
    health, desired = pool.health, pool.desired_state
    lines: list[fields.Field] = [
        ("Name", pool.name, Kind.TEXT),
        ("UUID", pool.uuid, Kind.TEXT),
        ("Type", pool.type, Kind.TEXT),
        ("State", str(pool.state), Kind.TEXT),
        ("Meant to be", f"{desired.desired} ({desired.why})" if desired else None, Kind.TEXT),
        ("Health", str(health.status) if health else None, Kind.TEXT),
    ]
    if health and health.message:
        lines.append(("", f"{health.reason}: {health.message} ({text.since(health.since)})", Kind.MESSAGE))
    lines += [
        ("Persistent", text.yes_no(pool.persistent), Kind.TEXT),
        ("Autostart", text.yes_no(pool.autostart), Kind.TEXT),
        ("Supervised", text.yes_no(pool.supervised), Kind.TEXT),
        ("Capacity", pool.capacity_bytes, Kind.SIZE),
        ("Allocation", pool.allocation_bytes, Kind.SIZE),
        ("Available", pool.available_bytes, Kind.SIZE),
        ("Provisioned", pool.provisioned_bytes, Kind.SIZE),
        ("Volumes", pool.volume_count, Kind.COUNT),
        ("Source", source_text(pool), Kind.PATH),
        *source_lines(pool.source),
        ("Device of", " ".join(word for word in (pool.vendor, pool.product) if word), Kind.TEXT),
        ("Target", pool.target.path if pool.target else None, Kind.PATH),
        ("Copy on write", None if pool.cow is None else text.yes_no(pool.cow), Kind.TEXT),
    ]
    if pool.mount:
        lines += [
            ("Mount options", ",".join(pool.mount.options), Kind.TEXT),
            ("Protocol", pool.mount.protocol_version, Kind.TEXT),
            ("Mounted by", str(pool.mount.owner), Kind.TEXT),
        ]
    if pool.storage:
        lines.append(("Storage", f"{pool.storage.id} ({pool.storage.source})", Kind.TEXT))
    if pool.pending:
        lines.append(("After a restart", f"changes {', '.join(pool.pending.fields)}", Kind.TEXT))
    if pool.unaddressable_count:
        lines.append(("Not addressable", text.counted(pool.unaddressable_count, "file"), Kind.TEXT))
    lines.append(("Age of this", pool.age_s, Kind.AGE))
    return lines
