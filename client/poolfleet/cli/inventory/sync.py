"""`inventory sync`: brings what the hosts tell into a store, once or for as long as they tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.inventory.show import app
from poolfleet.cli.inventory.stores import STORE, needing_extras, opened
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import choice, reads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolfleet.fleet.fleet import Fleet
    from poolfleet.fleet.result import FleetResult, Outcome
    from poolfleet.inventory.store.port import InventoryStore, Unstorable
    from poolfleet.inventory.store.staged import Staged
    from poolfleet.inventory.sync import Observer, Synced
    from poolfleet.types.errors import PoolfleetError

_LIMIT_S = 600.0
_FOLLOW = choice("--follow", about="Go on, and store each change as it comes, until Ctrl-C.")
_METRICS = choice("--metrics", about="With --follow: answer Prometheus there.", metavar="HOST:PORT")


@reads(
    app,
    "sync",
    "poolfleet inventory sync",
    "poolfleet inventory sync --store sqlite:////var/lib/fleet/inventory.db",
    "poolfleet inventory sync --store postgresql://fleet@db/inventory --follow --metrics 127.0.0.1:9464",
)
async def sync_inventory(
    cli: Session,
    /,
    *,
    store: Annotated[str | None, STORE] = None,
    follow: Annotated[bool, _FOLLOW] = False,
    metrics: Annotated[str | None, _METRICS] = None,
) -> ExitCode:
    """Bring pools, volumes and what domains use into a database, to be asked by `query` and `export`.

    Of a host that is known only what changed is read. What is stored of one that does not answer stays. Hosts that are
    not in the fleet any more are forgotten, unless --host or --label choose some.
    """
    if metrics is not None and not follow:
        raise UsageError("--metrics goes with --follow")
    with opened(store) as kept:
        if follow:
            return await _follow(cli, kept, metrics)

        async def look() -> Answer:
            result = await _hosts(cli).sync_inventory(
                kept, _Notes(cli, follows=False), timeout_s=cli.flags.timeout_s or _LIMIT_S
            )
            account = cli.account(result)
            return Answer(
                tables=[_table(result)],
                document={"store": kept.address, "complete": account.complete, "hosts": _documents(result)},
                last_lines=[_last_line(result, kept)],
                code=account.code,
            )

        return await cli.show(look)


def _hosts(cli: Session) -> Fleet:
    """The hosts to be stored; without a fleet file they are a part of what the store may have, not the whole."""
    return cli.readers() if cli.flags.fleet is not None else cli.readers().select()


async def _follow(cli: Session, store: InventoryStore, metrics: str | None) -> ExitCode:
    observer: Observer = _Notes(cli, follows=True)
    if metrics is not None:
        with needing_extras():
            from poolfleet.inventory.sync_metrics import SyncMetrics

        measured = SyncMetrics(observer)
        try:
            measured.serve(metrics)
        except (ValueError, OSError) as error:
            raise UsageError(f"--metrics {metrics}: {error}") from error
        observer = measured
    chosen = _hosts(cli)
    cli.note(text.printable(f"following {text.counted(len(chosen.hosts), 'host')} into {store.address}"))
    await chosen.follow_inventory(store, observer)
    # Only hosts that were given up end it.
    return ExitCode.FAILED


class _Notes:
    """Tells people what happens, on standard error. Implements Observer."""

    def __init__(self, cli: Session, *, follows: bool) -> None:
        self._cli = cli
        self._follows = follows
        self._heard: set[str] = set()

    def forgot(self, hosts: Sequence[str]) -> None:
        names = text.joined(list(hosts))
        self._cli.note(text.printable(f"forgotten, for they are not in the fleet any more: {names}"))

    def committed(self, host: str, staged: Staged, duration_s: float) -> None:
        if self._follows and host not in self._heard:
            self._heard.add(host)
            self._cli.note(text.printable(f"{host}: stored, {text.counted(staged.volumes, 'volume')} told"))

    def interrupted(self, host: str, error: PoolfleetError) -> None:
        self._heard.discard(host)
        self._cli.note(text.printable(f"{host}: {error.message} It is tried again."))

    def given_up(self, host: str, error: PoolfleetError | Unstorable) -> None:
        self._cli.note(text.printable(f"{host}: {error} It is not followed any more."))


def _table(result: FleetResult[Synced]) -> Table[Outcome[Synced]]:
    return Table(
        (
            Column("HOST", lambda one: one.host),
            Column("STATUS", lambda one: "duplicate" if one.value and one.value.duplicate_of else str(one.status)),
            Column("TOLD", lambda one: _kind(one.value)),
            Column("VOLUMES", lambda one: one.value.volumes if one.value else None, Kind.COUNT),
        ),
        list(result.values()),
        name=lambda one: one.host,
    )


def _kind(synced: Synced | None) -> str:
    """How much of its state a host told."""
    if synced is None or synced.duplicate_of:
        return ""
    if synced.from_nothing:
        return "everything"
    return "what differs" if synced.resync else "changes"


def _documents(result: FleetResult[Synced]) -> list[dict[str, object]]:
    return [
        {
            "name": one.host,
            "status": str(one.status),
            "volumes": one.value.volumes if one.value else None,
            "told": _kind(one.value) or None,
            "duplicate_of": one.value.duplicate_of or None if one.value else None,
            "error": one.error,
        }
        for one in result.values()
    ]


def _last_line(result: FleetResult[Synced], store: InventoryStore) -> str:
    stored = sum(one.value is not None for one in result.values())
    volumes = sum(one.value.volumes for one in result.values() if one.value)
    return f"{text.counted(stored, 'host')} stored in {store.address}, {text.counted(volumes, 'volume')} told"
