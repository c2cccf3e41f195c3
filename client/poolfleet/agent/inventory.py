"""What one host has and what its domains use, as it stands and as it changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol

from poolfleet.agent.convert.hosts import disk
from poolfleet.agent.convert.inventory import batch as converted
from poolfleet.agent.convert.inventory import row_batch, write_resume
from poolfleet.agent.convert.outgoing import duration, representable, staleness
from poolfleet.agent.convert.scalars import moment, revision, seconds
from poolfleet.agent.paging import pages
from poolfleet.agent.watched import WatchedInventory
from poolfleet.transport import calls
from poolfleet.transport.connection import Connection
from poolfleet.transport.retries import interrupts, reconnecting
from poolfleet.types.disk import DomainDisk, DomainDisks
from poolfleet.types.errors import PoolfleetError, Unavailable
from poolfleet.types.inventory import Follower, InventoryBatch, ResumePoint
from poolfleet.types.snapshot import Revision
from poolfleet.v1 import inventory_service_pb2 as pb

_Begun = tuple[AsyncGenerator[InventoryBatch, None], InventoryBatch]


class _Watch(Protocol):
    def __call__(self, *, resume: ResumePoint | None) -> AsyncGenerator[InventoryBatch, None]: ...


class Inventory:
    """Tells what domains refer to on storage, and what changes."""

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

    async def watch(
        self,
        *,
        pools: Sequence[str] = (),
        volumes: bool = True,
        domain_disks: bool = True,
        include_special: bool = False,
        resume: ResumePoint | None = None,
        heartbeat_s: float | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[InventoryBatch, None]:
        """Yield the whole state, or what is new since `resume`, then each change, without end.

        pools: names; empty: all. include_special: directories and files whose names begin with a dot, too.
        resume: what `WatchedInventory.resume` answers. Raises InvalidArgument where that watched something else.
        heartbeat_s: how often a bookmark comes while nothing changes, 1 to 600; None: 15.
        timeout_s: None: no limit. Raises Unavailable where the connection is lost: watch again, with `resume`.
        """
        request = _request(
            pools=pools,
            volumes=volumes,
            domain_disks=domain_disks,
            include_special=include_special,
            resume=resume,
            heartbeat_s=heartbeat_s,
        )
        async with aclosing(self._stream(request, timeout_s)) as responses:
            async for response in responses:
                yield converted(response)

    def follow(
        self,
        state: WatchedInventory,
        *,
        pools: Sequence[str] = (),
        volumes: bool = True,
        domain_disks: bool = True,
        include_special: bool = False,
        heartbeat_s: float | None = None,
        lost: Callable[[PoolfleetError], None] | None = None,
    ) -> AsyncGenerator[InventoryBatch, None]:
        """Watch without end, over lost connections and restarts of the agent: yield each batch when `state` has it.

        state: where to go on; what was watched with it is watched again. lost: told once of each interruption.
        The rest is as `watch`'s. Raises what does not pass by itself.
        """
        watch = partial(
            self.watch,
            pools=pools,
            volumes=volumes,
            domain_disks=domain_disks,
            include_special=include_special,
            heartbeat_s=heartbeat_s,
        )
        return _following(state, watch, lost)

    async def watch_rows(
        self, *, resume: ResumePoint | None = None, heartbeat_s: float | None = None, timeout_s: float | None = None
    ) -> AsyncGenerator[InventoryBatch, None]:
        """Watch everything as a store needs it: as `watch`, but `row` and `rows` stand for `pool` and `volumes`."""
        request = _request(resume=resume, heartbeat_s=heartbeat_s)
        # Closed here and now, and not by whoever finds it as garbage.
        async with aclosing(self._stream(request, timeout_s)) as responses:
            async for response in responses:
                yield row_batch(response)

    def follow_rows(
        self,
        state: Follower,
        *,
        heartbeat_s: float | None = None,
        lost: Callable[[PoolfleetError], None] | None = None,
    ) -> AsyncGenerator[InventoryBatch, None]:
        """Follow everything as a store needs it: as `follow`, but `row` and `rows` stand for `pool` and `volumes`."""
        return _following(state, partial(self.watch_rows, heartbeat_s=heartbeat_s), lost)

    def _stream(
        self, request: pb.WatchInventoryRequest, timeout_s: float | None
    ) -> AsyncGenerator[pb.WatchInventoryResponse, None]:
        return calls.stream(self._connection, self._connection.inventory.WatchInventory, request, timeout_s)


def _request(
    *,
    resume: ResumePoint | None,
    heartbeat_s: float | None,
    pools: Sequence[str] = (),
    volumes: bool = True,
    domain_disks: bool = True,
    include_special: bool = False,
) -> pb.WatchInventoryRequest:
    with representable:
        request = pb.WatchInventoryRequest(
            filter=pb.InventoryFilter(
                pools=pools,
                without_volumes=not volumes,
                without_domain_disks=not domain_disks,
                include_special=include_special,
            ),
            heartbeat=duration(heartbeat_s),
        )
        if resume is not None:
            write_resume(resume, request)
    return request


async def _following(
    state: Follower,
    watch: _Watch,
    lost: Callable[[PoolfleetError], None] | None,
) -> AsyncGenerator[InventoryBatch, None]:
    hear = lost or (lambda error: None)

    async def begun() -> _Begun:
        batches = watch(resume=state.resume())
        try:
            return batches, await anext(batches)
        except StopAsyncIteration:
            raise Unavailable("the agent ended its answer before it had begun", reason="UNREACHABLE") from None

    while True:
        begin: _Begun = await reconnecting(lost=hear)(begun)
        batches, first = begin
        async with aclosing(batches):
            try:
                state.apply(first)
                yield first
                async for batch in batches:
                    state.apply(batch)
                    yield batch
            except PoolfleetError as error:
                if not interrupts(error):
                    raise
                hear(error)
