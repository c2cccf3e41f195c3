"""How pools are shown: those of one host each by itself, those of a fleet together where they are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Column, Kind, Table
from poolfleet.cli.pool.source_text import source_text
from poolfleet.types.pool import HealthStatus

if TYPE_CHECKING:
    from poolfleet.types.pool import Pool

_WELL = (None, HealthStatus.UNKNOWN, HealthStatus.HEALTHY)


@dataclass(frozen=True, slots=True)
class HostPool:
    """A pool, its host's name, and the id of its storage, the same for all hosts that share it (empty: not known)."""

    host: str
    pool: Pool
    storage_id: str


def _used(pool: Pool) -> float | None:
    if not pool.capacity_bytes or pool.allocation_bytes is None:
        return None
    return 100 * pool.allocation_bytes / pool.capacity_bytes


def _health(pool: Pool) -> str | None:
    return str(pool.health.status) if pool.health and pool.health.status is not HealthStatus.UNKNOWN else None


_ONE_HOST: tuple[Column[HostPool], ...] = (
    Column("NAME", lambda row: row.pool.name),
    Column("TYPE", lambda row: row.pool.type),
    Column("STATE", lambda row: str(row.pool.state)),
    Column("HEALTH", lambda row: _health(row.pool)),
    Column("AUTOSTART", lambda row: text.yes_no(row.pool.autostart)),
    Column("CAPACITY", lambda row: row.pool.capacity_bytes, Kind.SIZE),
    Column("USED%", lambda row: _used(row.pool), Kind.SHARE),
    Column("VOLUMES", lambda row: row.pool.volume_count, Kind.COUNT),
    Column("SOURCE", lambda row: source_text(row.pool), Kind.PATH),
    Column("AGE", lambda row: row.pool.age_s, Kind.AGE),
    Column("AVAILABLE", lambda row: row.pool.available_bytes, Kind.SIZE, wide=True),
    Column("PROVISIONED", lambda row: row.pool.provisioned_bytes, Kind.SIZE, wide=True),
    Column("PERSISTENT", lambda row: text.yes_no(row.pool.persistent), wide=True),
    Column("SUPERVISED", lambda row: text.yes_no(row.pool.supervised), wide=True),
    Column("TARGET", lambda row: row.pool.target.path if row.pool.target else None, Kind.PATH, wide=True),
    Column("UUID", lambda row: row.pool.uuid, wide=True),
    Column("STORAGE", lambda row: row.storage_id or None, Kind.PATH, wide=True),
)
_BY_HOST: tuple[Column[HostPool], ...] = (Column("HOST", lambda row: row.host), *_ONE_HOST)


@dataclass(frozen=True, slots=True)
class _Group:
    """Pools of one name on several hosts that are alike."""

    rows: Sequence[HostPool]
    hosts: int

    @property
    def first(self) -> Pool:
        return self.rows[0].pool

    @property
    def is_well(self) -> bool:
        return self.first.health is None or self.first.health.status in _WELL

    def total(self, field: str) -> int | None:
        """Add up, what several hosts share once."""
        sizes: dict[Any, int] = {}
        for row in self.rows:
            size = getattr(row.pool, field)
            if size is not None:
                sizes[row.storage_id or row.host] = size
        return sum(sizes.values()) if sizes else None

    def used(self) -> float | None:
        whole, part = self.total("capacity_bytes"), self.total("allocation_bytes")
        return 100 * part / whole if whole and part is not None else None


_FLEET: tuple[Column[_Group], ...] = (
    Column("NAME", lambda row: row.first.name),
    Column("TYPE", lambda row: row.first.type),
    Column("HOSTS", lambda row: f"{len(row.rows)}/{row.hosts}"),
    Column("STATE", lambda row: str(row.first.state)),
    Column("HEALTH", lambda row: _health(row.first)),
    Column("CAPACITY", lambda row: row.total("capacity_bytes"), Kind.SIZE),
    Column("USED%", lambda row: row.used(), Kind.SHARE),
    Column("SOURCE", lambda row: source_text(row.first), Kind.PATH),
    Column(
        "AGE",
        lambda row: max((r.pool.age_s for r in row.rows if r.pool.age_s is not None), default=None),
        Kind.AGE,
        wide=True,
    ),
    Column("ON", lambda row: text.joined([each.host for each in row.rows], at_most=10), wide=True),
)
_BAD: tuple[Column[HostPool], ...] = (
    Column("HOST", lambda row: row.host),
    Column("REASON", lambda row: row.pool.health.reason if row.pool.health else None),
    Column("SINCE", lambda row: text.seconds_since(row.pool.health.since if row.pool.health else None), Kind.AGE),
    Column("MESSAGE", lambda row: row.pool.health.message if row.pool.health else None, Kind.MESSAGE),
)


def of_one_host(rows: Sequence[HostPool]) -> list[Table[Any]]:
    """Show each pool."""
    return [Table(_ONE_HOST, rows, name=lambda row: row.pool.name)]


def by_host(rows: Sequence[HostPool]) -> list[Table[Any]]:
    """Show each pool of each host."""
    return [Table(_BY_HOST, rows, name=lambda row: row.pool.name)]


def of_fleet(rows: Iterable[HostPool], hosts: int) -> list[Table[Any]]:
    """Show alike pools of one name as one, unhealthy ones first, and below each host whose pool is not well."""
    alike: defaultdict[tuple[object, ...], list[HostPool]] = defaultdict(list)
    for row in rows:
        pool = row.pool
        alike[pool.name, pool.type, pool.state, _health(pool), source_text(pool)].append(row)
    groups = sorted(
        (_Group(same, hosts) for same in alike.values()), key=lambda g: (g.is_well, g.first.name, -len(g.rows))
    )
    bad = [
        Table(
            _BAD,
            group.rows,
            heading=f"{group.first.name}: {_health(group.first)} on {text.counted(len(group.rows), 'host')}",
        )
        for group in groups
        if not group.is_well
    ]
    return [Table(_FLEET, groups, name=lambda row: row.first.name), *bad]
