"""VolumeService: translates requests to use cases and their answers back; its reads are those of volume_reads."""

from typing import Any

import grpc

from poolfleet.v1 import volume_service_pb2
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.volumes.clone import CloneVolume
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.lookup import find_volume_by_key, find_volume_by_path
from poolfleet_agent.control.volumes.resize import ResizeVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.control.volumes.wipe import WipeVolume
from poolfleet_agent.inventory.snapshot import Snapshot
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.model.preallocation import preallocated
from poolfleet_agent.model.wiping import ZERO
from poolfleet_agent.services.convert.volumes import (
    clone_definition_from,
    definition_from,
    new_size_from,
    source_secret_from,
)
from poolfleet_agent.services.mutating import submit
from poolfleet_agent.services.reading import date
from poolfleet_agent.services.volume_reads import VolumeReads

Context = grpc.aio.ServicerContext[Any, Any]
_PB = volume_service_pb2


class VolumeServicer(VolumeReads):
    """Implements VolumeService."""

    def __init__(self, host: Host, operations: Operations) -> None:
        """Take the host's use cases and what runs them."""
        super().__init__(host)
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
