"""`inventory`: what the whole fleet stores."""

from __future__ import annotations

import sys

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.flags import Output
from poolfleet.cli.output.answers import Answer
from poolfleet.cli.session import Session
from poolfleet.cli.storage import tables
from poolfleet.cli.verbs import default_verb, group

app = group("inventory", no_args_is_help=False)


@default_verb(app, "show", "poolfleet inventory", "poolfleet inventory -o json", "poolfleet inventory -l site=ams -w")
async def show_inventory(cli: Session) -> ExitCode:
    """Show storages, how much is in them, and what is missing.

    With -o json it has every volume, those of shared storages once, with the guests that use it. With -w the table
    changes as the hosts tell of their pools.
    """
    if cli.flags.watch and sys.stdout.isatty() and cli.flags.output in (None, Output.TABLE, Output.WIDE):
        from poolfleet.cli.inventory import live

        return await live.watch(cli)

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        return Answer(
            tables=[tables.inventory_table(tables.rows(found))],
            document=found.to_dict(),
            first_line=tables.first_line(found, len(found.volumes)),
            code=tables.code(cli, found),
        )

    return await cli.show(look)
