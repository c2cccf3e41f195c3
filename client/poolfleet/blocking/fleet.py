"""The fleet for code without an event loop: the same surface, and `map` takes a plain function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from poolfleet.agent import client
from poolfleet.blocking.agent import AgentClient
from poolfleet.blocking.face import Face, blocking
from poolfleet.blocking.loop import run
from poolfleet.fleet import fleet, storage
from poolfleet.fleet.batches import Batch
from poolfleet.fleet.fleet_file import read_fleet_file
from poolfleet.fleet.hosts import Host
from poolfleet.fleet.result import FleetResult, VolumesResult
from poolfleet.inventory.model import InventoryVolume

T = TypeVar("T")


class FleetStorage(Face[storage.FleetStorage]):
    """As `poolfleet.fleet.storage.FleetStorage`, blocking."""

    acting_host = blocking(storage.FleetStorage.acting_host)
    get = blocking(storage.FleetStorage.get)
    create = blocking(storage.FleetStorage.create)
    clone = blocking(storage.FleetStorage.clone)
    delete = blocking(storage.FleetStorage.delete)
    resize = blocking(storage.FleetStorage.resize)
    wipe = blocking(storage.FleetStorage.wipe)


class Fleet(Face[fleet.Fleet]):
    """Many hosts; usable from any number of threads. Every call answers with one outcome per host, and raises for none;
    but see `storage`.

    `hosts` names are unique, else ValueError. `parallel`: hosts that are asked at once; a host that does not answer
    holds none of these places. `per_host`: calls to one host at once.
    """

    def __init__(self, hosts: Iterable[Host], *, parallel: int = 64, per_host: int = 4) -> None:
        """As `poolfleet.aio.Fleet`."""
        super().__init__(fleet.Fleet(hosts, parallel=parallel, per_host=per_host))

    @classmethod
    def from_file(cls, path: str | Path, *, parallel: int = 64, per_host: int = 4) -> Self:
        """The hosts of a fleet file. Raises FleetFileError where it cannot be read or understood."""
        return cls(read_fleet_file(path), parallel=parallel, per_host=per_host)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts, in the order they came."""
        return self._core.hosts

    @property
    def parallel(self) -> int:
        """Hosts that are asked at once."""
        return self._core.parallel

    def select(self, hosts: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> Self:
        """The hosts that fit any of the globs, none of those with `!`, and all of the labels.

        What comes back shares connections, circuits and places with this fleet, and ends with it. Raises NoSuchHost
        where a glob without `!` fits no host.
        """
        part = object.__new__(type(self))
        Face.__init__(part, self._core.select(hosts, labels))
        return part

    def client(self, host: str) -> AgentClient:
        """The client of one host. Raises KeyError where the fleet has no host of that name."""
        return AgentClient.over(self._core.client(host))

    def storage(self, storage: str) -> FleetStorage:
        """A storage by its id, another spelling of it, or the name of a pool on it; its calls raise what went wrong.

        Its changes are made by one of these hosts, after all hosts of the fleet were asked who uses the volume; of a
        selection too.
        """
        return FleetStorage(self._core.storage(storage))

    def map(
        self,
        call: Callable[[AgentClient], T],
        *,
        batch: Batch | None = None,
        max_failures: int | None = None,
        parallel: int | None = None,
        timeout_s: float | None = None,
    ) -> FleetResult[T]:
        """Call `call` with the client of each host, on as many threads as hosts are asked at once.

        All as in `poolfleet.aio.Fleet.map`; but a thread cannot be ended: what has not come back within `timeout_s` is
        no longer waited for, and goes on.
        """
        with_threads = ThreadPoolExecutor(max_workers=self._core.parallel, thread_name_prefix="poolfleet-map")

        async def on_a_thread(core: client.AgentClient) -> T:
            return await asyncio.get_running_loop().run_in_executor(with_threads, call, AgentClient.over(core))

        try:
            return run(
                self._core.map(
                    on_a_thread, batch=batch, max_failures=max_failures, parallel=parallel, timeout_s=timeout_s
                )
            )
        finally:
            with_threads.shutdown(wait=False, cancel_futures=True)

    def map_volumes(
        self,
        call: Callable[[FleetStorage, str], T],
        volumes: Iterable[InventoryVolume],
        *,
        batch: Batch | None = None,
        max_failures: int | None = None,
        parallel: int | None = None,
        timeout_s: float | None = None,
    ) -> VolumesResult[T]:
        """Call `call` with storage and name of each volume, such as `lambda storage, name: storage.delete(name)`.

        All as in `poolfleet.aio.Fleet.map_volumes`, and of threads as in `map`.
        """
        with_threads = ThreadPoolExecutor(max_workers=self._core.parallel, thread_name_prefix="poolfleet-map")

        async def on_a_thread(core: storage.FleetStorage, name: str) -> T:
            return await asyncio.get_running_loop().run_in_executor(with_threads, call, FleetStorage(core), name)

        try:
            return run(
                self._core.map_volumes(
                    on_a_thread,
                    volumes,
                    batch=batch,
                    max_failures=max_failures,
                    parallel=parallel,
                    timeout_s=timeout_s,
                )
            )
        finally:
            with_threads.shutdown(wait=False, cancel_futures=True)

    ensure_pool = blocking(fleet.Fleet.ensure_pool)
    agents = blocking(fleet.Fleet.agents)
    pools = blocking(fleet.Fleet.pools)
    volumes = blocking(fleet.Fleet.volumes)
    disks = blocking(fleet.Fleet.disks)
    inventory = blocking(fleet.Fleet.inventory)
    check_storages = blocking(fleet.Fleet.check_storages)
    sync_inventory = blocking(fleet.Fleet.sync_inventory)
    follow_inventory = blocking(fleet.Fleet.follow_inventory)
    close = blocking(fleet.Fleet.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
