"""The fleet: one object through which many hosts are asked, each answer beside the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.asking import Asking
from poolfleet.fleet.batches import Batch
from poolfleet.fleet.descriptors import make_room
from poolfleet.fleet.ensure import Match, ensuring
from poolfleet.fleet.fleet_file import read_fleet_file
from poolfleet.fleet.hosts import Host, choose, unique
from poolfleet.fleet.look import Look, look, pools_of, seen, standing
from poolfleet.fleet.members import Member
from poolfleet.fleet.over_volumes import OverVolumes
from poolfleet.fleet.result import FleetResult, Outcome, Status, VolumesResult
from poolfleet.fleet.run import Pace, Places, Run
from poolfleet.fleet.storage import FleetStorage
from poolfleet.inventory.check.compare import check
from poolfleet.inventory.check.model import StorageCheck
from poolfleet.inventory.merge import merge
from poolfleet.inventory.model import HostStatus, Inventory, InventoryVolume
from poolfleet.inventory.seen import HostSeen
from poolfleet.inventory.store.port import InventoryStore, StoredHost, StoreError, Unstorable
from poolfleet.inventory.sync import InventorySync, Observer, Synced
from poolfleet.types.agent import Agent
from poolfleet.types.disk import DomainDisks
from poolfleet.types.pool import EnsureResult, Pool
from poolfleet.types.pool_spec import PoolSpec
from poolfleet.types.retry import RetryPolicy
from poolfleet.types.secret import SecretWithValue
from poolfleet.types.volume import VolumeListing

T = TypeVar("T")


class Fleet:
    """Many hosts. Every call answers with one outcome per host, and raises for none of them; but see `storage`.

    `hosts` names are unique, else ValueError. `parallel`: hosts that are asked at once; a host that does not answer
    holds none of these places. `per_host`: calls to one host at once. Made and used in one event loop.
    """

    def __init__(self, hosts: Iterable[Host], *, parallel: int = 64, per_host: int = 4) -> None:
        if parallel < 1 or per_host < 1:
            raise ValueError("parallel and per_host are at least 1")
        self._members = {host.name: Member(host, per_host=per_host) for host in unique(hosts)}
        self._places = Places(parallel)
        self._asking = Asking(members=self._members, places=Places(parallel))
        self._owner = True
        make_room(len(self._members))

    @classmethod
    def from_file(cls, path: str | Path, *, parallel: int = 64, per_host: int = 4) -> Self:
        """The hosts of a fleet file. Raises FleetFileError where it cannot be read or understood."""
        return cls(read_fleet_file(path), parallel=parallel, per_host=per_host)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts, in the order they came."""
        return tuple(member.host for member in self._members.values())

    @property
    def parallel(self) -> int:
        """Hosts that are asked at once."""
        return self._places.parallel

    def select(self, hosts: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> Self:
        """The hosts that fit any of the globs, none of those with `!`, and all of the labels.

        What comes back shares connections, circuits and places with this fleet, and ends with it. Raises NoSuchHost
        where a glob without `!` fits no host.
        """
        chosen = choose(self.hosts, hosts, labels)
        part = object.__new__(type(self))
        part._members = {host.name: self._members[host.name] for host in chosen}
        part._places = self._places
        part._asking = self._asking
        part._owner = False
        return part

    def client(self, host: str) -> AgentClient:
        """The client of one host. Raises KeyError where the fleet has no host of that name."""
        return self._members[host].client

    def storage(self, storage: str) -> FleetStorage:
        """A storage by its id, another spelling of it, or the name of a pool on it; its calls raise what went wrong.

        Its changes are made by one of these hosts, after all hosts of the fleet were asked who uses the volume; of a
        selection too.
        """
        return FleetStorage(storage, actors=self._members, asking=self._asking)

    async def map(
        self,
        call: Callable[[AgentClient], Awaitable[T]],
        *,
        batch: Batch | None = None,
        max_failures: int | None = None,
        parallel: int | None = None,
        timeout_s: float | None = None,
    ) -> FleetResult[T]:
        """Call `call` with the client of each host.

        batch: the first group is one host, each further one this many or this percentage (`"10%"`) of the fleet; a
            group begins when the one before has ended. None: all hosts in one group.
        max_failures: once this many hosts failed or could not be reached no further one is asked, and the rest is
            skipped. None: 1 where there are batches, else no limit.
        parallel: hosts at once, where that is fewer than the fleet's own number.
        timeout_s: how long the call may take on one host. None: as long as it takes.
        What `call` raises is its host's outcome; what is no PoolfleetError becomes the cause of one, with reason CALL.
        Raises ValueError for a batch that is none, and numbers below 1.
        """
        pace = Pace(batch=batch, max_failures=max_failures, parallel=parallel, timeout_s=timeout_s)
        return await Run(members=list(self._members.values()), call=call, pace=pace, places=self._places).outcome()

    async def map_volumes(
        self,
        call: Callable[[FleetStorage, str], Awaitable[T]],
        volumes: Iterable[InventoryVolume],
        *,
        batch: Batch | None = None,
        max_failures: int | None = None,
        parallel: int | None = None,
        timeout_s: float | None = None,
    ) -> VolumesResult[T]:
        """Call `call` with storage and name of each volume, such as `lambda storage, name: storage.delete(name)`.

        volumes: of `inventory`, of which any of these hosts has to have the storage; each counts once. The rest is as
        in `map`, with volumes in place of hosts.
        """
        pace = Pace(batch=batch, max_failures=max_failures, parallel=parallel, timeout_s=timeout_s)
        over = OverVolumes(call=call, storage=self._storage_of, pace=pace, parallel=self.parallel)
        return await over.outcome(volumes)

    def _storage_of(self, volume: InventoryVolume) -> FleetStorage:
        places = {(place.host, place.pool) for place in volume.hosts if place.host in self._members}
        having = {host for host, _ in places} or self._members.keys()
        return FleetStorage(volume.storage_id, actors=having, asking=self._asking, places=places)

    async def ensure_pool(
        self,
        spec: PoolSpec,
        *,
        start: bool = True,
        autostart: bool = True,
        match: Match = "name",
        retry: RetryPolicy | None = None,
        secret: SecretWithValue | None = None,
        batch: Batch | None = None,
        max_failures: int | None = None,
        parallel: int | None = None,
        timeout_s: float | None = None,
    ) -> FleetResult[EnsureResult]:
        """Make the pool exist on every host as `spec` says: `changed` where something had to be done, else `unchanged`.

        match: `name` compares with the pool of that name; `source` takes a pool of the same source, whatever its name.
        retry: how long and how often a network share is tried; None: as each agent is configured.
        secret: what the pool authenticates with, set on each host before; it counts as a change where there was none.
        timeout_s: how long one host's operations are waited for. The rest is as in `map`.
        """
        call = ensuring(
            spec, start=start, autostart=autostart, match=match, retry=retry, secret=secret, timeout_s=timeout_s
        )
        return await self.map(call, batch=batch, max_failures=max_failures, parallel=parallel)

    async def agents(self) -> FleetResult[Agent]:
        """Who answers on each host; `duplicates` names the hosts that are one agent."""
        return await self.map(lambda client: client.get())

    async def pools(self) -> FleetResult[list[Pool]]:
        """The pools of each host, by name."""
        return await self.map(pools_of)

    async def volumes(self, pool: str = "") -> FleetResult[VolumeListing]:
        """The volumes of each host, of one pool or of all, and the pools that could not be read."""
        return await self.map(lambda client: client.volumes.read_all(pool))

    async def disks(self, *, pool: str = "", volume: str = "", domain: str = "") -> FleetResult[DomainDisks]:
        """What the domains of each host refer to."""
        return await self.map(lambda client: client.inventory.disks(pool=pool, volume=volume, domain=domain))

    async def inventory(self, *, timeout_s: float | None = None) -> Inventory:
        """Pools, volumes and disks of all hosts as one: each volume of a shared storage once, with who uses it.

        timeout_s: how long one host may take; None: as long as its single calls may.
        """
        return merge(self._seen(await self.map(look, timeout_s=timeout_s)))

    async def check_storages(self, *, timeout_s: float | None = None) -> StorageCheck:
        """Whether the hosts have the storages that they share alike: each started, under one path, name and mount.

        Storages that may be shared are expected on every host of the fleet, but for hosts that are at another `site`.
        timeout_s: how long one host may take; None: as long as its single calls may.
        """
        return check(self._seen(await self.map(standing, timeout_s=timeout_s)))

    async def sync_inventory(
        self,
        store: InventoryStore,
        observer: Observer | None = None,
        *,
        parallel: int | None = 32,
        timeout_s: float | None = 600.0,
    ) -> FleetResult[Synced]:
        """Store what each host has, up to its first consistent state: all of it, or what changed since the last time.

        What is stored of a host that does not answer stays, and the store knows that it was not heard. The whole fleet
        (no selection of it) has hosts forgotten that are not in it.

        parallel: hosts that tell at once; what they tell is in memory until it is stored.
        timeout_s: for each host; None: no limit.
        Raises StoreError.
        """
        async with InventorySync(store, observer) as sync:
            await sync.begin(self._stored_hosts(), only=self._owner)

            async def once(client: AgentClient) -> Synced:
                return await sync.once(client, self._members[client.name or client.target].agent)

            result = await self.map(once, parallel=parallel, timeout_s=timeout_s)
            await asyncio.gather(*(_note(sync, outcome) for outcome in result.values()))
            await sync.index()
        return result

    async def follow_inventory(self, store: InventoryStore, observer: Observer | None = None) -> None:
        """Store what each host has, and each change, over lost connections and restarts, until cancelled.

        Ends where no host is left that can be followed. Raises StoreError.
        """
        async with InventorySync(store, observer) as sync:
            await sync.begin(self._stored_hosts(), only=self._owner)
            await sync.index()
            try:
                async with asyncio.TaskGroup() as following:
                    for member in self._members.values():
                        following.create_task(sync.follow(member.client))
            except ExceptionGroup as group:
                faults = group.subgroup(StoreError)
                if faults is None:
                    raise
                raise faults.exceptions[0] from group

    def _seen(self, result: FleetResult[Look]) -> Iterator[HostSeen]:
        return seen(result, {host.name: host.site for host in self.hosts})

    def _stored_hosts(self) -> list[StoredHost]:
        return [StoredHost(name=host.name, site=host.site) for host in self.hosts]

    async def close(self) -> None:
        """Close every connection. A selection closes none: they belong to the fleet that it was selected from."""
        if self._owner:
            for member in self._members.values():
                await member.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _note(sync: InventorySync, outcome: Outcome[Synced]) -> None:
    """Have the store know of a host that told nothing. Raises StoreError where that was the store's own fault."""
    if outcome.error is not None:
        cause = outcome.error.__cause__
        if isinstance(cause, StoreError) and not isinstance(cause, Unstorable):
            raise cause
        status = HostStatus.UNREACHABLE if outcome.status is Status.UNREACHABLE else HostStatus.FAILED
        await sync.not_heard(outcome.host, status, outcome.error.message)
    elif outcome.value is not None and outcome.value.duplicate_of:
        await sync.duplicate(outcome.host)
