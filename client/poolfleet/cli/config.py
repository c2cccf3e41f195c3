"""`config show` and `config validate`: what this command line works with, and whether a fleet file is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import group, reads

if TYPE_CHECKING:
    from poolfleet.fleet.hosts import Host

app = group("config")


@reads(app, "show", "poolfleet config show", "poolfleet config show --fleet fleet.toml -o json")
async def show_config(cli: Session) -> ExitCode:
    """Show the hosts that commands go to, and where they are known from. Nobody is asked."""
    hosts = cli.readers().hosts
    came_from = str(cli.flags.fleet) if cli.flags.fleet else "no fleet file: the local agent's socket"
    columns: tuple[Column[Host], ...] = (
        Column("HOST", lambda host: host.name),
        Column("TARGET", lambda host: host.target, Kind.PATH),
        Column("SITE", lambda host: host.site),
        Column("LABELS", lambda host: ",".join(f"{key}={value}" for key, value in sorted(host.labels.items()))),
        Column("TLS", lambda host: text.yes_no(host.tls is not None)),
        Column("TIMEOUT", lambda host: f"{host.timeout_s:g}s"),
    )
    # Of TLS only paths are known here, and they are no secret.
    document = {"fleet": cli.flags.fleet, "hosts": hosts}

    async def look() -> Answer:
        table = Table(columns, hosts, name=lambda host: host.name)
        return Answer(tables=[table], document=document, first_line=f"from {came_from}")

    return await cli.show(look)


@reads(app, "validate", "poolfleet config validate fleet.toml")
async def validate_config(
    cli: Session,
    /,
    *,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Fleet file; else that of --fleet.", show_default=False)
    ] = None,
) -> ExitCode:
    """Check a fleet file: its form, its names, and that the files it points to can be read. Nobody is asked."""
    from poolfleet.fleet.fleet_file import read_fleet_file

    path = file or cli.flags.fleet
    if path is None:
        raise UsageError("say which file: FILE, --fleet or POOLFLEET_FLEET")
    hosts = read_fleet_file(path)
    missing = {
        str(each)
        for host in hosts
        if host.tls
        for each in (host.tls.ca, host.tls.cert, host.tls.key)
        if not _readable(each)
    }
    if missing:
        raise UsageError("\n".join(f"{path}: cannot read {each}" for each in sorted(missing)))
    if not cli.flags.quiet:
        typer.echo(text.printable(f"{path}: {text.counted(len(hosts), 'host')}, no fault found"))
    return ExitCode.OK


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False
