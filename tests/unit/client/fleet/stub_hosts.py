"""Agents that answer over real gRPC from what a test put into them: a pool is its name, and all is done at once."""

# ruff: noqa: N802  (gRPC names the methods)
from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import grpc

from poolfleet.fleet.hosts import Host
from poolfleet.v1 import (
    agent_pb2,
    agent_service_pb2,
    agent_service_pb2_grpc,
    domain_disk_pb2,
    inventory_service_pb2,
    inventory_service_pb2_grpc,
    operation_pb2,
    pool_pb2,
    pool_service_pb2,
    pool_service_pb2_grpc,
    volume_pb2,
    volume_service_pb2,
    volume_service_pb2_grpc,
)
from tests.get_agent_only import GetAgentOnly

STALENESS_S = 60

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


@dataclass
class Contents:
    """What one stub answers, and what it saw."""

    agent_id: str
    pools: dict[str, pool_pb2.Pool] = field(default_factory=dict)
    volumes: list[volume_pb2.Volume] = field(default_factory=list)
    disks: list[domain_disk_pb2.DomainDisk] = field(default_factory=list)
    age_s: int = 1
    refuses: set[str] = field(default_factory=set)
    """RPCs that answer FAILED_PRECONDITION."""
    calls: list[str] = field(default_factory=list)
    starts: list[pool_service_pb2.StartPoolRequest] = field(default_factory=list)

    async def called(self, name: str, context: Context) -> None:
        self.calls.append(name)
        if name in self.refuses:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{name} is refused here")


class _Agent(GetAgentOnly):
    def __init__(self, contents: Contents) -> None:
        self.contents = contents

    async def GetAgent(
        self, request: agent_service_pb2.GetAgentRequest, context: Context
    ) -> agent_service_pb2.GetAgentResponse:
        await self.contents.called("GetAgent", context)
        agent = agent_pb2.Agent(agent_id=self.contents.agent_id, registry_loaded=True, libvirt_connected=True)
        agent.limits.staleness.seconds = STALENESS_S
        agent.age.seconds = self.contents.age_s
        return agent_service_pb2.GetAgentResponse(agent=agent)


class _Pools(pool_service_pb2_grpc.PoolServiceServicer):
    def __init__(self, contents: Contents) -> None:
        self.contents = contents

    async def ListPools(
        self, request: pool_service_pb2.ListPoolsRequest, context: Context
    ) -> pool_service_pb2.ListPoolsResponse:
        await self.contents.called("ListPools", context)
        answer = pool_service_pb2.ListPoolsResponse(pools=self.contents.pools.values())
        answer.as_of.FromSeconds(1_800_000_000)
        answer.age.seconds = self.contents.age_s
        return answer

    async def DefinePool(
        self, request: pool_service_pb2.DefinePoolRequest, context: Context
    ) -> pool_service_pb2.DefinePoolResponse:
        await self.contents.called("DefinePool", context)
        known = request.spec.name in self.contents.pools
        pool = self.contents.pools.setdefault(request.spec.name, pool_pb2.Pool(name=request.spec.name, type="dir"))
        return pool_service_pb2.DefinePoolResponse(operation=_done(pool, changed=not known))

    async def UpdatePool(
        self, request: pool_service_pb2.UpdatePoolRequest, context: Context
    ) -> pool_service_pb2.UpdatePoolResponse:
        await self.contents.called("UpdatePool", context)
        pool = self.contents.pools[request.pool]
        pool.autostart = request.update.autostart
        return pool_service_pb2.UpdatePoolResponse(operation=_done(pool, changed=True))

    async def StartPool(
        self, request: pool_service_pb2.StartPoolRequest, context: Context
    ) -> pool_service_pb2.StartPoolResponse:
        await self.contents.called("StartPool", context)
        self.contents.starts.append(request)
        pool = self.contents.pools[request.pool]
        changed = pool.state != pool_pb2.POOL_STATE_RUNNING
        pool.state = pool_pb2.POOL_STATE_RUNNING
        return pool_service_pb2.StartPoolResponse(operation=_done(pool, changed=changed))


class _Volumes(volume_service_pb2_grpc.VolumeServiceServicer):
    def __init__(self, contents: Contents) -> None:
        self.contents = contents

    async def ListVolumes(
        self, request: volume_service_pb2.ListVolumesRequest, context: Context
    ) -> volume_service_pb2.ListVolumesResponse:
        await self.contents.called("ListVolumes", context)
        chosen = [one for one in self.contents.volumes if request.pool in ("", one.pool)]
        answer = volume_service_pb2.ListVolumesResponse(volumes=chosen)
        answer.as_of.FromSeconds(1_800_000_000)
        answer.age.seconds = self.contents.age_s
        return answer


class _Inventory(inventory_service_pb2_grpc.InventoryServiceServicer):
    def __init__(self, contents: Contents) -> None:
        self.contents = contents

    async def ListDomainDisks(
        self, request: inventory_service_pb2.ListDomainDisksRequest, context: Context
    ) -> inventory_service_pb2.ListDomainDisksResponse:
        await self.contents.called("ListDomainDisks", context)
        answer = inventory_service_pb2.ListDomainDisksResponse(disks=self.contents.disks, complete=True)
        answer.as_of.FromSeconds(1_800_000_000)
        answer.age.seconds = self.contents.age_s
        return answer


def _done(pool: pool_pb2.Pool, *, changed: bool) -> operation_pb2.Operation:
    return operation_pb2.Operation(
        id="1", pool=pool.name, state=operation_pb2.OPERATION_STATE_SUCCEEDED, changed=changed, pool_result=pool
    )


@asynccontextmanager
async def serving(contents: Contents, socket: Path) -> AsyncIterator[None]:
    """Serve on a UNIX socket."""
    server = grpc.aio.server()
    # Abstract: they have the RPCs that a fleet calls, and no others.
    agent_service_pb2_grpc.add_AgentServiceServicer_to_server(_Agent(contents), server)
    pool_service_pb2_grpc.add_PoolServiceServicer_to_server(_Pools(contents), server)  # type: ignore[abstract]
    volume_service_pb2_grpc.add_VolumeServiceServicer_to_server(_Volumes(contents), server)  # type: ignore[abstract]
    inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(_Inventory(contents), server)  # type: ignore[abstract]
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


class Stubs:
    """A test's stub agents, and the hosts that name them."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.contents: dict[str, Contents] = {}

    async def add(self, *names: str, site: str | None = None) -> list[Host]:
        """Start a stub for each name."""
        hosts = []
        for name in names:
            self.contents[name] = Contents(agent_id=f"agent-of-{name}")
            await self._stack.enter_async_context(serving(self.contents[name], self._folder / name))
            hosts.append(Host(name=name, target=f"unix:{self._folder / name}", site=site, timeout_s=20))
        return hosts

    def absent(self, name: str) -> Host:
        """A host where nothing listens."""
        return Host(name=name, target=f"unix:{self._folder / 'none' / name}", timeout_s=20)

    def calls(self, name: str, hosts: Sequence[str]) -> list[str]:
        """The hosts on which an RPC of that name was called."""
        return [host for host in hosts if name in self.contents[host].calls]


@asynccontextmanager
async def stub_agents() -> AsyncIterator[Stubs]:
    """Stubs that end with the block."""
    # A folder of its own with a short name: the path of a socket is 107 bytes at most.
    with TemporaryDirectory(prefix="pf-") as folder:
        async with AsyncExitStack() as stack:
            yield Stubs(Path(folder), stack)
