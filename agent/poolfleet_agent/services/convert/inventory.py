"""What a watch tells, from the inventory to the API, in batches."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from poolfleet.v1 import inventory_service_pb2, volume_service_pb2
from poolfleet_agent.inventory.snapshot import Snapshot, VolumeRecord
from poolfleet_agent.inventory.watch import PART_BYTES, DomainPart, Mark, Part, PoolPart, Resync
from poolfleet_agent.services.convert.disks import disk_to
from poolfleet_agent.services.convert.texts import text_to
from poolfleet_agent.services.convert.times import write_timestamp
from poolfleet_agent.services.convert.unread import unread_pools
from poolfleet_agent.services.reading import date

_PB = inventory_service_pb2


@dataclass(kw_only=True)
class Batches:
    """Puts parts together until a batch is full, or the state consistent: at most about 1 MiB."""

    pools: frozenset[str]
    filter_digest: str
    now_s: Callable[[], float]
    _batch: _PB.WatchInventoryResponse = field(default_factory=_PB.WatchInventoryResponse)
    _size_bytes: int = 0

    async def of(self, parts: AsyncIterator[Part]) -> AsyncIterator[_PB.WatchInventoryResponse]:
        """Read parts, without end."""
        async for part in parts:
            match part:
                case Resync(reason=reason):
                    self._batch.resync.reason = _PB.Resync.Reason.Value(f"REASON_{reason}")
                case PoolPart():
                    _write_pool(self._batch.pools.add(), part)
                    self._size_bytes += part.size_bytes
                case DomainPart():
                    _write_domain(self._batch.domains.add(), part)
                    self._size_bytes += part.size_bytes
                case Mark():
                    self._write_bookmark(self._batch.bookmark, part)
            if isinstance(part, Mark) or self._size_bytes >= PART_BYTES:
                full, self._batch, self._size_bytes = self._batch, _PB.WatchInventoryResponse(), 0
                yield full

    def _write_bookmark(self, message: _PB.Bookmark, mark: Mark) -> None:
        snapshot: Snapshot = mark.snapshot
        date(message, snapshot, as_of_s=snapshot.as_of_s, now_s=self.now_s())
        message.filter_digest = self.filter_digest
        message.unread_pools.extend(self._unread(snapshot))
        if snapshot.disks is not None:
            write_timestamp(message.domains_as_of, snapshot.disks.as_of_s)
            message.domains_missing.extend(map(text_to, snapshot.disks.missing))

    def _unread(self, snapshot: Snapshot) -> list[volume_service_pb2.UnreadPool]:
        unread = unread_pools(snapshot.pools.values(), snapshot.never_read)
        return [one for one in unread if not self.pools or one.pool in self.pools]


def _write_pool(message: _PB.PoolChange, part: PoolPart) -> None:
    message.pool_uuid = part.uuid
    if part.entry is None:
        message.gone = True
        return
    message.name = part.entry.pool.name
    if part.itself:
        message.pool.MergeFromString(part.entry.encoded)
    message.unchanged, message.whole, message.digest = part.unchanged, part.whole, part.digest
    message.target_path = part.entry.pool.definition.target_path or ""
    for record in part.volumes:
        _write_volume(message, record)
    message.gone_volumes.extend(part.gone_volumes)


def _write_volume(message: _PB.PoolChange, record: VolumeRecord) -> None:
    """Write a volume without what follows from its name and its pool: half of it, of an ordinary file."""
    volume = message.volumes.add()
    volume.MergeFromString(record.encoded)
    volume.ClearField("pool")
    usual = f"{message.target_path}/{volume.name}"
    if volume.path == usual:
        volume.ClearField("path")
    if volume.key == usual:
        volume.ClearField("key")


def _write_domain(message: _PB.DomainChange, part: DomainPart) -> None:
    message.domain_uuid = part.uuid
    message.domain = part.disks[0].reference.domain if part.disks else ""
    message.disks.extend(disk_to(disk) for disk in part.disks)
