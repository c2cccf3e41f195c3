"""How storages are shown: each once, however many hosts see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Column, Kind, Table

if TYPE_CHECKING:
    from poolfleet.cli.session import Session
    from poolfleet.inventory.check.model import StorageCheck
    from poolfleet.inventory.model import Inventory, InventoryStorage


@dataclass(frozen=True, slots=True)
class Row:
    """A storage, and how many volumes it has."""

    storage: InventoryStorage
    volumes: int | None

    @property
    def storage_id(self) -> str:
        """The storage's id."""
        return self.storage.storage_id

    @property
    def aliases(self) -> tuple[str, ...]:
        """Its other spellings."""
        return self.storage.aliases

    @property
    def pools(self) -> tuple[str, ...]:
        """Names of the pools that lie on it, each once."""
        return tuple(sorted({pool.pool for pool in self.storage.pools}))

    @property
    def hosts(self) -> int:
        """How many hosts have a pool on it."""
        return len({pool.host for pool in self.storage.pools})

    @property
    def used(self) -> float | None:
        """How much of it is used, in percent; None: not known."""
        whole, part = self.storage.capacity_bytes, self.storage.allocation_bytes
        return 100 * part / whole if whole and part is not None else None


_MAIN: tuple[Column[Row], ...] = (
    Column("STORAGE", lambda row: row.storage.storage_id, Kind.PATH),
    Column("TYPE", lambda row: row.storage.type),
    Column("HOSTS", lambda row: row.hosts, Kind.COUNT),
    Column("VOLUMES", lambda row: row.volumes, Kind.COUNT),
    Column("CAPACITY", lambda row: row.storage.capacity_bytes, Kind.SIZE),
    Column("USED%", lambda row: row.used, Kind.SHARE),
)
# That nobody uses a volume can be said for certain only of what was watched without a gap; nothing is called so yet.
_ORPHANS: Column[Row] = Column("ORPHANS", lambda row: None, Kind.COUNT)
_REST: tuple[Column[Row], ...] = (
    Column("AS-OF", lambda row: row.storage.age_s, Kind.AGE),
    Column("ID-FROM", lambda row: str(row.storage.source), wide=True),
    Column("CONFLICT", lambda row: text.yes_no(row.storage.identity_conflict), wide=True),
    Column("POOLS", lambda row: text.joined(list(row.pools)), wide=True),
)


def rows(found: Inventory) -> list[Row]:
    """Make a row of each storage."""
    volumes = Counter(volume.storage_id for volume in found.volumes)
    return [Row(storage, volumes[storage.storage_id]) for storage in found.storages]


def table(shown: list[Row]) -> Table[Row]:
    """Show storages."""
    return Table((*_MAIN, *_REST), shown, name=lambda row: row.storage.storage_id)


def inventory_table(shown: list[Row]) -> Table[Row]:
    """Show storages as the inventory does."""
    return Table((*_MAIN, _ORPHANS, *_REST), shown, name=lambda row: row.storage.storage_id)


def completeness(found: Inventory | StorageCheck) -> str:
    """Say whether it is complete, and of how many hosts it is."""
    silent = sum(str(host.status) in ("failed", "unreachable") for host in found.hosts)
    hosts = text.counted(len(found.hosts), "host")
    told = f"{len(found.hosts) - silent} of {hosts}" if silent else hosts
    return f"{'complete' if found.complete else 'INCOMPLETE'}: {told}"


def first_line(found: Inventory, volumes: int) -> str:
    """Sum up an inventory."""
    parts = [completeness(found), text.counted(len(found.storages), "storage"), text.counted(volumes, "volume")]
    if found.oldest_age_s is not None:
        parts.append(f"oldest {text.age_in_words(found.oldest_age_s)}")
    return ", ".join(parts)


def tell_missing(cli: Session, found: Inventory | StorageCheck) -> None:
    """Say on standard error what is missing, a sentence each."""
    for words in found.missing:
        cli.note(text.printable(f"missing: {words}"))


def tell_unsaid(cli: Session, noun: str, unsaid: Iterable[tuple[str, str]]) -> None:
    """Say on standard error of how many things something is not said; of each thing where it is, and why not."""
    for (place, why), count in Counter(unsaid).items():
        cli.note(text.printable(f"not said of {text.counted(count, noun)} of {place}: {why}"))


def code(cli: Session, found: Inventory) -> ExitCode:
    """How well the hosts answered."""
    statuses = {str(host.status) for host in found.hosts}
    if statuses == {"unreachable"}:
        return ExitCode.UNREACHABLE
    if statuses <= {"unreachable", "failed"}:
        return ExitCode.FAILED
    return ExitCode.FAILED if cli.flags.require_complete and not found.complete else ExitCode.OK
