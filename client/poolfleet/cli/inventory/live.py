"""`inventory -w` on a terminal: a table that changes as the hosts tell of their pools, until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Kind
from poolfleet.cli.output.table import cut
from poolfleet.cli.session import Session
from poolfleet.cli.storage import tables

if TYPE_CHECKING:
    from poolfleet.fleet.live import LiveInventory

_EVERY_S = 1.0
# Of the time that passes, so much at most goes into putting together and drawing: one part in so many.
_ONE_PART_IN = 10
_MOST_REASONS = 5


async def watch(cli: Session) -> ExitCode:
    """Show it until Ctrl-C, or until no host is left that can be followed."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from poolfleet.fleet.live import LiveInventory

    live = LiveInventory(cli.readers())
    following = asyncio.create_task(live.follow())
    console = Console(highlight=False)
    try:
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as shown:

            def draw() -> float:
                began_s = time.monotonic()
                screen = _screen(cli, live, width=console.width, height=console.height)
                shown.update(Text.from_ansi(screen), refresh=True)
                return time.monotonic() - began_s

            while not following.done():
                took_s = draw()
                await asyncio.wait({following}, timeout=max(_EVERY_S, took_s * _ONE_PART_IN))
            draw()
        await following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return ExitCode.FAILED


def _screen(cli: Session, live: LiveInventory, *, width: int, height: int) -> str:
    """As many lines as the terminal has: what is missing keeps its place, and the table gives way."""
    found = live.now()
    rows = [tables.Row(storage, storage.volume_count) for storage in found.storages]
    volumes = sum(row.volumes or 0 for row in rows)
    answer = Answer(tables=[tables.inventory_table(rows)], first_line=tables.first_line(found, volumes))
    lines = cli.written(answer).splitlines()
    reasons = [f"missing: {words}" for words in found.missing[:_MOST_REASONS]]
    if len(found.missing) > _MOST_REASONS:
        reasons.append(f"missing: {len(found.missing) - _MOST_REASONS} more")
    reasons = [cut(text.printable(words), width, Kind.MESSAGE) for words in reasons]
    room = max(3, height - len(reasons) - 2)
    if len(lines) > room:
        lines[room - 1 :] = [f"and {len(lines) - room + 1} more"]
    return "\n".join([*lines, *([""] if reasons else []), *reasons])
