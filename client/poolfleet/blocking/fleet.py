"""The fleet for code without an event loop."""

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
from poolfleet.fleet import fleet
from poolfleet.fleet.batches import Batch
from poolfleet.fleet.hosts import Host
from poolfleet.fleet.result import FleetResult

T = TypeVar("T")

# Calls of `map` at once. A thread whose host does not answer is held until its own calls' limits have passed.
MOST_THREADS = 256


class Fleet(Face[fleet.Fleet]):
    """Many hosts. Every call answers with one outcome per host, and raises for none of them.

    As `poolfleet.aio.Fleet`; usable from any number of threads.
    """

    def __init__(self, hosts: Iterable[Host], *, parallel: int = 64, per_host: int = 4) -> None:
        """As `poolfleet.aio.Fleet`."""
        super().__init__(run(_made(lambda: fleet.Fleet(hosts, parallel=parallel, per_host=per_host))))

    @classmethod
    def from_file(cls, path: str | Path, *, parallel: int = 64, per_host: int = 4) -> Self:
        """The hosts of a fleet file. Raises FleetFileError where it cannot be read or understood."""
        return cls._over(run(_made(lambda: fleet.Fleet.from_file(path, parallel=parallel, per_host=per_host))))

    @classmethod
    def _over(cls, core: fleet.Fleet) -> Self:
        face = cls.__new__(cls)
        Face.__init__(face, core)
        return face

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts, in the order they came."""
        return self._core.hosts

    def select(self, hosts: Sequence[str] = (), labels: Mapping[str, str] | None = None) -> Self:
        """As `poolfleet.aio.Fleet.select`: shares connections with this fleet, and ends with it."""
        return self._over(self._core.select(hosts, labels))

    def client(self, host: str) -> AgentClient:
        """The client of one host. Raises KeyError where the fleet has no host of that name."""
        return AgentClient.over(self._core.client(host))

    def map(
        self,
        call: Callable[[AgentClient], T],
        *,
        batch: Batch | None = None,
        max_failures: int | None = None,
        parallel: int | None = None,
        timeout_s: float | None = None,
    ) -> FleetResult[T]:
        """As `poolfleet.aio.Fleet.map`; each call has a thread of its own.

        A call that outlasts `timeout_s` is no longer waited for; its thread ends with the calls that it makes.
        """
        threads = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="poolfleet-map")

        async def on_thread(core: client.AgentClient) -> T:
            return await asyncio.get_running_loop().run_in_executor(threads, call, AgentClient.over(core))

        try:
            return run(
                self._core.map(
                    on_thread, batch=batch, max_failures=max_failures, parallel=parallel, timeout_s=timeout_s
                )
            )
        finally:
            threads.shutdown(wait=False, cancel_futures=True)

    ensure_pool = blocking(fleet.Fleet.ensure_pool)
    agents = blocking(fleet.Fleet.agents)
    pools = blocking(fleet.Fleet.pools)
    volumes = blocking(fleet.Fleet.volumes)
    disks = blocking(fleet.Fleet.disks)
    inventory = blocking(fleet.Fleet.inventory)
    close = blocking(fleet.Fleet.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def _made(make: Callable[[], fleet.Fleet]) -> fleet.Fleet:
    # On the loop that it is used in.
    return make()
