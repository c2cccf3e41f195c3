"""VolumeService: translates requests to use cases and reads, and their answers back."""

from collections.abc import Iterator
from typing import Any

import grpc

from poolfleet.v1 import snapshot_pb2, volume_service_pb2, volume_service_pb2_grpc
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.volumes.clone import CloneVolume
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.lookup import find_volume_by_key, find_volume_by_path
from poolfleet_agent.control.volumes.resize import ResizeVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.control.volumes.wipe import WipeVolume
from poolfleet_agent.inventory.folder_volumes import UNDESCRIBED
from poolfleet_agent.inventory.pages import page_of
from poolfleet_agent.inventory.snapshot import PoolEntry, Snapshot, VolumeRecord, volume_not_found
from poolfleet_agent.model.errors import ModelError, invalid_field
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.model.preallocation import preallocated
from poolfleet_agent.model.quarantine import QUARANTINED
from poolfleet_agent.model.wiping import ZERO
from poolfleet_agent.services.convert.unread import unread_pools
from poolfleet_agent.services.convert.volumes import (
    clone_definition_from,
    definition_from,
    new_size_from,
    source_secret_from,
)
from poolfleet_agent.services.convert.wire import repeated
from poolfleet_agent.services.mutating import submit
from poolfleet_agent.services.pool_filter import question_of
from poolfleet_agent.services.reading import date, too_old, wanted_staleness_s

Context = grpc.aio.ServicerContext[Any, Any]
_PB = volume_service_pb2
_VOLUMES = _PB.ListVolumesResponse.DESCRIPTOR.fields_by_name["volumes"].number


class VolumeServicer(volume_service_pb2_grpc.VolumeServiceServicer):
    """Implements VolumeService."""

    def __init__(self, host: Host, operations: Operations) -> None:
        """Take the host's use cases and what runs them."""
        self._host = host
        self._operations = operations
        self._promises = Promises()

    async def CreateVolume(self, request: _PB.CreateVolumeRequest, context: Context) -> _PB.CreateVolumeResponse:
        """Create a volume."""
        check_known_name("pool", request.pool)
        match request.WhichOneof("definition"):
            case "spec":
                definition = definition_from(request.spec)
            case "xml":
                definition = self._host.hypervisor.documents.parse_volume(request.xml)
            case _:
                raise invalid_field("definition", "needs spec or xml")
        definition = preallocated(definition, request.preallocation, by_libvirt=bool(request.xml))
        mutation = CreateVolume(
            host=self._host, promises=self._promises, pool=request.pool, definition=definition, xml=request.xml
        )
        return _PB.CreateVolumeResponse(operation=await submit(self._operations, request, mutation))

    async def GetVolume(self, request: _PB.GetVolumeRequest, context: Context) -> _PB.GetVolumeResponse:
        """Read one volume."""
        check_known_name("pool", request.pool)
        check_known_name("volume", request.volume)
        host = self._host
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
            try:
                record = await host.looker.volume(request.pool, request.volume)
                as_of_s = host.clock.now_s()
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
            return (await self._host.looker.described_volume(pool, volume)).xml
        except ModelError as error:
            if error.reason not in UNDESCRIBED:
                raise
            return ""

    async def ListVolumes(self, request: _PB.ListVolumesRequest, context: Context) -> _PB.ListVolumesResponse:
        """List volumes."""
        host = self._host
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
            size_bytes=lambda record: len(record.encoded),
        )
        as_of_s = min((entry.pool.volumes_as_of_s or entry.pool.as_of_s for entry in entries), default=snapshot.as_of_s)
        answer = _PB.ListVolumesResponse(next_page_token=page.next_token)
        if not request.page_token:
            answer.unread_pools.extend(unread_pools(entries, {} if request.pool else snapshot.never_read))
        answer.MergeFromString(repeated(_VOLUMES, (record.encoded for record in page.items)))
        date(answer, snapshot, as_of_s=as_of_s, now_s=host.clock.now_s())
        return answer

    async def LookupVolume(self, request: _PB.LookupVolumeRequest, context: Context) -> _PB.LookupVolumeResponse:
        """Find a volume by path or key."""
        match request.WhichOneof("by"):
            case "path":
                entry, record = await find_volume_by_path(self._host, request.path)
            case "key":
                entry, record = await find_volume_by_key(self._host, request.key)
            case _:
                raise invalid_field("by", "needs path or key")
        snapshot: Snapshot = self._host.registry.snapshot
        as_of_s = entry.pool.volumes_as_of_s or entry.pool.as_of_s
        answer = _PB.LookupVolumeResponse()
        answer.volume.MergeFromString(record.encoded)
        date(answer, snapshot, as_of_s=as_of_s, now_s=self._host.clock.now_s())
        return answer

    async def CloneVolume(self, request: _PB.CloneVolumeRequest, context: Context) -> _PB.CloneVolumeResponse:
        """Clone a volume."""
        check_known_name("pool", request.pool)
        match request.WhichOneof("definition"):
            case "spec":
                definition = clone_definition_from(request.spec)
            case "xml":
                definition = self._host.hypervisor.documents.parse_volume(request.xml)
            case _:
                raise invalid_field("definition", "needs spec or xml")
        if request.target_pool:
            check_known_name("target_pool", request.target_pool)
        mutation = CloneVolume(
            host=self._host,
            promises=self._promises,
            source_pool=request.pool,
            source_volume=request.volume,
            pool=request.target_pool or request.pool,
            definition=definition,
            xml=request.xml,
            linked=request.spec.linked,
            decrypted=request.spec.decrypted,
            source_secret=source_secret_from(request),
            allow_in_use=request.allow_in_use,
            etag=request.etag,
        )
        return _PB.CloneVolumeResponse(operation=await submit(self._operations, request, mutation))

    async def DeleteVolume(self, request: _PB.DeleteVolumeRequest, context: Context) -> _PB.DeleteVolumeResponse:
        """Delete a volume."""
        check_known_name("pool", request.pool)
        mutation = DeleteVolume(
            host=self._host,
            pool=request.pool,
            volume=request.volume,
            etag=request.etag,
            allow_missing=request.allow_missing,
            allow_in_use=request.allow_in_use,
        )
        return _PB.DeleteVolumeResponse(operation=await submit(self._operations, request, mutation))

    async def ResizeVolume(self, request: _PB.ResizeVolumeRequest, context: Context) -> _PB.ResizeVolumeResponse:
        """Change a volume's capacity."""
        check_known_name("pool", request.pool)
        mutation = ResizeVolume(
            host=self._host,
            promises=self._promises,
            pool=request.pool,
            volume=request.volume,
            size=new_size_from(request),
            allow_shrink=request.allow_shrink,
            allocate=request.allocate,
            allow_in_use=request.allow_in_use,
            etag=request.etag,
        )
        return _PB.ResizeVolumeResponse(operation=await submit(self._operations, request, mutation))

    async def WipeVolume(self, request: _PB.WipeVolumeRequest, context: Context) -> _PB.WipeVolumeResponse:
        """Overwrite what a volume holds."""
        check_known_name("pool", request.pool)
        mutation = WipeVolume(
            host=self._host,
            pool=request.pool,
            volume=request.volume,
            algorithm=request.algorithm or ZERO,
            allow_in_use=request.allow_in_use,
            etag=request.etag,
        )
        return _PB.WipeVolumeResponse(operation=await submit(self._operations, request, mutation))


def _fitting(
    entries: list[PoolEntry], request: _PB.ListVolumesRequest
) -> Iterator[tuple[tuple[str, ...], VolumeRecord]]:
    formats = set(request.filter.formats)
    for entry in entries:
        for name, record in entry.volumes.items():
            if record.facts.special and not request.include_special:
                continue
            if (not formats or record.facts.format in formats) and name.startswith(request.filter.name_prefix):
                yield (entry.pool.name, name), record
