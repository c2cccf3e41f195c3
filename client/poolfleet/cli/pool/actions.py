"""The verbs that change what a pool does: start, stop, restart, build, refresh, autostart, supervise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli.addressing import pool_name
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.pool import retries
from poolfleet.cli.pool.options import AllowInUse
from poolfleet.cli.pool.reads import PoolWord, app
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import changes
from poolfleet.types.errors import FailedPrecondition

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Build over what is there; what it holds is lost.")]
NoOverwrite = Annotated[bool, typer.Option("--no-overwrite", help="Build only where nothing is there.")]
Force = Annotated[
    bool, typer.Option("--force", help="Get rid of a share that does not answer; what was open on it is lost.")
]
Off = Annotated[bool, typer.Option("--off", help="Switch it off.")]


@changes(
    app,
    "start",
    "poolfleet pool start vm_data --retry-deadline 5m",
    "poolfleet pool start vm_data -l rack=r1 --batch 10% --max-failures 2",
    options=retries.RETRIES,
)
async def start_pool(
    cli: Session,
    /,
    *,
    pool: PoolWord,
    build: Annotated[bool, typer.Option("--build", help="Build it first, where it was not built.")] = False,
    overwrite: Overwrite = False,
    no_overwrite: NoOverwrite = False,
    **given: Any,
) -> ExitCode:
    """Start a pool. Starting the started is fine. A network share is tried until it is mounted, or cannot be."""
    _one_of(overwrite, no_overwrite)
    retry = retries.policy(given)
    building = build or overwrite or no_overwrite
    if building and cli.flags.no_wait:
        raise UsageError("building and starting are two steps, which nobody would go on with: leave --no-wait out")

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        name = await pool_name(client, pool)
        if building and not (await client.pools.get(name)).active:
            await _built(client, name, overwrite, no_overwrite, asked)
        return await client.pools.start(name, retry=retry, **{**asked, "wait": False})

    change = Change(
        ask=ask, doing=f"start pool {pool}", done="started", already="already active", several_steps=building
    )
    return await carry_out(cli, change)


async def _built(client: AgentClient, name: str, overwrite: bool, no_overwrite: bool, asked: Asked) -> None:
    try:
        await client.pools.build(name, overwrite=overwrite, no_overwrite=no_overwrite, **asked)
    except FailedPrecondition as error:
        if error.reason != "POOL_ALREADY_BUILT" or overwrite or no_overwrite:
            raise


@changes(
    app,
    "stop",
    "poolfleet pool stop vm_data",
    "poolfleet pool stop vm_data -H kvm7 --no-wait",
    "poolfleet pool stop vm_data -H kvm7 --force",
)
async def stop_pool(
    cli: Session, /, *, pool: PoolWord, force: Force = False, allow_in_use: AllowInUse = False
) -> ExitCode:
    """Stop a pool (virsh's pool-destroy). Nothing that is stored is touched; a transient pool is gone then."""

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        name = await pool_name(client, pool)
        return await client.pools.stop(name, force=force, allow_in_use=allow_in_use, **asked)

    return await carry_out(cli, Change(ask=ask, doing=f"stop pool {pool}", done="stopped", already="already inactive"))


@changes(
    app,
    "restart",
    "poolfleet pool restart vm_data",
    "poolfleet pool restart vm_data -A --batch 5%",
    options=retries.RETRIES,
)
async def restart_pool(cli: Session, /, *, pool: PoolWord, allow_in_use: AllowInUse = False, **given: Any) -> ExitCode:
    """Stop a pool and start it again. A changed definition counts from then on."""
    retry = retries.policy(given)
    if cli.flags.no_wait:
        raise UsageError("stopping and starting are two steps, which nobody would go on with: leave --no-wait out")

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        found = await client.pools.get(await pool_name(client, pool))
        if not found.persistent:
            words = f"pool {found.name} is transient: it would be gone once stopped"
            raise FailedPrecondition(words, reason="POOL_TRANSIENT", host=client.name)
        stopped = await client.pools.stop(found.name, allow_in_use=allow_in_use, **asked)
        if asked["validate_only"]:
            return stopped
        return await client.pools.start(found.name, retry=retry, **{**asked, "wait": False})

    change = Change(
        ask=ask, doing=f"restart pool {pool}", done="restarted", already="already active", several_steps=True
    )
    return await carry_out(cli, change)


@changes(app, "build", "poolfleet pool build vm_data")
async def build_pool(
    cli: Session, /, *, pool: PoolWord, overwrite: Overwrite = False, no_overwrite: NoOverwrite = False
) -> ExitCode:
    """Make what a pool lies on. For directories and mount points that is the target."""
    _one_of(overwrite, no_overwrite)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        name = await pool_name(client, pool)
        return await client.pools.build(name, overwrite=overwrite, no_overwrite=no_overwrite, **asked)

    return await carry_out(cli, Change(ask=ask, doing=f"build pool {pool}", done="built", already="already built"))


@changes(app, "refresh", "poolfleet pool refresh vm_data")
async def refresh_pool(cli: Session, /, *, pool: PoolWord) -> ExitCode:
    """Have libvirt read a pool's volumes anew."""

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.pools.refresh(await pool_name(client, pool), **asked)

    return await carry_out(cli, Change(ask=ask, doing=f"refresh pool {pool}", done="refreshed", already="refreshed"))


@changes(app, "autostart", "poolfleet pool autostart vm_data", "poolfleet pool autostart vm_data --off")
async def autostart_pool(cli: Session, /, *, pool: PoolWord, off: Off = False) -> ExitCode:
    """Have a pool started whenever libvirt starts."""

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.pools.update(await pool_name(client, pool), autostart=not off, **asked)

    state = "off" if off else "on"
    change = Change(ask=ask, doing=f"set autostart of pool {pool}", done=f"set to {state}", already=f"already {state}")
    return await carry_out(cli, change)


@changes(app, "supervise", "poolfleet pool supervise vm_data", "poolfleet pool supervise vm_data --off")
async def supervise_pool(cli: Session, /, *, pool: PoolWord, off: Off = False) -> ExitCode:
    """Have the agent keep a pool as it is meant to be."""

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.pools.update(await pool_name(client, pool), supervised=not off, **asked)

    state = "off" if off else "on"
    change = Change(
        ask=ask, doing=f"set supervision of pool {pool}", done=f"set to {state}", already=f"already {state}"
    )
    return await carry_out(cli, change)


def _one_of(overwrite: bool, no_overwrite: bool) -> None:
    if overwrite and no_overwrite:
        raise UsageError("--overwrite and --no-overwrite exclude each other")
