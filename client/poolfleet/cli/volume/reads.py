"""The verbs that look at volumes: list, show, find, users; the group that the others are added to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli import completion
from poolfleet.cli.addressing import found_anywhere, pool_name, volume_at
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import fields, text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, plain
from poolfleet.cli.output.fields import FieldOption, Fresh
from poolfleet.cli.parsing import volume_word
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import group, reads
from poolfleet.cli.volume import disk_tables, tables

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.cli.volume.tables import HostVolumes
    from poolfleet.types.disk import DomainDisks
    from poolfleet.types.volume import Volume

app = group("volume")

_WORD = typer.Argument(
    metavar="VOLUME",
    help="POOL/VOLUME, HOST:POOL/VOLUME, or a path on the host.",
    autocompletion=completion.volumes,
    show_default=False,
)
VolumeArgument = Annotated[str, _WORD]


@reads(
    app,
    "list",
    "poolfleet volume list vm_data",
    "poolfleet volume list -o wide",
    "poolfleet volume list vm_data --sort -allocated -o csv",
)
async def list_volumes(
    cli: Session,
    /,
    *,
    pool: Annotated[str, typer.Argument(metavar="POOL", help="Of this pool only.", show_default=False)] = "",
    special: Annotated[
        bool, typer.Option("--special", help="Also directories, and names that begin with a dot.")
    ] = False,
    fresh: Fresh = False,
) -> ExitCode:
    """List volumes. Those of a storage that several hosts share stand there once."""
    if fresh and not pool:
        raise UsageError("--fresh needs a POOL: one pool is looked at at a time")

    async def read(client: AgentClient) -> HostVolumes:
        name = await pool_name(client, pool) if pool else ""
        return await tables.read(client, name, fresh=fresh, special=special)

    async def look() -> Answer:
        result = await cli.read(read)
        account = cli.account(result)
        complete = account.complete
        for host, seen in result.answers():
            for unread in seen.listing.unread_pools:
                complete = False
                cli.note(text.printable(f"{host}: pool {unread.pool} could not be read: {unread.message}"))
            for words in seen.disks_missing:
                complete = False
                cli.note(text.printable(f"{host}: users of volumes may be missing: {words}"))
        storages = cli.storages([(host, each) for host, seen in result.answers() for each in seen.pools])
        rows = tables.merged(result.answers(), storages, by_host=cli.flags.by_host)
        volumes = [
            {**plain(r.volume), "storage_id": r.storage or None, "hosts": r.hosts, "used_by": r.users} for r in rows
        ]
        document = {"complete": complete, "hosts": account.hosts, "volumes": volumes}
        code = (
            ExitCode.FAILED
            if account.code is ExitCode.OK and not complete and cli.flags.require_complete
            else account.code
        )
        return Answer(tables=[tables.table(rows, pool=pool, by_host=cli.flags.by_host)], document=document, code=code)

    return await cli.show(look)


@reads(
    app,
    "show",
    "poolfleet volume show vm_data/web1.qcow2",
    "poolfleet volume show kvm7:vm_data/web1.qcow2 --xml",
    "poolfleet volume show vm_data/web1.qcow2 --field path",
)
async def show_volume(
    cli: Session,
    /,
    *,
    volume: VolumeArgument,
    xml: Annotated[bool, typer.Option("--xml", help="libvirt's XML.")] = False,
    field: FieldOption = None,
    fresh: Fresh = False,
) -> ExitCode:
    """Show one volume in full, as each host has it."""
    word = volume_word(volume)

    async def look() -> Answer:
        result = await cli.read(lambda client: volume_at(client, word, full=xml, fresh=fresh), host=word.host)
        account = cli.account(result)
        found = dict(result.answers())
        if field is not None:
            return fields.one_field(account, found, field)
        if xml:
            return fields.xml_documents(account, {host: each.xml for host, each in found.items()})
        return fields.in_full(
            account, "volumes", found, {host: _lines(each) for host, each in found.items()}, cli.flags
        )

    return await cli.show(look)


@reads(
    app, "find", "poolfleet volume find /vm_data/web1.qcow2", "poolfleet volume find /vm_data/web1.qcow2 --field name"
)
async def find_volume(
    cli: Session,
    /,
    *,
    path_or_key: Annotated[
        str, typer.Argument(metavar="PATH|KEY", help="Path on the hosts, or libvirt's key.", show_default=False)
    ],
    field: FieldOption = None,
) -> ExitCode:
    """Find a volume by path or key. Each host that has it is listed."""

    async def look() -> Answer:
        result = await cli.read(lambda client: found_anywhere(client, path_or_key))
        account = cli.account(result)
        found = dict(result.answers())
        if field == "pool_uuid":
            return fields.one_field(account, await _pools_of(cli, found), "uuid")
        if field is not None:
            return fields.one_field(account, found, field)
        rows = list(found.items())
        columns: tuple[Column[tuple[str, Volume]], ...] = (
            Column("HOST", lambda row: row[0]),
            Column("NAME", lambda row: f"{row[1].pool}/{row[1].name}"),
            Column("FORMAT", lambda row: row[1].format or row[1].type),
            Column("CAPACITY", lambda row: row[1].capacity_bytes, Kind.SIZE),
            Column("PATH", lambda row: row[1].path, Kind.PATH),
        )
        document = {
            "complete": account.complete,
            "hosts": account.hosts,
            "volumes": [{"host": h, **plain(v)} for h, v in rows],
        }
        table = Table(columns, rows, name=lambda row: f"{row[1].pool}/{row[1].name}")
        return Answer(tables=[table], document=document, code=account.code)

    return await cli.show(look)


async def _pools_of(cli: Session, found: dict[str, Volume]) -> dict[str, object]:
    return {host: await cli.fleet.client(host).pools.get(volume.pool) for host, volume in found.items()}


@reads(app, "users", "poolfleet volume users vm_data/web1.qcow2")
async def volume_users(cli: Session, /, *, volume: VolumeArgument) -> ExitCode:
    """List the guests that use a volume. A backing chain or a snapshot is use, too."""
    word = volume_word(volume)

    async def read(client: AgentClient) -> DomainDisks:
        found = await volume_at(client, word)
        return await client.inventory.disks(pool=found.pool, volume=found.name)

    async def look() -> Answer:
        return disk_tables.answer(cli, await cli.read(read, host=word.host))

    return await cli.show(look)


def _lines(volume: Volume) -> list[fields.Field]:
    backing, rights = volume.backing_store, volume.permissions
    return [
        ("Name", volume.name, Kind.TEXT),
        ("Pool", volume.pool, Kind.TEXT),
        ("Type", volume.type, Kind.TEXT),
        ("Format", volume.format, Kind.TEXT),
        ("Capacity", volume.capacity_bytes, Kind.SIZE),
        ("Allocation", volume.allocation_bytes, Kind.SIZE),
        ("Physical", volume.physical_bytes, Kind.SIZE),
        ("Path", volume.path, Kind.PATH),
        ("Key", volume.key, Kind.PATH),
        ("Backing", f"{backing.path} ({backing.format or 'format not stated'})" if backing else None, Kind.PATH),
        ("Permissions", f"{rights.mode or 0:04o} {rights.owner}:{rights.group}" if rights else None, Kind.TEXT),
        ("Modified", volume.modified_at.isoformat() if volume.modified_at else None, Kind.TEXT),
        ("Encryption", volume.encryption, Kind.TEXT),
        ("Content id", volume.content_id, Kind.TEXT),
        ("Features", " ".join((volume.compat, *volume.features)).strip(), Kind.TEXT),
        ("Age of this", volume.age_s, Kind.AGE),
    ]
