"""How volumes are shown: each volume of a shared storage once, with the guests that use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Column, Kind, Table
from poolfleet.types.errors import PoolfleetError

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.disk import DomainDisk
    from poolfleet.types.pool import Pool
    from poolfleet.types.volume import Volume, VolumeListing


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVolumes:
    """The volumes of one host, and what else is needed to show them."""

    listing: VolumeListing
    pools: tuple[Pool, ...]
    disks: tuple[DomainDisk, ...]
    disks_missing: tuple[str, ...]
    """Why users of volumes may be missing, a sentence each."""


async def read(client: AgentClient, pool: str, *, fresh: bool, special: bool) -> HostVolumes:
    """Read volumes of one pool or, empty, of all; and their users."""
    listing = await client.volumes.read_all(pool, max_staleness_s=0.0 if fresh else None, include_special=special)
    pools = tuple([each async for each in client.pools.list()])
    try:
        found = await client.inventory.disks(pool=pool)
    except PoolfleetError as error:
        if error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED") and error.reason in ("UNREACHABLE", "DEADLINE"):
            raise
        return HostVolumes(listing=listing, pools=pools, disks=(), disks_missing=(error.message,))
    missing = () if found.complete else found.missing or ("some domains could not be read",)
    return HostVolumes(listing=listing, pools=pools, disks=found.disks, disks_missing=missing)


@dataclass(slots=True, kw_only=True)
class Row:
    """A volume, and where it is seen."""

    volume: Volume
    storage: str
    hosts: list[str]
    users: list[str]

    @property
    def word(self) -> str:
        """What it is called on the command line."""
        return f"{self.volume.pool}/{self.volume.name}"


_MAIN: tuple[Column[Row], ...] = (
    Column("FORMAT", lambda row: row.volume.format or row.volume.type),
    Column("CAPACITY", lambda row: row.volume.capacity_bytes, Kind.SIZE),
    Column("ALLOCATED", lambda row: row.volume.allocation_bytes, Kind.SIZE),
    Column("USED-BY", lambda row: text.joined(row.users)),
    Column("BACKING", lambda row: row.volume.backing_store.path if row.volume.backing_store else None, Kind.PATH),
    Column("MODIFIED", lambda row: text.seconds_since(row.volume.modified_at), Kind.AGE),
    Column("PATH", lambda row: row.volume.path, Kind.PATH, wide=True),
    Column("KEY", lambda row: row.volume.key, Kind.PATH, wide=True),
    Column("HOSTS", lambda row: text.joined(row.hosts), wide=True),
    Column("STORAGE", lambda row: row.storage, Kind.PATH, wide=True),
)


def table(rows: Sequence[Row], *, pool: str, by_host: bool) -> Table[Row]:
    """Show volumes; of one pool by their names, else by the words for them."""
    name: Column[Row] = Column("NAME", lambda row: row.volume.name if pool else row.word)
    host: Column[Row] = Column("HOST", lambda row: row.hosts[0])
    return Table((host, name, *_MAIN) if by_host else (name, *_MAIN), rows, name=lambda row: row.word)


def merged(
    found: Iterable[tuple[str, HostVolumes]], storages: Mapping[tuple[str, str], str], *, by_host: bool
) -> list[Row]:
    """Put together what hosts see of one storage (`storages`: by host and pool), unless `by_host`."""
    rows: dict[tuple[str, str, str], Row] = {}
    for host, seen in found:
        users: dict[tuple[str, str], dict[str, None]] = {}
        for disk in seen.disks:
            users.setdefault((disk.pool, disk.volume), {})[disk.domain] = None
        for volume in seen.listing.volumes:
            storage = storages.get((host, volume.pool), "")
            key = (volume.pool, volume.name, host if by_host or not storage else storage)
            row = rows.setdefault(key, Row(volume=volume, storage=storage, hosts=[], users=[]))
            row.hosts.append(host)
            row.users += [user for user in users.get((volume.pool, volume.name), ()) if user not in row.users]
    return [rows[key] for key in sorted(rows)]
