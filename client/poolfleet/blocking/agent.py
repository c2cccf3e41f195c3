"""The client of one agent for code without an event loop."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from poolfleet.agent import client, inventory, operations, pools, secrets, volumes
from poolfleet.blocking.face import Face, blocking, listing, streaming
from poolfleet.types.connection import TLS


class Pools(Face[pools.Pools]):
    """As `poolfleet.agent.pools.Pools`, blocking."""

    get = blocking(pools.Pools.get)
    list = listing(pools.Pools.list)
    define = blocking(pools.Pools.define)
    ensure = blocking(pools.Pools.ensure)
    update = blocking(pools.Pools.update)
    start = blocking(pools.Pools.start)
    stop = blocking(pools.Pools.stop)
    build = blocking(pools.Pools.build)
    refresh = blocking(pools.Pools.refresh)
    adopt_storage = blocking(pools.Pools.adopt_storage)
    undefine = blocking(pools.Pools.undefine)
    erase = blocking(pools.Pools.erase)
    probe = blocking(pools.Pools.probe)
    discover = blocking(pools.Pools.discover)


class Volumes(Face[volumes.Volumes]):
    """As `poolfleet.agent.volumes.Volumes`, blocking."""

    get = blocking(volumes.Volumes.get)
    lookup = blocking(volumes.Volumes.lookup)
    list = listing(volumes.Volumes.list)
    read_all = blocking(volumes.Volumes.read_all)
    create = blocking(volumes.Volumes.create)
    clone = blocking(volumes.Volumes.clone)
    delete = blocking(volumes.Volumes.delete)
    resize = blocking(volumes.Volumes.resize)
    wipe = blocking(volumes.Volumes.wipe)


class Secrets(Face[secrets.Secrets]):
    """As `poolfleet.agent.secrets.Secrets`, blocking."""

    list = listing(secrets.Secrets.list)
    set = blocking(secrets.Secrets.set)
    delete = blocking(secrets.Secrets.delete)


class Operations(Face[operations.Operations]):
    """As `poolfleet.agent.operations.Operations`, blocking."""

    get = blocking(operations.Operations.get)
    list = listing(operations.Operations.list)
    wait = blocking(operations.Operations.wait)
    watch = streaming(operations.Operations.watch)
    cancel = blocking(operations.Operations.cancel)


class Inventory(Face[inventory.Inventory]):
    """As `poolfleet.agent.inventory.Inventory`, blocking."""

    disks = blocking(inventory.Inventory.disks)
    watch = streaming(inventory.Inventory.watch)
    follow = streaming(inventory.Inventory.follow)
    watch_rows = streaming(inventory.Inventory.watch_rows)
    follow_rows = streaming(inventory.Inventory.follow_rows)


class AgentClient(Face[client.AgentClient]):
    """One agent, over one channel that is made at the first call; usable from any number of threads.

    Every call takes `timeout_s` and raises a `PoolfleetError`: of the agent's saying, Unavailable (UNREACHABLE) where
    there is no connection, DeadlineExceeded where there is no answer in time.
    """

    def __init__(
        self, target: str, *, tls: TLS | None = None, timeout_s: float = 30.0, name: str | None = None
    ) -> None:
        """As `poolfleet.aio.AgentClient`."""
        self._stand_before(client.AgentClient(target, tls=tls, timeout_s=timeout_s, name=name))

    @classmethod
    def over(cls, core: client.AgentClient) -> Self:
        """The blocking face of a client that lives on the background loop: a fleet's, for one."""
        face = cls.__new__(cls)
        face._stand_before(core)
        return face

    def _stand_before(self, core: client.AgentClient) -> None:
        Face.__init__(self, core)
        self.pools = Pools(core.pools)
        self.volumes = Volumes(core.volumes)
        self.secrets = Secrets(core.secrets)
        self.operations = Operations(core.operations)
        self.inventory = Inventory(core.inventory)

    @property
    def target(self) -> str:
        """Where the agent listens, as given."""
        return self._core.target

    @property
    def name(self) -> str | None:
        """What errors call the host."""
        return self._core.name

    get = blocking(client.AgentClient.get)
    set_maintenance = blocking(client.AgentClient.set_maintenance)
    close = blocking(client.AgentClient.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
