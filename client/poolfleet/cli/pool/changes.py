"""The verbs that change what a pool is: define, ensure, update, undefine, erase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli.addressing import pool_name
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.pool import options, retries
from poolfleet.cli.pool.options import AllowInUse, AllowMissing, File, Name
from poolfleet.cli.pool.reads import PoolWord, app
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import changes, choice

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation
    from poolfleet.types.pool import EnsureResult
_SHARE = "--type netfs --source-host nfs.example.com \\\n      --source-path /path/to/share --target /vm_data"


@changes(
    app,
    "define",
    f"poolfleet pool define vm_data {_SHARE}",
    "poolfleet pool define local --type dir --target /var/lib/images",
    "poolfleet pool define --file pool.xml -H 'kvm*' --dry-run",
    options=options.DEFINITION,
)
async def define_pool(
    cli: Session,
    /,
    *,
    pool: Name = None,
    file: File = None,
    transient: Annotated[bool, typer.Option("--transient", help="Start it at once and store nothing.")] = False,
    print_xml: Annotated[bool, typer.Option("--print-xml", help="Print libvirt's XML and define nothing.")] = False,
    **given: Any,
) -> ExitCode:
    """Store a pool's definition; does not build or start it. An equal one that exists is left as it is."""
    if print_xml:
        typer.echo(options.wanted(pool, given).xml())
        return ExitCode.OK
    spec = options.spec(pool, file, given)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.pools.define(spec, transient=transient, **asked)

    done = "started (transient)" if transient else "defined"
    return await carry_out(
        cli, Change(ask=ask, doing=f"define pool {spec.name}", done=done, already="already as asked")
    )


@changes(
    app,
    "ensure",
    f"poolfleet pool ensure vm_data -A --batch 10% {_SHARE}",
    "poolfleet pool ensure --file pool.xml --no-start",
    options=[*options.DEFINITION, *retries.RETRIES],
)
async def ensure_pool(
    cli: Session,
    /,
    *,
    pool: Name = None,
    file: File = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start it.")] = True,
    autostart: Annotated[
        bool, typer.Option("--autostart/--no-autostart", help="Start it with the host from now on.")
    ] = True,
    match: Annotated[
        str,
        choice("--match", about="name, or source: one of that source is taken whatever its name.", metavar="HOW"),
    ] = "name",
    **given: Any,
) -> ExitCode:
    """Bring a pool about, whatever is there now.

    It is defined, its target built if that is missing, autostart set, and started: each only where it is needed.
    """
    if match not in ("name", "source"):
        raise UsageError(f"--match is name or source, not {match!r}")
    if cli.flags.no_wait:
        raise UsageError("ensure has several steps, which nobody would go on with: leave --no-wait out")
    retry = retries.policy(given)
    spec = options.spec(pool, file, given)

    async def ask(client: AgentClient, asked: Asked) -> Operation | EnsureResult:
        if asked["validate_only"]:
            return await client.pools.define(spec, **asked)
        way: Any = match
        return await client.pools.ensure(
            spec, start=start, autostart=autostart, match=way, retry=retry, timeout_s=asked["timeout_s"]
        )

    change = Change(
        ask=ask,
        doing=f"ensure pool {spec.name}",
        done="changed",
        already="unchanged",
        several_steps=True,
        starts=spec.name,
    )
    return await carry_out(cli, change)


@changes(app, "undefine", "poolfleet pool undefine vm_data", "poolfleet pool undefine vm_data -A --yes --allow-missing")
async def undefine_pool(
    cli: Session, /, *, pool: PoolWord, allow_missing: AllowMissing = False, allow_in_use: AllowInUse = False
) -> ExitCode:
    """Forget a pool's stored definition. Nothing that is stored in it is touched."""

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        name = await pool_name(client, pool)
        return await client.pools.undefine(name, allow_missing=allow_missing, allow_in_use=allow_in_use, **asked)

    return await carry_out(
        cli, Change(ask=ask, doing=f"undefine pool {pool}", done="undefined", already="already absent")
    )


@changes(app, "erase", "poolfleet pool erase scratch", "poolfleet pool erase scratch -H kvm7 --allow-missing")
async def erase_pool(
    cli: Session, /, *, pool: PoolWord, allow_missing: AllowMissing = False, allow_in_use: AllowInUse = False
) -> ExitCode:
    """Destroy what a stopped pool lies on.

    This is libvirt's delete. A directory is removed where it is empty. The definition stays.
    """

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        name = await pool_name(client, pool)
        return await client.pools.erase(name, allow_missing=allow_missing, allow_in_use=allow_in_use, **asked)

    return await carry_out(cli, Change(ask=ask, doing=f"erase pool {pool}", done="erased", already="already absent"))


@app.command("delete", hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def delete_pool() -> None:
    """Explain that the word means two things."""
    typer.echo(
        "`pool delete` could mean two things. `poolfleet pool undefine POOL` forgets the definition, and touches\n"
        "nothing that is stored; `poolfleet pool erase POOL` destroys what is stored (virsh's pool-delete).",
        err=True,
    )
    raise typer.Exit(ExitCode.USAGE)
