"""The hosts of a store, in memory beside it: what is asked at each bookmark, most of which tell nothing new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from poolfleet.inventory.store import schema
from poolfleet.types.inventory import Bookmark, ResumePoint
from poolfleet.types.snapshot import Revision

_HOST, _POOL = schema.host, schema.pool
_OF_HOSTS = select(
    _HOST.c.key, _HOST.c.name, _HOST.c.site, _HOST.c.agent_id, _HOST.c.epoch, _HOST.c.sequence, _HOST.c.filter_digest,
    _HOST.c.renew,
)  # fmt: skip
_OF_POOLS = select(_POOL.c.host_key, _POOL.c.uuid, _POOL.c.digest, _POOL.c.unread)


@dataclass(slots=True, kw_only=True)
class HostRecord:
    """A host as its row and those of its pools have it, as far as the next bookmark depends on it."""

    key: int
    name: str
    site: str | None
    agent_id: str = ""
    """Empty: none ever answered."""
    epoch: str | None = None
    """None: nothing of it is stored."""
    sequence: int = 0
    filter_digest: str = ""
    renew: bool = False
    """The next watch begins from nothing."""
    digests: dict[str, str] = field(default_factory=dict)
    """Of its pools' volumes, by UUID; those that count no more are left out."""
    unread: bool = False
    """Not every pool that is stored could be read."""

    def forget(self) -> None:
        """Know nothing but whose agent it was."""
        self.epoch, self.sequence, self.filter_digest = None, 0, ""
        self.renew, self.digests, self.unread = False, {}, False

    @property
    def resume_point(self) -> ResumePoint | None:
        """Where to go on; None: from nothing."""
        if self.epoch is None or self.renew:
            return None
        bookmark = Bookmark(
            revision=Revision(epoch=self.epoch, sequence=self.sequence),
            filter_digest=self.filter_digest,
            as_of=None,
            age_s=None,
            unread_pools=(),
            domains_as_of=None,
            domains_missing=(),
        )
        return ResumePoint(bookmark=bookmark, digests=dict(self.digests))


class Hosts:
    """All of them, as they stand within the transaction under way."""

    def __init__(self, records: Iterable[HostRecord]) -> None:
        self._by_key = {record.key: record for record in records}
        self._by_name = {record.name: record for record in self._by_key.values()}
        self._by_agent = {record.agent_id: record for record in self._by_key.values() if record.agent_id}

    @classmethod
    def read(cls, connection: Connection) -> Hosts:
        """Read what is stored."""
        records = {
            row.key: HostRecord(
                key=row.key,
                name=row.name,
                site=row.site,
                agent_id=row.agent_id or "",
                epoch=row.epoch,
                sequence=row.sequence or 0,
                filter_digest=row.filter_digest or "",
                renew=row.renew,
            )
            for row in connection.execute(_OF_HOSTS)
        }
        for host_key, uuid, digest, unread in connection.execute(_OF_POOLS):
            record = records[host_key]
            record.unread = record.unread or bool(unread)
            if digest:
                record.digests[uuid] = digest
        return cls(records.values())

    def __iter__(self) -> Iterator[HostRecord]:
        """Each of them."""
        return iter(self._by_key.values())

    def named(self, name: str) -> HostRecord | None:
        """The host of that name."""
        return self._by_name.get(name)

    def of_agent(self, agent_id: str) -> HostRecord | None:
        """The host at which this agent answered last."""
        return self._by_agent.get(agent_id)

    def identify(self, record: HostRecord, agent_id: str) -> None:
        """Know whose agent answers at a host of which nothing else is known any more; empty: nobody's."""
        if self._by_agent.get(record.agent_id) is record:
            del self._by_agent[record.agent_id]
        record.agent_id = agent_id
        if agent_id:
            self._by_agent[agent_id] = record

    def digest_is_void(self, key: int, pool_uuid: str) -> None:
        """A pool's volumes are not as they were told."""
        self._by_key[key].digests.pop(pool_uuid, None)

    def ask_anew(self, keys: Iterable[int]) -> None:
        """Begin from nothing with these."""
        for key in keys:
            self._by_key[key].renew = True
