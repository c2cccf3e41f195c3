"""InventoryService: what the host's domains use."""

from typing import Any

import grpc

from poolfleet.v1 import inventory_service_pb2, inventory_service_pb2_grpc
from poolfleet_agent.control.host import Host
from poolfleet_agent.inventory.pages import page_of
from poolfleet_agent.model.domain_disk import DomainDisk
from poolfleet_agent.model.errors import invalid_field
from poolfleet_agent.services.convert.disks import disk_to
from poolfleet_agent.services.pool_filter import question_of
from poolfleet_agent.services.reading import date, too_old, wanted_staleness_s

Context = grpc.aio.ServicerContext[Any, Any]
_PB = inventory_service_pb2


class InventoryServicer(inventory_service_pb2_grpc.InventoryServiceServicer):
    """Implements InventoryService."""

    def __init__(self, host: Host) -> None:
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
            ((disk.place_in_order, disk) for disk in disks.disks if _fits(disk, request.filter)),
            asked_size=request.page_size,
            token=request.page_token,
            question=question_of(request.filter),
            size_bytes=lambda disk: 256 + len(disk.path),
        )
        answer = _PB.ListDomainDisksResponse(
            disks=[disk_to(disk) for disk in page.items],
            next_page_token=page.next_token,
            complete=disks.complete,
            missing=disks.missing,
        )
        date(answer, host.registry.snapshot, as_of_s=disks.as_of_s, now_s=host.clock.now_s())
        return answer


def _fits(disk: DomainDisk, wanted: _PB.DomainDiskFilter) -> bool:
    return (
        (not wanted.pool or disk.pool == wanted.pool)
        and (not wanted.volume or disk.volume == wanted.volume)
        and (not wanted.domain or disk.reference.domain == wanted.domain)
    )
