"""The verbs of operations: list, show, wait, watch, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli.changing.following import followed
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.operation import tables
from poolfleet.cli.operation.tables import HostOperation
from poolfleet.cli.output.answers import Answer, Table, plain
from poolfleet.cli.output.text import printable
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import choice, group, reads
from poolfleet.types.errors import NotFound, PoolfleetError, StillRunning

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation

app = group("operation")

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the operation.", show_default=False)]

_IDS = typer.Argument(metavar="ID", help="Only these; ends when they have.", show_default=False)
_STATE = choice("--state", about="pending, running, succeeded, failed, cancelled. Repeatable.")
_KIND = choice("--kind", about="Such as start-pool. Repeatable.")
_POOL = choice("--pool", about="Of this pool. Repeatable.")


@reads(
    app,
    "list",
    "poolfleet operation list",
    "poolfleet operation list --state running --sort -age",
    "poolfleet operation list --pool vm_data -o wide",
)
async def list_operations(
    cli: Session,
    /,
    *,
    state: Annotated[list[str] | None, _STATE] = None,
    kind: Annotated[list[str] | None, _KIND] = None,
    pool: Annotated[list[str] | None, _POOL] = None,
) -> ExitCode:
    """List operations, newest first."""
    from poolfleet.types.operation import OperationKind, OperationState

    try:
        states = [OperationState(word) for word in state or ()]
        kinds = [OperationKind(word.replace("-", "_")) for word in kind or ()]
    except ValueError as error:
        raise UsageError(f"--state or --kind: {error}") from error

    async def read(client: AgentClient) -> list[Operation]:
        return [each async for each in client.operations.list(states=states, kinds=kinds, pools=pool or ())]

    async def look() -> Answer:
        result = await cli.read(read)
        account = cli.account(result)
        rows = [HostOperation(host, each) for host, found in result.answers() for each in found]
        rows.sort(
            key=lambda row: row.operation.created_at.timestamp() if row.operation.created_at else 0.0, reverse=True
        )
        operations = [{"host": row.host, **plain(row.operation)} for row in rows]
        document = {"complete": account.complete, "hosts": account.hosts, "operations": operations}
        return Answer(tables=[tables.table(rows)], document=document, code=account.code)

    return await cli.show(look)


@reads(app, "show", "poolfleet operation show 0b9c… -o json")
async def show_operation(cli: Session, /, *, operation: Id) -> ExitCode:
    """Show one operation, with each of its attempts."""

    async def look() -> Answer:
        result = await cli.read(lambda client: client.operations.get(operation))
        account = cli.account(result)
        rows = [HostOperation(host, each) for host, each in result.answers()]
        found = [{"host": row.host, **plain(row.operation)} for row in rows]
        document = {"complete": account.complete, "hosts": account.hosts, "operations": found}
        drawn: list[Table[Any]] = [tables.in_full(row) for row in rows]
        drawn += [tables.attempts(row) for row in rows if row.operation.attempts]
        return Answer(tables=drawn, document=document, code=account.code)

    return await cli.show(look)


@reads(app, "wait", "poolfleet operation wait 0b9c… --timeout 5m")
async def wait_operation(cli: Session, /, *, operation: Id) -> ExitCode:
    """Wait for an operation's end.

    Ends with 6 where it still runs when --timeout is over, and as the change itself would have where it failed.
    """
    client = await _client_of(cli, operation)
    found = await client.operations.get(operation)
    try:
        now = await followed(client, found, timeout_s=cli.flags.timeout_s, seen=lambda now: None)
    except StillRunning:
        typer.echo(operation)
        raise
    if now.error is not None:
        raise now.error
    if not cli.flags.quiet:
        typer.echo(printable(f"{operation} {now.state}"))
    return ExitCode.OK


@reads(app, "watch", "poolfleet operation watch", "poolfleet operation watch 0b9c…")
async def watch_operations(
    cli: Session,
    /,
    *,
    operation: Annotated[list[str] | None, _IDS] = None,
) -> ExitCode:
    """Write a line for each change of an operation, until Ctrl-C."""
    ids = operation or []
    open_ids = set(ids)

    async def watch(client: AgentClient) -> None:
        mine = await _known(client, ids)
        if ids and not mine:
            return
        async for now in client.operations.watch(mine):
            typer.echo(tables.line(client.name or client.target, now))
            if now.ended and now.id in open_ids:
                open_ids.discard(now.id)
                mine.remove(now.id)
                if not mine:
                    return

    result = await cli.read(watch)
    account = cli.account(result)
    if open_ids and account.code is ExitCode.OK:
        raise NotFound(f"no host has operation {', '.join(sorted(open_ids))}", reason="OPERATION_NOT_FOUND")
    return account.code


async def _known(client: AgentClient, ids: list[str]) -> list[str]:
    known = []
    for each in ids:
        try:
            await client.operations.get(each)
        except NotFound:
            continue
        known.append(each)
    return known


@reads(app, "cancel", "poolfleet operation cancel 0b9c…")
async def cancel_operation(cli: Session, /, *, operation: Id) -> ExitCode:
    """Ask an operation to end early."""
    client = await _client_of(cli, operation)
    now = await client.operations.cancel(operation)
    if not cli.flags.quiet:
        typer.echo(printable(f"{operation} {now.state if now.ended else 'is asked to end'}"))
    return ExitCode.OK


async def _client_of(cli: Session, operation: str) -> AgentClient:
    """Find the host that has an operation: its id alone does not tell. Raises NotFound, or the only host's error."""
    result = await cli.read(lambda client: client.operations.get(operation))
    for host, _ in result.answers():
        return cli.fleet.client(host)
    errors: dict[str, PoolfleetError] = {name: each.error for name, each in result.items() if each.error is not None}
    if len(errors) == 1:
        raise next(iter(errors.values()))
    cli.complain({name: error for name, error in errors.items() if error.code != "NOT_FOUND"})
    raise NotFound(f"no host that answered has operation {operation}", reason="OPERATION_NOT_FOUND")
