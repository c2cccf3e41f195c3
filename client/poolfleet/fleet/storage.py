"""One storage of a fleet: one of its hosts changes a volume, after all hosts were asked who uses that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.asking import Asking, Told
from poolfleet.fleet.look import standing
from poolfleet.fleet.members import is_unreachable
from poolfleet.fleet.remembered import Request, remembered
from poolfleet.fleet.routing import acting, check_identity, chosen, in_order
from poolfleet.fleet.unused import Counted, is_its_own, require_unused
from poolfleet.inventory.identity import Joined
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.errors import NotFound, PoolfleetError, Unavailable
from poolfleet.types.operation import Operation, OperationKind
from poolfleet.types.secret import SecretRef
from poolfleet.types.volume import CloneSpec, Volume, VolumeSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A change of one volume."""

    kind: OperationKind
    volume: str
    """What is changed, or only read by it."""
    send: Callable[[AgentClient, str], Awaitable[Operation]]
    """Called with the client of the host that acts, and the name of its pool."""
    refuse: Counted | None
    """Who uses the volume is a reason to refuse; None: nobody."""
    request_id: str | None
    made: str = ""
    """The volume that comes of it, where that is another."""
    made_in: str = ""
    """The pool that one is to be in; empty: the same."""


class FleetStorage:
    """A storage by its id, another spelling of it, or the name of a pool on it. Verbs are those of `agent.volumes`.

    One host acts: the same one for every caller, while it answers, manages, is not under maintenance, and its pool is
    healthy; else the next in the storage's own order. Of a selection of the fleet only the selected may act. A change
    that was sent to a host is never sent to another: who has lost the connection asks again with the same `request_id`,
    which finds the host that has it. While one of them does not answer that may be the one, and it is sent to none.

    Raises NotFound (POOL_NOT_FOUND), InvalidArgument where hosts have such a pool on several storages,
    FailedPrecondition (IDENTITY_CONFLICT), Unavailable (NO_HOST) where no host may act, (INCOMPLETE) where it cannot be
    told whether a change may be made or was made already, and what the acting agent says.
    """

    def __init__(
        self, word: str, *, actors: Collection[str], asking: Asking, places: Collection[tuple[str, str]] = ()
    ) -> None:
        """`actors`: names of the hosts that may act; `asking`: the whole fleet.

        `places`: host and pool of where the storage was seen, which then counts, and not its name.
        """
        self._word = word
        self._places = places
        self._actors = actors
        self._asking = asking

    async def get(
        self, volume: str, *, max_staleness_s: float | None = None, full: bool = False, timeout_s: float | None = None
    ) -> Volume:
        """Read one volume, as the host that would act has it. max_staleness_s: 0 asks libvirt there."""
        told = await self._asking.told(standing, self._actors)
        seen = self._acting(told, self._order(told))[0]
        return await self._client(seen).volumes.get(
            seen.pool.name, volume, max_staleness_s=max_staleness_s, full=full, timeout_s=timeout_s
        )

    async def create(
        self,
        spec: VolumeSpec,
        *,
        preallocation: str = "",
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Create a volume, or find that it is there already with equal properties."""

        async def send(client: AgentClient, pool: str) -> Operation:
            return await client.volumes.create(
                pool,
                spec,
                preallocation=preallocation,
                validate_only=validate_only,
                request_id=request_id,
                wait=wait,
                timeout_s=timeout_s,
            )

        return await self._change(
            _Wanted(kind=OperationKind.CREATE_VOLUME, volume=spec.name, send=send, refuse=None, request_id=request_id)
        )

    async def clone(
        self,
        volume: str,
        spec: CloneSpec,
        *,
        target_pool: str = "",
        source_secret: SecretRef | None = None,
        allow_in_use: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Copy a volume, or make one that lies on it. target_pool: a pool of the acting host; empty: the source's.

        allow_in_use: even where a running domain of any host that answers writes to the source (else
        FailedPrecondition, VOLUME_IN_USE): the copy may be torn. Then no other host is asked. Hosts that give no answer
        the operation warns of.
        """

        async def send(client: AgentClient, pool: str) -> Operation:
            return await client.volumes.clone(
                pool,
                volume,
                spec,
                target_pool=target_pool,
                source_secret=source_secret,
                allow_in_use=allow_in_use,
                validate_only=validate_only,
                request_id=request_id,
                wait=wait,
                timeout_s=timeout_s,
            )

        writers = Counted(stopped_domains=False, readers=False, files=False, unknown=False)
        return await self._change(
            _Wanted(
                kind=OperationKind.CLONE_VOLUME,
                volume=volume,
                send=send,
                refuse=None if allow_in_use else writers,
                request_id=request_id,
                made=spec.name,
                made_in=target_pool,
            )
        )

    async def delete(
        self,
        volume: str,
        *,
        allow_missing: bool = False,
        allow_in_use: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Delete a volume and what it holds.

        allow_in_use: even where domains or volumes of any host use it (else FailedPrecondition, VOLUME_IN_USE), or
        hosts could not be asked (else Unavailable, INCOMPLETE).
        """

        async def send(client: AgentClient, pool: str) -> Operation:
            return await client.volumes.delete(
                pool,
                volume,
                allow_missing=allow_missing,
                allow_in_use=allow_in_use,
                validate_only=validate_only,
                request_id=request_id,
                wait=wait,
                timeout_s=timeout_s,
            )

        refuse = None if allow_in_use else Counted()
        return await self._change(
            _Wanted(kind=OperationKind.DELETE_VOLUME, volume=volume, send=send, refuse=refuse, request_id=request_id)
        )

    async def resize(
        self,
        volume: str,
        capacity_bytes: int | None = None,
        *,
        delta_bytes: int | None = None,
        allow_shrink: bool = False,
        allocate: bool = False,
        allow_in_use: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Give a volume another capacity, or add delta_bytes to it: one of the two.

        allow_in_use: as in `delete`; only running domains count, and what may shrink has nothing lying on it.
        """

        async def send(client: AgentClient, pool: str) -> Operation:
            return await client.volumes.resize(
                pool,
                volume,
                capacity_bytes,
                delta_bytes=delta_bytes,
                allow_shrink=allow_shrink,
                allocate=allocate,
                allow_in_use=allow_in_use,
                validate_only=validate_only,
                request_id=request_id,
                wait=wait,
                timeout_s=timeout_s,
            )

        refuse = None if allow_in_use else Counted(stopped_domains=False, files=allow_shrink)
        return await self._change(
            _Wanted(kind=OperationKind.RESIZE_VOLUME, volume=volume, send=send, refuse=refuse, request_id=request_id)
        )

    async def wipe(
        self,
        volume: str,
        *,
        algorithm: str = "zero",
        allow_in_use: bool = False,
        validate_only: bool = False,
        request_id: str | None = None,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Operation:
        """Overwrite what a volume holds. allow_in_use: as in `delete`."""

        async def send(client: AgentClient, pool: str) -> Operation:
            return await client.volumes.wipe(
                pool,
                volume,
                algorithm=algorithm,
                allow_in_use=allow_in_use,
                validate_only=validate_only,
                request_id=request_id,
                wait=wait,
                timeout_s=timeout_s,
            )

        refuse = None if allow_in_use else Counted()
        return await self._change(
            _Wanted(kind=OperationKind.WIPE_VOLUME, volume=volume, send=send, refuse=refuse, request_id=request_id)
        )

    async def acting_host(self) -> str:
        """The host that would act now."""
        told = await self._asking.told(standing, self._actors)
        return self._acting(told, self._order(told))[0].host.host

    async def _change(self, wanted: _Wanted) -> Operation:
        told = await self._asking.told(standing, self._actors)
        order = self._order(told)
        if wanted.request_id is not None:
            request = Request(
                id=wanted.request_id, kind=wanted.kind, volume=wanted.made or wanted.volume, pool=wanted.made_in
            )
            known = await remembered(self._asking, told, order, request)
            if known is not None:
                return await wanted.send(self._client(known), known.pool.name)
        lost = None
        for seen in self._acting(told, order):
            # Once more, just before: a host that is found to be gone now has begun nothing, and the next may act.
            try:
                await self._client(seen).get()
            except PoolfleetError as error:
                if not is_unreachable(error):
                    raise
                lost = lost or error
                continue
            untold: tuple[str, ...] = ()
            if wanted.refuse is not None and not await is_its_own(self._asking, self._chosen(told), seen):
                untold = await require_unused(self._asking, self._chosen(told), seen, wanted.volume, wanted.refuse)
            done = await wanted.send(self._client(seen), seen.pool.name)
            return replace(done, warnings=(*done.warnings, *untold)) if untold else done
        raise lost or Unavailable(f"no host that has {self._word} answers", reason="NO_HOST")

    def _order(self, told: Told) -> list[PoolSeen]:
        order = in_order(self._chosen(told), told.agents)
        if not order and told.error is not None:
            raise told.error
        return order

    def _acting(self, told: Told, order: list[PoolSeen]) -> list[PoolSeen]:
        check_identity(self._chosen(told), [seen.host.host for seen in order])
        return acting(order, told.agents)

    def _chosen(self, told: Told) -> Joined:
        try:
            return chosen(told.storages, self._word, self._places)
        except NotFound:
            # A host that told nothing may have it.
            if told.error is not None:
                raise told.error from None
            raise

    def _client(self, seen: PoolSeen) -> AgentClient:
        return self._asking.members[seen.host.host].client
