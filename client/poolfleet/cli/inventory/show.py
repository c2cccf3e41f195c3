"""`inventory`: what the whole fleet stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer
from poolfleet.cli.session import Session
from poolfleet.cli.storage import tables
from poolfleet.cli.verbs import default_verb, group

if TYPE_CHECKING:
    from poolfleet.inventory.model import Inventory

app = group("inventory", no_args_is_help=False)


@default_verb(app, "show", "poolfleet inventory", "poolfleet inventory -o json", "poolfleet inventory -l site=ams -w")
async def show_inventory(cli: Session) -> ExitCode:
    """Show storages, how much is in them, and what is missing.

    With -o json it has every volume, those of shared storages once, with the guests that use it.
    """

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        return Answer(
            tables=[tables.inventory_table(tables.rows(found))],
            document=found.to_dict(),
            first_line=_first_line(found),
            code=tables.code(cli, found),
        )

    return await cli.show(look)


def _first_line(found: Inventory) -> str:
    parts = [
        tables.completeness(found),
        text.counted(len(found.storages), "storage"),
        text.counted(len(found.volumes), "volume"),
    ]
    if found.oldest_age_s is not None:
        parts.append(f"oldest {text.age_in_words(found.oldest_age_s)}")
    return ", ".join(parts)
