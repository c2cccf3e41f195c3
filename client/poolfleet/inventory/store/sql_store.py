"""The store over an SQL database: what both databases have in common, which is all but the rows of `database`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, literal, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.store import schema
from poolfleet.inventory.store.commit import Commit
from poolfleet.inventory.store.database import Database
from poolfleet.inventory.store.homes import Homes
from poolfleet.inventory.store.hosts import HostRecord, Hosts
from poolfleet.inventory.store.placing import Placing
from poolfleet.inventory.store.pools import seen
from poolfleet.inventory.store.port import Cell, Rows, Standing, StoredHost, StoreError, Unstorable
from poolfleet.inventory.store.sizes import Sizes
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.inventory import ResumePoint

_HOST, _POOL, _STORAGE = schema.host, schema.pool, schema.storage
_CHANGE_HOST = update(_HOST).where(_HOST.c.key == bindparam("of_host"))
_NEW_HOST = insert(_HOST)
_NOTHING_TOLD: dict[str, Any] = {
    **dict.fromkeys(("epoch", "sequence", "filter_digest")),
    **dict.fromkeys(("heard_at_s", "looked_at_s", "domains_looked_at_s")),
    **dict.fromkeys(("error", "domains_missing", "unread_pools"), ""),
    "renew": False,
}
# Neither says which storage a pool lies on, and each host tells a sign of every host: they need not be read.
_NOT_IDENTITY = ("fingerprint", "signs")
_POOLS_AND_HOSTS = select(
    *(literal("").label(column.name) if column.name in _NOT_IDENTITY else column for column in _POOL.c),
    *(_HOST.c.name.label("host"), _HOST.c.site, _HOST.c.agent_id, _HOST.c.status),
).join_from(_POOL, _HOST, _POOL.c.host_key == _HOST.c.key)


class SqlStore:
    """Implements InventoryStore."""

    def __init__(self, database: Database) -> None:
        """Open it; makes the tables where there are none. Raises StoreError."""
        self._database = database
        self._homes: Homes | None = None
        self._hosts: Hosts | None = None
        self._sizes = Sizes()
        self._shared: Connection | None = None
        with self._transaction() as connection:
            self._prepare(connection)

    @property
    def address(self) -> str:
        """Where it is, for people; without a password."""
        return self._database.address

    def claim(self) -> None:
        """Become its only writer."""
        self._database.claim()
        # Whoever was it until now may have changed all of it.
        self._forget_memory()

    def enrol(self, hosts: Sequence[StoredHost], *, only: bool) -> Sequence[str]:
        """Know these hosts; `only`: forget every other one."""
        with self._transaction() as connection:
            known = self._known_hosts(connection)
            new = []
            for host in hosts:
                record = known.named(host.name)
                if record is None:
                    new.append({"name": host.name, "site": host.site, "status": str(HostStatus.UNREACHABLE)})
                elif record.site != host.site:
                    # Which storages its pools lie on depends on it.
                    self._forget_contents(connection, record)
                    connection.execute(_CHANGE_HOST, {"of_host": record.key, "agent_id": None, "site": host.site})
            if new:
                connection.execute(_NEW_HOST, [{**_NOTHING_TOLD, "agent_id": None, **values} for values in new])
            others = sorted({record.name for record in known} - {host.name for host in hosts}) if only else []
            for name in others:
                record = self._host(connection, name)
                self._forget_contents(connection, record)
                connection.execute(delete(_HOST).where(_HOST.c.key == record.key))
            self._placing(connection).settle_all()
            self._hosts = None
            return others

    def identify(self, host: str, agent_id: str, *, moves: bool = False) -> str:
        """Say whose agent answers at an enrolled host."""
        with self._transaction() as connection:
            record = self._host(connection, host)
            if record.agent_id == agent_id:
                return ""
            other = self._known_hosts(connection).of_agent(agent_id)
            if other is not None:
                if not moves:
                    return other.name
                self._change_agent(connection, other, "")
            self._change_agent(connection, record, agent_id)
            return ""

    def standings(self) -> Mapping[str, Standing]:
        """How far it has got with each host."""
        with self._transaction() as connection:
            return {
                record.name: Standing(agent_id=record.agent_id, point=record.resume_point)
                for record in self._known_hosts(connection)
            }

    @contextmanager
    def together(self) -> Iterator[None]:
        """Store what the calls within it store in one transaction."""
        with self._transaction() as connection:
            self._shared = connection
            try:
                yield
            finally:
                self._shared = None

    def commit(self, host: str, staged: Staged) -> ResumePoint | None:
        """Store what a host told up to a bookmark."""
        if staged.bookmark is None:
            raise ValueError("only a bookmark completes what is to be stored")
        with self._transaction() as connection:
            record = self._host(connection, host)
            placing = self._placing(connection)
            Commit(self._database, connection, placing, self._sizes, record).run(staged, staged.bookmark)
            return record.resume_point

    def not_heard(self, host: str, status: str, error: str) -> None:
        """Note that a host does not answer, or not well."""
        with self._transaction() as connection:
            record = self._host(connection, host)
            # PostgreSQL has no text with a NUL.
            told = {"status": status, "error": error.replace("\0", "")}
            connection.execute(_CHANGE_HOST, {"of_host": record.key, **told})

    def index(self) -> None:
        """Make what queries need to be quick."""
        with self._transaction() as connection:
            for statement in schema.AFTER_LOAD:
                connection.execute(text(statement))

    def query(self, sql: str, values: Mapping[str, Cell] | None = None) -> AbstractContextManager[Rows]:
        """Read by one statement of SQL."""
        return self._database.read(sql, values or {})

    def close(self) -> None:
        """End it."""
        self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        if self._shared is not None:
            yield self._shared
            return
        driver = self._database.engine.dialect.loaded_dbapi
        try:
            # A COMMIT that fails is an error of the inner one.
            with self._memory_goes_back_too(), self._database.engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, driver.Error, OverflowError) as error:
            # SQLAlchemy's own words hold the statement and its values.
            cause = getattr(error, "orig", None) or error
            # SQLite's driver has an OverflowError for what PostgreSQL's has a DataError for.
            values = isinstance(cause, driver.DataError | driver.IntegrityError | OverflowError)
            raise (Unstorable if values else StoreError)(f"{self.address}: {str(cause).strip()}") from None

    @contextmanager
    def _memory_goes_back_too(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._forget_memory()
            raise

    def _forget_memory(self) -> None:
        self._homes, self._hosts, self._sizes = None, None, Sizes()

    def _prepare(self, connection: Connection) -> None:
        schema.tables.create_all(connection)
        version = connection.execute(select(schema.about.c.version)).scalar()
        if version is None:
            connection.execute(insert(schema.about).values(version=schema.VERSION))
            for name, words in schema.VIEWS.items():
                connection.execute(text(f"CREATE VIEW {name} AS {words}"))
        elif version != schema.VERSION:
            raise StoreError(
                f"{self.address} is of form {version}, and this poolfleet knows {schema.VERSION}: choose another place"
                " for it, or remove it, and all hosts are read anew"
            )

    def _known_hosts(self, connection: Connection) -> Hosts:
        if self._hosts is None:
            self._hosts = Hosts.read(connection)
        return self._hosts

    def _known_homes(self, connection: Connection) -> Homes:
        if self._homes is None:
            self._homes = self._read_homes(connection)
        return self._homes

    def _placing(self, connection: Connection) -> Placing:
        return Placing(self._database, connection, self._known_homes(connection), self._known_hosts(connection))

    def _read_homes(self, connection: Connection) -> Homes:
        homes = Homes({row.key: row.id for row in connection.execute(select(_STORAGE))})
        for row in connection.execute(_POOLS_AND_HOSTS):
            homes.load(row.key, seen(row), row.storage_key)
        return homes

    def _host(self, connection: Connection, name: str) -> HostRecord:
        record = self._known_hosts(connection).named(name)
        if record is None:
            raise StoreError(f"{self.address} does not know host {name}")
        return record

    def _change_agent(self, connection: Connection, record: HostRecord, agent_id: str) -> None:
        """Have an agent answer at a host that has told nothing yet; empty: nobody answers there."""
        if record.agent_id:
            self._forget_contents(connection, record)
        changed = {"agent_id": agent_id or None, "status": str(HostStatus.UNREACHABLE)}
        connection.execute(_CHANGE_HOST, {"of_host": record.key, **changed})
        self._known_hosts(connection).identify(record, agent_id)

    def _forget_contents(self, connection: Connection, record: HostRecord) -> None:
        """All that a host told, but not what others see too."""
        placing = self._placing(connection)
        for pool in connection.execute(select(_POOL).where(_POOL.c.host_key == record.key)).all():
            placing.forget(pool.key, pool.storage_key)
        placing.ask_anew()
        connection.execute(delete(schema.domain_disk).where(schema.domain_disk.c.host_key == record.key))
        connection.execute(_CHANGE_HOST, {"of_host": record.key, **_NOTHING_TOLD})
        record.forget()
