"""The verbs of secrets: list, set, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, plain
from poolfleet.cli.pool.options import AllowInUse, AllowMissing
from poolfleet.cli.secret.words import secret_ref, taken_in
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import changes, choice, group, reads

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation
    from poolfleet.types.secret import Secret

app = group("secret")

_COLUMNS: tuple[Column[tuple[str, Secret]], ...] = (
    Column("HOST", lambda row: row[0]),
    Column("TYPE", lambda row: row[1].usage_type),
    Column("USAGE", lambda row: row[1].usage_id, Kind.PATH),
    Column("UUID", lambda row: row[1].uuid),
    Column("PRIVATE", lambda row: text.yes_no(row[1].private)),
    Column("EPHEMERAL", lambda row: text.yes_no(row[1].ephemeral)),
    Column("DESCRIPTION", lambda row: row[1].description, Kind.MESSAGE),
)


@reads(app, "list", "poolfleet secret list", "poolfleet secret list --type ceph -A -o json")
async def list_secrets(
    cli: Session,
    /,
    *,
    usage_type: Annotated[
        list[str] | None, choice("--type", about="volume, ceph, iscsi, tls or vtpm only. Repeatable.")
    ] = None,
) -> ExitCode:
    """List secrets, without their values: these no command shows."""

    async def read(client: AgentClient) -> list[Secret]:
        return [each async for each in client.secrets.list(usage_types=usage_type or ())]

    async def look() -> Answer:
        result = await cli.read(read)
        account = cli.account(result)
        rows = [(host, secret) for host, secrets in result.answers() for secret in secrets]
        document = {
            "complete": account.complete,
            "hosts": account.hosts,
            "secrets": [{"host": host, **plain(secret)} for host, secret in rows],
        }
        columns = _COLUMNS if len(result) > 1 else _COLUMNS[1:]
        table = Table(columns, rows, name=lambda row: f"{row[1].usage_type}:{row[1].usage_id}")
        return Answer(tables=[table], document=document, code=account.code)

    return await cli.show(look)


_SECRET = typer.Argument(
    metavar="SECRET", help="TYPE:ID, such as volume:/vm_data/web1.img or ceph:client.admin.", show_default=False
)
_NAMED = typer.Argument(metavar="SECRET", help="TYPE:ID, or its UUID.", show_default=False)
_FILE = typer.Option(
    "--file", metavar="FILE", help="The value, byte for byte; `-`: standard input. Left out, you are asked.",
    show_default=False,
)  # fmt: skip


@changes(
    app,
    "set",
    "poolfleet secret set volume:/vm_data/web1.img",
    "poolfleet secret set ceph:client.admin --file admin.key --base64 -A",
    "pass show san | head -c -1 | poolfleet secret set iscsi:san --file - --private",
)
async def set_secret(
    cli: Session,
    /,
    *,
    secret: Annotated[str, _SECRET],
    file: Annotated[str | None, _FILE] = None,
    is_base64: Annotated[
        bool, typer.Option("--base64", help="What is read is base64: its bytes are the value.")
    ] = False,
    uuid: Annotated[str, choice("--uuid", about="UUID; left out, libvirt chooses, on each host another.")] = "",
    description: Annotated[str | None, choice("--description", about="For people.", metavar="TEXT")] = None,
    private: Annotated[
        bool | None, choice("--private/--not-private", about="libvirt gives the value to its own drivers only.")
    ] = None,
    ephemeral: Annotated[
        bool | None, choice("--ephemeral/--not-ephemeral", about="libvirt never writes the value to disk.")
    ] = None,
) -> ExitCode:
    """Make a secret, or replace the value of the one that has this usage.

    The value is never a word of the command, where others could see it.
    """
    from poolfleet.types.secret import SecretSpec

    ref = secret_ref(secret)
    if ref.uuid:
        raise UsageError("name it by its usage, TYPE:ID; --uuid says which UUID it gets")
    spec = SecretSpec(
        ref.usage_type, ref.usage_id, uuid=uuid, description=description, private=private, ephemeral=ephemeral
    )
    cli.changers()  # before anybody types a value for hosts that were not named
    value = taken_in(file, is_base64=is_base64)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.secrets.set(spec, value, **asked)

    return await carry_out(cli, Change(ask=ask, doing=f"set secret {secret}", done="set", already="unchanged"))


@changes(
    app,
    "delete",
    "poolfleet secret delete volume:/vm_data/web1.img",
    "poolfleet secret delete ceph:old -A --allow-missing",
)
async def delete_secret(
    cli: Session,
    /,
    *,
    secret: Annotated[str, _NAMED],
    allow_missing: AllowMissing = False,
    allow_in_use: AllowInUse = False,
) -> ExitCode:
    """Delete a secret and its value. What is encrypted with it cannot be opened without a copy of the value."""
    ref = secret_ref(secret)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.secrets.delete(ref, allow_missing=allow_missing, allow_in_use=allow_in_use, **asked)

    change = Change(ask=ask, doing=f"delete secret {secret}", done="deleted", already="already absent")
    return await carry_out(cli, change)
