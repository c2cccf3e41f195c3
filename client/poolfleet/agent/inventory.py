"""What the domains of one host use."""

from __future__ import annotations

from poolfleet.agent.convert.hosts import disk
from poolfleet.agent.convert.outgoing import representable, staleness
from poolfleet.agent.convert.scalars import moment, revision, seconds
from poolfleet.agent.paging import pages
from poolfleet.transport.connection import Connection
from poolfleet.types.disk import DomainDisk, DomainDisks
from poolfleet.types.snapshot import Revision
from poolfleet.v1 import inventory_service_pb2 as pb


class Inventory:
    """Tells what domains refer to on storage."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def disks(
        self,
        *,
        pool: str = "",
        volume: str = "",
        domain: str = "",
        max_staleness_s: float | None = None,
        timeout_s: float | None = None,
    ) -> DomainDisks:
        """Read what domains refer to, live and stored, by domain, target and depth; empty: any pool, volume, domain.

        volume goes with `pool`. max_staleness_s: 0 has the domains read anew. timeout_s is each page's own.
        """
        with representable:
            request = pb.ListDomainDisksRequest(
                filter=pb.DomainDiskFilter(pool=pool, volume=volume, domain=domain),
                max_staleness=staleness(max_staleness_s),
            )
        disks: list[DomainDisk] = []
        missing: dict[str, None] = {}
        complete, at, looks = True, Revision(epoch="", sequence=0), []
        async for page in pages(self._connection, self._connection.inventory.ListDomainDisks, request, timeout_s):
            disks.extend(map(disk, page.disks))
            missing.update(dict.fromkeys(page.missing))
            complete = complete and page.complete
            at = revision(page.revision)
            looks.append((moment(page.as_of), seconds(page.age)))
        as_of, age_s = min(looks)
        return DomainDisks(
            disks=tuple(disks), complete=complete, missing=tuple(missing), revision=at, as_of=as_of, age_s=age_s
        )
