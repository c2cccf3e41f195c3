"""The verbs of storages: list and show, the inventory seen from them, check, and adopt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli.addressing import pool_name
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output.answers import Answer, Column, Kind, Table
from poolfleet.cli.pool.reads import PoolWord
from poolfleet.cli.session import Session
from poolfleet.cli.storage import findings, tables
from poolfleet.cli.storage.choice import chosen
from poolfleet.cli.verbs import changes, group, reads
from poolfleet.types.errors import NotFound

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.inventory.model import Inventory, StoragePool
    from poolfleet.types.operation import Operation

app = group("storage")

_WORD = typer.Argument(metavar="STORAGE", help="Id or spelling of the storage, or a pool on it.", show_default=False)
_POOLS: tuple[Column[StoragePool], ...] = (
    Column("HOST", lambda pool: pool.host),
    Column("POOL", lambda pool: pool.pool),
    Column("TARGET", lambda pool: pool.target, Kind.PATH),
)

_SPELLINGS: tuple[Column[str], ...] = (Column("ALSO-KNOWN-AS", lambda spelling: spelling, Kind.PATH),)


@reads(app, "list", "poolfleet storage list", "poolfleet storage list -o wide")
async def list_storages(cli: Session) -> ExitCode:
    """List storages, each once."""

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        table = tables.table(tables.rows(found))
        return Answer(tables=[table], document=_document(found), code=tables.code(cli, found))

    return await cli.show(look)


@reads(app, "show", "poolfleet storage show vm_data", "poolfleet storage show nfs:nfs.example.com/path/to/share")
async def show_storage(cli: Session, /, *, storage: Annotated[str, _WORD]) -> ExitCode:
    """Show one storage, and each pool that lies on it."""

    async def look() -> Answer:
        found = await cli.readers().inventory(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        code = tables.code(cli, found)
        row = chosen(storage, tables.rows(found))
        if row is None and code is ExitCode.OK:
            raise NotFound(f"no host that answered has storage {storage}", reason="STORAGE_NOT_FOUND")
        if row is None:
            return Answer(document=_document(found), code=code)
        pools = Table(_POOLS, row.storage.pools, heading="Pools")
        drawn: list[Table[Any]] = [tables.table([row]), pools]
        if row.storage.aliases:
            drawn.append(Table(_SPELLINGS, row.storage.aliases))
        return Answer(tables=drawn, document=_document(found, row.storage.storage_id), code=code)

    return await cli.show(look)


@reads(app, "check", "poolfleet storage check", "poolfleet storage check vm_data -l rack=r1 -o json")
async def check_storages(cli: Session, /, *, storage: Annotated[str | None, _WORD] = None) -> ExitCode:
    """Find what a live migration trips over: hosts on which a shared storage is not as on the others.

    Each host has to have it started and healthy, under the same path and name, mounted alike, and with autostart. Ends
    with 5 where something was found, else with 1 where a host did not answer: of that nothing is known.
    """

    async def look() -> Answer:
        found = await cli.readers().check_storages(timeout_s=cli.flags.timeout_s)
        tables.tell_missing(cli, found)
        if storage is not None:
            one = chosen(storage, found.storages)
            if one is None and found.complete:
                raise NotFound(f"no host has storage {storage}", reason="STORAGE_NOT_FOUND")
            found = replace(found, storages=(one,) if one else ())
            if one is None:
                return Answer(document=found.to_dict(), code=findings.code(found))
        return findings.answer(found)

    return await cli.show(look)


@changes(app, "adopt", "poolfleet storage adopt vm_data -H kvm7", "poolfleet storage adopt vm_data -H kvm7 --dry-run")
async def adopt_storage(cli: Session, /, *, pool: PoolWord) -> ExitCode:
    """Mark the storage behind a pool with an id of its own, which every host that sees it reads there.

    Writes `.poolfleet/storage-id` into the pool's directory. One host of those that see the storage is enough.
    """

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        return await client.pools.adopt_storage(await pool_name(client, pool), **asked)

    change = Change(ask=ask, doing=f"adopt the storage of pool {pool}", done="adopted", already="already adopted")
    return await carry_out(cli, change)


def _document(found: Inventory, only: str | None = None) -> dict[str, Any]:
    whole: dict[str, Any] = found.to_dict()
    storages = [each for each in whole["storages"] if only in (None, each["storage_id"])]
    return {"complete": whole["complete"], "hosts": whole["hosts"], "storages": storages}
