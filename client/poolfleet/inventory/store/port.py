"""What a store of the inventory does, whatever database it is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from poolfleet.inventory.store.staged import Staged
from poolfleet.types.inventory import ResumePoint

Cell = str | int | float | None


class StoreError(Exception):
    """The store cannot do what it was asked for; the message is a sentence for people, and holds no password."""


class Unstorable(StoreError):
    """What one host told cannot be stored, and nothing of it was; the store is well, and others may go on."""


class StaleRevision(Unstorable):
    """What was told is of an earlier moment than what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHost:
    """A host of the fleet, as the store needs to know it before anybody answers."""

    name: str
    site: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a store has got with a host."""

    agent_id: str
    """Whose word it has; empty: nobody's."""
    point: ResumePoint | None
    """Where to go on; None: from nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a query found: titles, and rows as they are read."""

    columns: Sequence[str]
    rows: Iterator[Sequence[Cell]]


class InventoryStore(Protocol):
    """A store. Each call is for one thread at a time, and lasts as long as the database takes.

    Raises StoreError.
    """

    @property
    def address(self) -> str:
        """Where it is, for people: a password in it is left out."""

    def claim(self) -> None:
        """Become its only writer, until `close`. Raises StoreError while another process is."""

    def enrol(self, hosts: Sequence[StoredHost], *, only: bool) -> Sequence[str]:
        """Know these hosts, heard of or not; `only`: forget every other one. Returns the names of the forgotten."""

    def identify(self, host: str, agent_id: str, *, moves: bool = False) -> str:
        """Say whose agent answers at an enrolled host.

        Returns the name of another enrolled host whose agent this is, and then changes nothing; else an empty string.
        An agent that is not the one of last time has all that was stored of the host forgotten.

        moves: another host whose agent this was has it no more, and what is stored of that host is forgotten too.
        """

    def standings(self) -> Mapping[str, Standing]:
        """How far it has got with each host that is enrolled."""

    def together(self) -> AbstractContextManager[None]:
        """Store what the calls within it store at once, all or nothing: many small ones cost as much as a large one.

        An error of one of them is to end it.
        """

    def commit(self, host: str, staged: Staged) -> ResumePoint | None:
        """Store what a host told up to a bookmark, all or nothing. Returns where to go on, as `standings` has it.

        Raises Unstorable; StaleRevision where the bookmark is before the one stored, of the same epoch; the same is
        welcome.
        """

    def not_heard(self, host: str, status: str, error: str) -> None:
        """Note that a host does not answer, or not well: what is stored of it stays, as old as it is."""

    def index(self) -> None:
        """Make what queries need to be quick; to be called after the first load, and harmless later."""

    def query(self, sql: str, values: Mapping[str, Cell] | None = None) -> AbstractContextManager[Rows]:
        """Read by one statement of SQL, which can change nothing; `:name` stands for a value."""

    def close(self) -> None:
        """End it. Closing the closed is OK."""
