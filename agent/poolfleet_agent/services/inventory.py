"""InventoryService: what the host's domains use, and what changes."""

from collections.abc import AsyncIterator
from operator import attrgetter
from typing import Any

import grpc

from poolfleet.v1 import inventory_service_pb2, inventory_service_pb2_grpc
from poolfleet_agent.control.readable import ReadableHost
from poolfleet_agent.inventory.pages import digest_of, page_of
from poolfleet_agent.inventory.snapshot import Revision
from poolfleet_agent.inventory.watch import Watch, Watched
from poolfleet_agent.model.domain_disk import DomainDisk
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.services.convert.disks import disk_to
from poolfleet_agent.services.convert.inventory import Batches
from poolfleet_agent.services.convert.texts import text_to
from poolfleet_agent.services.convert.times import seconds
from poolfleet_agent.services.pool_filter import question_of
from poolfleet_agent.services.reading import date, too_old, wanted_staleness_s

Context = grpc.aio.ServicerContext[Any, Any]
_PB = inventory_service_pb2

DEFAULT_HEARTBEAT_S = 15.0
SHORTEST_HEARTBEAT_S, LONGEST_HEARTBEAT_S = 1.0, 600.0


class InventoryServicer(inventory_service_pb2_grpc.InventoryServiceServicer):
    """Implements InventoryService."""

    def __init__(self, host: ReadableHost) -> None:
        """Take the host."""
        self._host = host

    async def ListDomainDisks(
        self, request: _PB.ListDomainDisksRequest, context: Context
    ) -> _PB.ListDomainDisksResponse:
        """List what domains refer to."""
        host = self._host
        staleness_s = wanted_staleness_s(request.max_staleness, present=request.HasField("max_staleness"))
        if request.filter.volume and not request.filter.pool:
            raise invalid_field("filter.volume", "needs filter.pool")
        host.registry.snapshot.require_loaded()
        disks = host.registry.snapshot.disks
        if disks is None or too_old(disks.as_of_s, host.clock.now_s(), staleness_s):
            disks = await host.fresh_disks()
        page = page_of(
            (disk for disk in disks.disks if _fits(disk, request.filter)),
            key=attrgetter("place_in_order"),
            asked_size=request.page_size,
            token=request.page_token,
            question=question_of(request.filter),
            size_bytes=lambda disk: 256 + len(disk.path),
        )
        answer = _PB.ListDomainDisksResponse(
            disks=[disk_to(disk) for disk in page.items],
            next_page_token=page.next_token,
            complete=disks.complete,
            missing=map(text_to, disks.missing),
        )
        date(answer, host.registry.snapshot, as_of_s=disks.as_of_s, now_s=host.clock.now_s())
        return answer

    async def WatchInventory(
        self, request: _PB.WatchInventoryRequest, context: Context
    ) -> AsyncIterator[_PB.WatchInventoryResponse]:
        """Stream the state and its changes."""
        host, wanted = self._host, request.filter
        filter_digest = digest_of(question_of(wanted))
        watch = Watch(
            registry=host.registry,
            clock=host.clock,
            watched=Watched(
                pools=frozenset(wanted.pools),
                volumes=not wanted.without_volumes,
                domain_disks=not wanted.without_domain_disks,
                special=wanted.include_special,
            ),
            heartbeat_s=_heartbeat_s(request),
            resume=_resumed(request, filter_digest),
            known=_known(request),
        )
        batches = Batches(pools=watch.watched.pools, filter_digest=filter_digest, now_s=host.clock.now_s)
        async for batch in batches.of(watch.parts()):
            yield batch


def _fits(disk: DomainDisk, wanted: _PB.DomainDiskFilter) -> bool:
    return (
        (not wanted.pool or disk.pool == wanted.pool)
        and (not wanted.volume or disk.volume == wanted.volume)
        and (not wanted.domain or disk.reference.domain == wanted.domain)
    )


def _heartbeat_s(request: _PB.WatchInventoryRequest) -> float:
    if not request.HasField("heartbeat"):
        return DEFAULT_HEARTBEAT_S
    asked_s = seconds("heartbeat", request.heartbeat)
    if not SHORTEST_HEARTBEAT_S <= asked_s <= LONGEST_HEARTBEAT_S:
        limits = f"{SHORTEST_HEARTBEAT_S:g} to {LONGEST_HEARTBEAT_S:g} seconds"
        raise invalid_field("heartbeat", f"must be {limits}", value=str(asked_s))
    return asked_s


def _resumed(request: _PB.WatchInventoryRequest, filter_digest: str) -> Revision | None:
    if not request.HasField("resume_revision"):
        if request.known:
            raise invalid_field("known", "needs resume_revision")
        return None
    if request.resume_filter_digest != filter_digest:
        raise invalid_field(
            "resume_filter_digest", "is not of this filter; begin anew", value=request.resume_filter_digest[:100]
        )
    return Revision(epoch=request.resume_revision.epoch, sequence=request.resume_revision.sequence)


def _known(request: _PB.WatchInventoryRequest) -> dict[str, str]:
    known = {pool.pool_uuid: pool.digest for pool in request.known}
    if len(known) != len(request.known):
        raise invalid_field("known", "names a pool twice")
    return known
