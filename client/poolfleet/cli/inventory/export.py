"""`inventory export`: writes what is stored into a file for other programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.inventory.show import app
from poolfleet.cli.inventory.stores import STORE, needing_extras, opened
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import choice, reads


class Format(StrEnum):
    """What a file can be."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class Part(StrEnum):
    """What can be written."""

    VOLUMES = "volumes"
    STORAGES = "storages"
    POOLS = "pools"
    HOSTS = "hosts"
    USERS = "users"


_PART = typer.Argument(metavar="PART", help="volumes, storages, pools, hosts or users.", show_default=False)
_FORMAT = choice("--format", about="csv, json or parquet.")
_TO = choice("--to", about="Write it there, readable by you alone; else to standard output.", metavar="FILE")


@reads(
    app,
    "export",
    "poolfleet inventory export --format csv > volumes.csv",
    "poolfleet inventory export users --format json",
    "poolfleet inventory export --format parquet --to volumes.parquet",
)
async def export_inventory(
    cli: Session,
    /,
    *,
    part: Annotated[Part, _PART] = Part.VOLUMES,
    format: Annotated[Format, _FORMAT] = Format.CSV,  # noqa: A002  (the option's name)
    to: Annotated[Path | None, _TO] = None,
    store: Annotated[str | None, STORE] = None,
) -> ExitCode:
    """Write what `inventory sync` has stored, row by row, with sizes in bytes and times in seconds since 1970.

    No host is asked. In CSV, text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    if to is None and format is Format.PARQUET and sys.stdout.isatty():
        raise UsageError("Parquet is nothing for a terminal: say --to FILE")
    with opened(store) as kept, needing_extras():
        from poolfleet.inventory.store import export

        write = {Format.CSV: export.write_csv, Format.JSON: export.write_json, Format.PARQUET: export.write_parquet}
        with _file(to) as out:
            write[format](kept, part, out)
    return ExitCode.OK


@contextmanager
def _file(path: Path | None) -> Iterator[IO[bytes]]:
    """A file that is there when it is whole."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            yield out
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
