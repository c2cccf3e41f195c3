"""`pool events`: what happens to pools, a line each, as it happens."""

from __future__ import annotations

import asyncio
import functools
import json
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli import completion
from poolfleet.cli.exit_codes import ExitCode, of_error, of_hosts
from poolfleet.cli.flags import Output
from poolfleet.cli.output.text import printable
from poolfleet.cli.pool.reads import app
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import choice, reads
from poolfleet.types.errors import PoolfleetError
from poolfleet.types.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from poolfleet.agent.client import AgentClient

KINDS = ("lifecycle", "health", "definition")

_POOLS = typer.Argument(
    metavar="POOL", help="Names of the pools; none: all.", autocompletion=completion.pools, show_default=False
)
_EVENT = choice("--event", about=f"Only these: {', '.join(KINDS)}. Repeatable.")
_ONCE = choice("--once", about="End after the first event; with 6 where --timeout is over before it.")
_DEFINED_BY = ("type", "autostart", "persistent", "supervised", "source", "target", "mount", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEvent:
    """One thing that happened to a pool."""

    pool: str
    kind: str
    event: str
    detail: str = ""


def events_between(before: Pool | None, after: Pool | None) -> Iterator[PoolEvent]:
    """What happened to a pool between two looks at it."""
    if after is None:
        if before is not None:
            yield PoolEvent(pool=before.name, kind="lifecycle", event="undefined")
        return
    name = after.name
    if before is None:
        yield PoolEvent(pool=name, kind="lifecycle", event="defined" if after.persistent else "created")
    was_active = before is not None and before.active
    if after.active != was_active:
        yield PoolEvent(pool=name, kind="lifecycle", event="started" if after.active else "stopped")
    if before is None:
        return
    changed = [field for field in _DEFINED_BY if getattr(before, field) != getattr(after, field)]
    if changed or (before.etag != after.etag and after.active == was_active):
        yield PoolEvent(pool=name, kind="definition", event="changed", detail=", ".join(changed))
    if after.health is not None and before.health is not None and before.health.status != after.health.status:
        yield PoolEvent(pool=name, kind="health", event=str(after.health.status), detail=after.health.message)


@reads(
    app,
    "events",
    "poolfleet pool events",
    "poolfleet pool events vm_data --event health",
    "poolfleet pool events vm_data --once --timeout 5m",
    "poolfleet pool events -o json",
)
async def pool_events(
    cli: Session,
    /,
    *,
    pool: Annotated[list[str] | None, _POOLS] = None,
    event: Annotated[list[str] | None, _EVENT] = None,
    once: Annotated[bool, _ONCE] = False,
) -> ExitCode:
    """Write a line for each thing that happens to pools, until Ctrl-C or --timeout.

    A host whose agent is away, or is restarted, is followed again as soon as it answers.
    """
    kinds = frozenset(event or KINDS)
    if unknown := kinds - set(KINDS):
        raise UsageError(f"--event {', '.join(sorted(unknown))}: there are {', '.join(KINDS)}")
    follow = functools.partial(_follow, cli, pools=tuple(pool or ()), kinds=kinds, once=once)
    watches = {asyncio.create_task(follow(cli.fleet.client(host.name))): host.name for host in cli.readers().hosts}
    try:
        return await _ended(cli, watches, once=once)
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _ended(cli: Session, watches: Mapping[asyncio.Task[None], str], *, once: bool) -> ExitCode:
    """Wait for the end: no host's failure ends the watch of another."""
    failed: list[ExitCode] = []
    pending = set(watches)
    try:
        async with asyncio.timeout(cli.flags.timeout_s):
            while pending:
                ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                errors = {watches[watch]: watch.exception() for watch in ended}
                if once and None in errors.values():
                    return ExitCode.OK
                for host, error in errors.items():
                    if not isinstance(error, PoolfleetError):
                        raise error or AssertionError(f"the watch of {host} has ended")
                    cli.complain({host: error})
                    failed.append(of_error(error))
    except TimeoutError:
        if once:
            return ExitCode.STILL_RUNNING
    if not failed:
        return ExitCode.OK
    return of_hosts(failed) if len(failed) == len(watches) else ExitCode.FAILED


async def _follow(
    cli: Session, client: AgentClient, *, pools: Sequence[str], kinds: Collection[str], once: bool
) -> None:
    """Write what happens on one host; once: up to the first event."""
    from poolfleet.agent.watched import WatchedInventory

    state, host = WatchedInventory(), client.name or client.target

    def lost(error: PoolfleetError) -> None:
        cli.note(printable(f"{host}: {error.message} It is tried again."))

    before: dict[str, Pool] | None = None
    following = client.inventory.follow(state, pools=pools, volumes=False, domain_disks=False, lost=lost)
    async with aclosing(following):
        async for batch in following:
            if batch.bookmark is None:
                continue
            if before is None:
                cli.note(printable(f"{host}: pools that are watched: {len(state.pools)}"))
            found = [] if before is None else _events(before, state.pools)
            before = dict(state.pools)
            told = [one for one in found if one.kind in kinds]
            for one in told:
                typer.echo(_line(cli.flags.output, host, one))
            if told and once:
                return


def _events(before: dict[str, Pool], after: dict[str, Pool]) -> list[PoolEvent]:
    return [
        event
        for uuid in dict.fromkeys((*before, *after))
        if before.get(uuid) is not after.get(uuid)
        for event in events_between(before.get(uuid), after.get(uuid))
    ]


def _line(output: Output | None, host: str, event: PoolEvent) -> str:
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if output is Output.JSON:
        words = {"time": time, "host": host, "pool": event.pool, "kind": event.kind, "event": event.event}
        return json.dumps({**words, "detail": event.detail})
    return printable("  ".join(word for word in (time, host, event.pool, event.event, event.detail) if word))
