"""PoolService: translates requests to use cases and their answers back; its reads are those of pool_reads."""

from typing import Any

import grpc

from poolfleet.v1 import pool_service_pb2
from poolfleet_agent.control.at_once import AtOnce
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.pools.build import BuildPool
from poolfleet_agent.control.pools.define import DefinePool
from poolfleet_agent.control.pools.discover import DiscoverPoolSources
from poolfleet_agent.control.pools.erase import ErasePool
from poolfleet_agent.control.pools.probe import ProbePool
from poolfleet_agent.control.pools.refresh import RefreshPool
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.control.pools.stop import StopPool
from poolfleet_agent.control.pools.undefine import UndefinePool
from poolfleet_agent.control.pools.update import UpdatePool
from poolfleet_agent.control.storage import AdoptStorage
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.model.ports import BuildMode
from poolfleet_agent.services.convert.diagnosis import diagnosis_to, discovery_to, query_from
from poolfleet_agent.services.convert.pools import definition_from, partial_definition_from
from poolfleet_agent.services.convert.retries import retry_policy_from
from poolfleet_agent.services.mutating import submit
from poolfleet_agent.services.pool_reads import PoolReads

Context = grpc.aio.ServicerContext[Any, Any]
_PB = pool_service_pb2


class PoolServicer(PoolReads):
    """Implements PoolService."""

    def __init__(self, host: Host, operations: Operations) -> None:
        """Take the host's use cases and what runs them."""
        super().__init__(host)
        self._host = host
        self._operations = operations
        self._diagnoses = AtOnce(16, "diagnoses")
        self._discoveries = AtOnce(4, "looks for sources")

    async def DefinePool(self, request: _PB.DefinePoolRequest, context: Context) -> _PB.DefinePoolResponse:
        """Store a definition."""
        match request.WhichOneof("definition"):
            case "spec":
                definition = definition_from(request.spec)
            case "xml":
                definition = self._host.hypervisor.documents.parse_pool(request.xml)
            case _:
                raise invalid_field("definition", "needs spec or xml")
        mutation = DefinePool(host=self._host, definition=definition, xml=request.xml, transient=request.transient)
        return _PB.DefinePoolResponse(operation=await submit(self._operations, request, mutation))

    async def UpdatePool(self, request: _PB.UpdatePoolRequest, context: Context) -> _PB.UpdatePoolResponse:
        """Change definition, autostart or supervision."""
        check_known_name("pool", request.pool)
        update, mask = request.update, frozenset(request.update_mask.paths)
        xml = update.xml if "xml" in mask else ""
        definition = None
        if xml:
            definition = self._host.hypervisor.documents.parse_pool(xml)
        elif update.HasField("spec"):
            entry = await self._host.find_pool(request.pool)
            definition = partial_definition_from(request.pool, entry.pool.definition.type, update.spec)
        mutation = UpdatePool(
            host=self._host,
            pool=request.pool,
            etag=request.etag,
            mask=mask,
            definition=definition,
            xml=xml,
            autostart=update.autostart,
            supervised=update.supervised,
        )
        return _PB.UpdatePoolResponse(operation=await submit(self._operations, request, mutation))

    async def UndefinePool(self, request: _PB.UndefinePoolRequest, context: Context) -> _PB.UndefinePoolResponse:
        """Forget a pool."""
        check_known_name("pool", request.pool)
        mutation = UndefinePool(
            host=self._host,
            pool=request.pool,
            etag=request.etag,
            allow_missing=request.allow_missing,
            allow_in_use=request.allow_in_use,
        )
        return _PB.UndefinePoolResponse(operation=await submit(self._operations, request, mutation))

    async def ErasePool(self, request: _PB.ErasePoolRequest, context: Context) -> _PB.ErasePoolResponse:
        """Destroy what a pool stores."""
        check_known_name("pool", request.pool)
        mutation = ErasePool(
            host=self._host,
            pool=request.pool,
            etag=request.etag,
            allow_missing=request.allow_missing,
            allow_in_use=request.allow_in_use,
        )
        return _PB.ErasePoolResponse(operation=await submit(self._operations, request, mutation))

    async def StartPool(self, request: _PB.StartPoolRequest, context: Context) -> _PB.StartPoolResponse:
        """Start a pool."""
        check_known_name("pool", request.pool)
        retry = retry_policy_from(request.retry, self._host.rules.mount_retries) if request.HasField("retry") else None
        mutation = StartPool(host=self._host, pool=request.pool, etag=request.etag, retry=retry)
        return _PB.StartPoolResponse(operation=await submit(self._operations, request, mutation))

    async def StopPool(self, request: _PB.StopPoolRequest, context: Context) -> _PB.StopPoolResponse:
        """Stop a pool."""
        check_known_name("pool", request.pool)
        mutation = StopPool(
            host=self._host,
            pool=request.pool,
            etag=request.etag,
            allow_in_use=request.allow_in_use,
            force=request.force,
        )
        return _PB.StopPoolResponse(operation=await submit(self._operations, request, mutation))

    async def BuildPool(self, request: _PB.BuildPoolRequest, context: Context) -> _PB.BuildPoolResponse:
        """Build a pool."""
        check_known_name("pool", request.pool)
        if request.overwrite and request.no_overwrite:
            raise invalid_field("overwrite", "contradicts no_overwrite")
        mode = BuildMode.NEW
        if request.overwrite:
            mode = BuildMode.OVERWRITE
        elif request.no_overwrite:
            mode = BuildMode.NO_OVERWRITE
        mutation = BuildPool(host=self._host, pool=request.pool, etag=request.etag, mode=mode)
        return _PB.BuildPoolResponse(operation=await submit(self._operations, request, mutation))

    async def RefreshPool(self, request: _PB.RefreshPoolRequest, context: Context) -> _PB.RefreshPoolResponse:
        """Refresh a pool."""
        check_known_name("pool", request.pool)
        mutation = RefreshPool(host=self._host, pool=request.pool, etag=request.etag)
        return _PB.RefreshPoolResponse(operation=await submit(self._operations, request, mutation))

    async def ProbePool(self, request: _PB.ProbePoolRequest, context: Context) -> _PB.ProbePoolResponse:
        """Diagnose a pool."""
        check_known_name("pool", request.pool)
        probe = ProbePool(host=self._host, pool=request.pool, write_test=request.write_test)
        with self._diagnoses.place():
            return diagnosis_to(await probe.run())

    async def DiscoverPoolSources(
        self, request: _PB.DiscoverPoolSourcesRequest, context: Context
    ) -> _PB.DiscoverPoolSourcesResponse:
        """Find sources that new pools could have."""
        with self._discoveries.place():
            return discovery_to(await DiscoverPoolSources(host=self._host, query=query_from(request)).run())

    async def AdoptStorage(self, request: _PB.AdoptStorageRequest, context: Context) -> _PB.AdoptStorageResponse:
        """Mark the storage behind a pool."""
        check_known_name("pool", request.pool)
        mutation = AdoptStorage(host=self._host, pool=request.pool, etag=request.etag)
        return _PB.AdoptStorageResponse(operation=await submit(self._operations, request, mutation))
