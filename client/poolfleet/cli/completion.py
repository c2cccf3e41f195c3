"""`completion`: the script for a shell, and the words that the fleet itself knows."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli.flags import Flags

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient

# Someone waits with a finger on the key: what does not answer by then is left out.
_LIMIT_S = 1.0
_VARIABLE = "_POOLFLEET_COMPLETE"


class Shell(StrEnum):
    """Shells that can be served."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Whose script is wanted.", show_default=False)]) -> None:
    """Print the script that completes words in a shell."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    typer.echo(get_completion_script(prog_name="poolfleet", complete_var=_VARIABLE, shell=str(shell)))


def prepare() -> None:
    """Register the shells with typer, where a shell asks for completions."""
    if _VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def hosts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of hosts."""
    return _asked(ctx, incomplete, None)


def pools(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of pools."""

    async def names(client: AgentClient) -> list[str]:
        return [pool.name async for pool in client.pools.list(name_prefix=incomplete)]

    return _asked(ctx, incomplete, names)


def volumes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Words for volumes; before the slash those for their pools."""
    pool, slash, volume = incomplete.partition("/")
    if not slash:
        return [f"{name}/" for name in pools(ctx, incomplete)]

    async def words(client: AgentClient) -> list[str]:
        found = client.volumes.list(pool.partition(":")[2] or pool, name_prefix=volume)
        return [f"{pool}/{each.name}" async for each in found]

    return _asked(ctx, incomplete, words)


def _asked(ctx: typer.Context, incomplete: str, call: Any) -> list[str]:
    import asyncio

    from poolfleet.cli.session import Session

    given = dict(ctx.params)
    fleet = given.get("fleet") or os.environ.get("POOLFLEET_FLEET")
    flags = Flags(fleet=Path(fleet) if fleet else None)

    async def ask() -> list[str]:
        session = Session(flags)
        try:
            async with asyncio.timeout(_LIMIT_S):
                if call is None:
                    return [host.name for host in session.fleet.hosts]
                result = await session.fleet.map(call, timeout_s=_LIMIT_S * 0.8)
                return [name for _, names in result.answers() for name in names]
        finally:
            await session.close()

    try:
        found = asyncio.run(ask())
    except Exception:  # noqa: BLE001  # a shell's line is no place for errors: no words are better than those
        return []
    return sorted({name for name in found if name.startswith(incomplete)})
