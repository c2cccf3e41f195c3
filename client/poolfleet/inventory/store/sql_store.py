"""The store over an SQL database: what both databases have in common, which is all but the rows of `database`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.store import schema
from poolfleet.inventory.store.commit import Commit
from poolfleet.inventory.store.database import Database
from poolfleet.inventory.store.homes import Homes
from poolfleet.inventory.store.placing import Placing
from poolfleet.inventory.store.pools import seen
from poolfleet.inventory.store.port import Cell, Rows, StoredHost, StoreError
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.inventory import Bookmark, ResumePoint
from poolfleet.types.snapshot import Revision

_HOST, _POOL, _STORAGE = schema.host, schema.pool, schema.storage
_HOST_BY_NAME = select(_HOST).where(_HOST.c.name == bindparam("of_name"))
_DIGESTS = select(_POOL.c.uuid, _POOL.c.digest).where(_POOL.c.host_key == bindparam("of_host"), _POOL.c.digest != "")
_NOTHING_TOLD: dict[str, Any] = {
    **dict.fromkeys(("agent_id", "epoch", "sequence", "filter_digest")),
    **dict.fromkeys(("heard_at_s", "looked_at_s", "domains_looked_at_s")),
    **dict.fromkeys(("error", "domains_missing", "unread_pools"), ""),
    "renew": False,
}
_POOLS_AND_HOSTS = select(_POOL, _HOST.c.name.label("host"), _HOST.c.site, _HOST.c.agent_id, _HOST.c.status).join_from(
    _POOL, _HOST, _POOL.c.host_key == _HOST.c.key
)


class SqlStore:
    """Implements InventoryStore."""

    def __init__(self, database: Database) -> None:
        """Open it; makes the tables where there are none. Raises StoreError."""
        self._database = database
        self._homes: Homes | None = None
        with self._transaction() as connection:
            self._prepare(connection)

    @property
    def address(self) -> str:
        """Where it is, for people; without a password."""
        return self._database.address

    def claim(self) -> None:
        """Become its only writer."""
        self._database.claim()

    def enrol(self, hosts: Sequence[StoredHost], *, only: bool) -> Sequence[str]:
        """Know these hosts; `only`: forget every other one."""
        with self._transaction() as connection:
            known = {row.name: row for row in connection.execute(select(_HOST))}
            for host in hosts:
                row = known.get(host.name)
                if row is None:
                    values = {
                        "name": host.name,
                        "site": host.site,
                        "status": str(HostStatus.UNREACHABLE),
                        **_NOTHING_TOLD,
                    }
                    connection.execute(insert(_HOST).values(**values))
                elif row.site != host.site:
                    # Which storages its pools lie on depends on it.
                    self._forget_contents(connection, row)
                    connection.execute(update(_HOST).where(_HOST.c.key == row.key).values(site=host.site))
            others = sorted(known.keys() - {host.name for host in hosts}) if only else []
            for name in others:
                self._forget_contents(connection, known[name])
                connection.execute(delete(_HOST).where(_HOST.c.key == known[name].key))
            self._placing(connection).settle_all()
            return others

    def identify(self, host: str, agent_id: str) -> str:
        """Say whose agent answers at an enrolled host."""
        with self._transaction() as connection:
            row = self._host(connection, host)
            if row.agent_id == agent_id:
                return ""
            other = connection.execute(select(_HOST.c.name).where(_HOST.c.agent_id == agent_id)).scalar()
            if other is not None:
                return str(other)
            self._forget_contents(connection, row)
            connection.execute(update(_HOST).where(_HOST.c.key == row.key).values(agent_id=agent_id))
            return ""

    def resume_point(self, host: str) -> ResumePoint | None:
        """Where to go on with a host."""
        with self._transaction() as connection:
            return self._resume_point(connection, host)

    def commit(self, host: str, staged: Staged) -> ResumePoint | None:
        """Store what a host told up to a bookmark."""
        if staged.bookmark is None:
            raise ValueError("only a bookmark completes what is to be stored")
        with self._transaction() as connection:
            row = self._host(connection, host)
            Commit(self._database, connection, self._known_homes(connection), row).run(staged, staged.bookmark)
            return self._resume_point(connection, host)

    def not_heard(self, host: str, status: str, error: str) -> None:
        """Note that a host does not answer, or not well."""
        with self._transaction() as connection:
            row = self._host(connection, host)
            connection.execute(update(_HOST).where(_HOST.c.key == row.key).values(status=status, error=error))

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
        try:
            with self._database.engine.begin() as connection, self._homes_go_back_too():
                yield connection
        except SQLAlchemyError as error:
            # SQLAlchemy's own words hold the statement and its values.
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"{self.address}: {str(cause).strip()}") from None

    @contextmanager
    def _homes_go_back_too(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._homes = None
            raise

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

    def _known_homes(self, connection: Connection) -> Homes:
        if self._homes is None:
            self._homes = self._read_homes(connection)
        return self._homes

    def _placing(self, connection: Connection) -> Placing:
        return Placing(self._database, connection, self._known_homes(connection))

    def _read_homes(self, connection: Connection) -> Homes:
        homes = Homes({row.key: row.id for row in connection.execute(select(_STORAGE))})
        for row in connection.execute(_POOLS_AND_HOSTS):
            homes.load(row.key, seen(row), row.storage_key)
        return homes

    def _resume_point(self, connection: Connection, host: str) -> ResumePoint | None:
        row = self._host(connection, host)
        if row.epoch is None or row.renew:
            return None
        pools = connection.execute(_DIGESTS, {"of_host": row.key})
        bookmark = Bookmark(
            revision=Revision(epoch=row.epoch, sequence=row.sequence),
            filter_digest=row.filter_digest,
            as_of=None,
            age_s=None,
            unread_pools=(),
            domains_as_of=None,
            domains_missing=(),
        )
        return ResumePoint(bookmark=bookmark, digests={row.uuid: row.digest for row in pools})

    def _host(self, connection: Connection, name: str) -> Row[Any]:
        row = connection.execute(_HOST_BY_NAME, {"of_name": name}).first()
        if row is None:
            raise StoreError(f"{self.address} does not know host {name}")
        return row

    def _forget_contents(self, connection: Connection, row: Row[Any]) -> None:
        """All that a host told, but not what others see too."""
        placing = self._placing(connection)
        for pool in connection.execute(select(_POOL).where(_POOL.c.host_key == row.key)).all():
            placing.forget(pool)
        placing.ask_anew()
        connection.execute(delete(schema.domain_disk).where(schema.domain_disk.c.host_key == row.key))
        connection.execute(update(_HOST).where(_HOST.c.key == row.key).values(**_NOTHING_TOLD))
