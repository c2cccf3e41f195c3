"""VolumeService: what reads volumes, from the snapshot."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import grpc

from poolfleet.v1 import snapshot_pb2, volume_service_pb2, volume_service_pb2_grpc
from poolfleet_agent.control.readable import ReadableHost
from poolfleet_agent.inventory.folder_volumes import UNDESCRIBED
from poolfleet_agent.inventory.pages import page_of
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord, volume_not_found
from poolfleet_agent.model.errors import ModelError, invalid_field
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.model.quarantine import QUARANTINED
from poolfleet_agent.services.convert.unread import unread_pools
from poolfleet_agent.services.convert.wire import with_repeated
from poolfleet_agent.services.pool_filter import question_of
from poolfleet_agent.services.reading import date, too_old, wanted_staleness_s

Context = grpc.aio.ServicerContext[Any, Any]
_PB = volume_service_pb2
_VOLUMES = _PB.ListVolumesResponse.DESCRIPTOR.fields_by_name["volumes"].number


class VolumeReads(volume_service_pb2_grpc.VolumeServiceServicer):
    """Implements those RPCs of VolumeService that read the snapshot."""

    def __init__(self, host: ReadableHost) -> None:
        """Take what is read."""
        self._readable = host

    async def GetVolume(self, request: _PB.GetVolumeRequest, context: Context) -> _PB.GetVolumeResponse:
        """Read one volume."""
        check_known_name("pool", request.pool)
        check_known_name("volume", request.volume)
        host = self._readable
        staleness_s = wanted_staleness_s(request.max_staleness, present=request.HasField("max_staleness"))
        host.registry.snapshot.require_loaded()
        entry = await host.find_pool(request.pool)
        record = entry.volumes.get(request.volume)
        as_of_s = entry.pool.volumes_as_of_s or entry.pool.as_of_s
        xml = ""
        described = request.view == snapshot_pb2.VIEW_FULL
        if described:
            xml = await self._xml(request.pool, request.volume)
        if record is None or described or too_old(as_of_s, host.clock.now_s(), staleness_s):
            if record is None and not entry.pool.active:
                raise volume_not_found(request.pool, request.volume)
            began_s = host.clock.now_s()
            try:
                record = await host.looker.volume(request.pool, request.volume)
                as_of_s = began_s
            except ModelError as error:
                if record is None or error.reason not in QUARANTINED:
                    raise
        answer = _PB.GetVolumeResponse()
        answer.volume.MergeFromString(record.encoded)
        answer.volume.xml = xml
        date(answer, host.registry.snapshot, as_of_s=as_of_s, now_s=host.clock.now_s())
        return answer

    async def _xml(self, pool: str, volume: str) -> str:
        """libvirt's document; empty: it has none of a file that it has not seen yet, or cannot make sense of."""
        try:
            return (await self._readable.looker.described_volume(pool, volume)).xml
        except ModelError as error:
            if error.reason not in UNDESCRIBED:
                raise
            return ""

    async def ListVolumes(self, request: _PB.ListVolumesRequest, context: Context) -> Any:
        """List volumes; the answer is a ListVolumesResponse, encoded: its volumes are already, and may be thousands."""
        host = self._readable
        staleness_s = wanted_staleness_s(request.max_staleness, present=request.HasField("max_staleness"))
        if staleness_s is not None and not request.pool:
            raise invalid_field("max_staleness", "needs pool")
        host.registry.snapshot.require_loaded()
        if request.pool:
            entry = await host.find_pool(request.pool)
            stale = too_old(entry.pool.volumes_as_of_s, host.clock.now_s(), staleness_s)
            if entry.pool.active and stale and not request.page_token:  # one look for all pages
                await host.looker.pool(request.pool)
        snapshot = host.registry.snapshot
        entries = [snapshot.entry(request.pool)] if request.pool else list(snapshot.pools.values())
        page = page_of(
            _fitting(entries, request),
            asked_size=request.page_size,
            token=request.page_token,
            question=question_of(request.filter, request.pool, str(request.include_special)),
            key=lambda record: (record.facts.pool, record.facts.name),
            size_bytes=lambda record: len(record.encoded),
        )
        as_of_s = min((entry.pool.volumes_as_of_s or entry.pool.as_of_s for entry in entries), default=snapshot.as_of_s)
        answer = _PB.ListVolumesResponse(next_page_token=page.next_token)
        if not request.page_token:
            answer.unread_pools.extend(unread_pools(entries, {} if request.pool else snapshot.never_read))
        date(answer, snapshot, as_of_s=as_of_s, now_s=host.clock.now_s())
        return with_repeated(_VOLUMES, [record.encoded for record in page.items], answer.SerializeToString())


def _fitting(entries: Iterable[PoolEntry], request: _PB.ListVolumesRequest) -> Iterator[VolumeRecord]:
    """What is asked for, in its order. Mostly that is everything: then nothing is asked of each volume."""
    return chain.from_iterable(_fitting_of_pool(entry, request) for entry in entries)


def _fitting_of_pool(entry: PoolEntry, request: _PB.ListVolumesRequest) -> Iterable[VolumeRecord]:
    formats, prefix = set(request.filter.formats), request.filter.name_prefix
    records: Iterable[VolumeRecord] = entry.volumes.values()
    if entry.has_special and not request.include_special:
        records = (record for record in records if not record.facts.special)
    if formats:
        records = (record for record in records if record.facts.format in formats)
    if prefix:
        records = (record for record in records if record.facts.name.startswith(prefix))
    return records
