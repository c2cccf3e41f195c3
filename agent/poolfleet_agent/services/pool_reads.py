"""PoolService: what reads pools, from the snapshot."""

from typing import Any

import grpc

from poolfleet.v1 import pool_pb2, pool_service_pb2, pool_service_pb2_grpc, snapshot_pb2
from poolfleet_agent.control.readable import ReadableHost
from poolfleet_agent.inventory.pages import page_of
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.names import check_known_name
from poolfleet_agent.services.pool_filter import filtered_pools, question_of
from poolfleet_agent.services.reading import date, too_old, wanted_staleness_s

Context = grpc.aio.ServicerContext[Any, Any]
_PB = pool_service_pb2


class PoolReads(pool_service_pb2_grpc.PoolServiceServicer):
    """Implements those RPCs of PoolService that change nothing."""

    def __init__(self, host: ReadableHost) -> None:
        """Take what is read."""
        self._readable = host

    async def GetPool(self, request: _PB.GetPoolRequest, context: Context) -> _PB.GetPoolResponse:
        """Read one pool."""
        check_known_name("pool", request.pool)
        host = self._readable
        staleness_s = wanted_staleness_s(request.max_staleness, present=request.HasField("max_staleness"))
        snapshot = host.registry.snapshot
        snapshot.require_loaded()
        entry = snapshot.pools.get(request.pool)
        if entry is None:
            entry = await host.looker.pool(request.pool)
        elif too_old(entry.pool.as_of_s, host.clock.now_s(), staleness_s):
            entry = await host.looker.pool_facts(request.pool)
        answer = _PB.GetPoolResponse()
        _write_pool(answer.pool, entry, request.view)
        date(answer, host.registry.snapshot, as_of_s=entry.pool.as_of_s, now_s=host.clock.now_s())
        return answer

    async def ListPools(self, request: _PB.ListPoolsRequest, context: Context) -> _PB.ListPoolsResponse:
        """List pools."""
        snapshot = self._readable.registry.snapshot
        snapshot.require_loaded()
        page = page_of(
            filtered_pools(snapshot, request.filter),
            key=lambda entry: (entry.pool.name,),
            asked_size=request.page_size,
            token=request.page_token,
            question=question_of(request.filter),
            size_bytes=lambda entry: _size_bytes(entry, request.view),
        )
        as_of_s = min((entry.pool.as_of_s for entry in page.items), default=snapshot.as_of_s)
        answer = _PB.ListPoolsResponse(next_page_token=page.next_token)
        for entry in page.items:
            _write_pool(answer.pools.add(), entry, request.view)
        date(answer, snapshot, as_of_s=as_of_s, now_s=self._readable.clock.now_s())
        return answer


def _write_pool(message: pool_pb2.Pool, entry: PoolEntry, view: snapshot_pb2.View.ValueType) -> None:
    message.MergeFromString(entry.encoded)
    if view == snapshot_pb2.VIEW_FULL:
        message.xml = entry.pool.facts.xml
        message.inactive_xml = entry.pool.facts.inactive_xml


def _size_bytes(entry: PoolEntry, view: snapshot_pb2.View.ValueType) -> int:
    if view != snapshot_pb2.VIEW_FULL:
        return len(entry.encoded)
    return len(entry.encoded) + 4 * (len(entry.pool.facts.xml) + len(entry.pool.facts.inactive_xml))
