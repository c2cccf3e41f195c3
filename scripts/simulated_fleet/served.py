"""One process of a simulated fleet: serves some of its hosts until its standard input ends.

What it is told comes as lines of JSON on standard input, an Order first, and each is answered by one on standard
output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

if __name__ == "__main__":
    # As the agent itself does, before gRPC is loaded.
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")

import grpc
from grpc_health.v1 import health_pb2_grpc

from poolfleet.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from poolfleet.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from poolfleet.v1.operation_service_pb2 import ListOperationsRequest, ListOperationsResponse
from poolfleet.v1.operation_service_pb2_grpc import (
    OperationServiceServicer,
    add_OperationServiceServicer_to_server,
)
from poolfleet.v1.pool_service_pb2_grpc import add_PoolServiceServicer_to_server
from poolfleet.v1.volume_service_pb2_grpc import add_VolumeServiceServicer_to_server
from poolfleet_agent.config.settings import Listen, Settings, Tls
from poolfleet_agent.model.ports import AgentIdentity
from poolfleet_agent.server import logs
from poolfleet_agent.server.clock import SystemClock
from poolfleet_agent.server.health import Health
from poolfleet_agent.server.interceptors import Handler, Registrar
from poolfleet_agent.server.listen import OPTIONS, listen
from poolfleet_agent.services.agents import AgentDescription, AgentReads
from poolfleet_agent.services.convert.encoder import MessageEncoder
from poolfleet_agent.services.inventory import InventoryServicer
from poolfleet_agent.services.pool_reads import PoolReads
from poolfleet_agent.services.volume_reads import VolumeReads
from scripts.simulated_fleet.contents import Contents
from scripts.simulated_fleet.host import SimulatedHost
from scripts.simulated_fleet.shape import Shape

if TYPE_CHECKING:
    from poolfleet_agent.model.ports import Encoder

Transport = Literal["unix", "tcp", "tls"]
SERVED = {
    *("GetAgent", "GetPool", "ListPools", "GetVolume", "ListVolumes"),
    *("ListDomainDisks", "WatchInventory", "ListOperations"),
    # Those of grpc.health.v1.
    *("Check", "Watch"),
}
LOOKS_EVERY_S = 30.0
"""How often each host looks at everything, and finds nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which hosts a process is to serve, and how. `folder` has the sockets, and the certificates of `tls`."""

    shape: Shape
    first: int
    last: int
    folder: str
    transport: Transport

    def to_line(self) -> str:
        """The order as it is sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """The order as it was sent."""
        fields = json.loads(line)
        return cls(**{**fields, "shape": Shape(**fields["shape"])})


class ReadsOnly(Registrar):
    """Serves what a simulated host can answer; to all else gRPC says UNIMPLEMENTED."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Called by generated code."""
        served = {name: handler for name, handler in handlers.items() if name in SERVED}
        super().add_registered_method_handlers(service, served)


class NoOperations(OperationServiceServicer):
    """Implements what lists operations: a simulated host has none."""

    async def ListOperations(  # noqa: N802  the name of the RPC
        self, request: ListOperationsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> ListOperationsResponse:
        """List none."""
        return ListOperationsResponse()


class ServedHosts:
    """The hosts of one process; what several see is there once."""

    def __init__(self, shape: Shape, numbers: Iterable[int], encoder: Encoder) -> None:
        self.hosts: list[SimulatedHost] = []
        self._contents: dict[str, Contents] = {}
        self._seen_by: dict[str, list[SimulatedHost]] = {}
        clock = SystemClock()
        for number in numbers:
            storages = []
            for plan in shape.storages(number):
                if plan.key not in self._contents:
                    self._contents[plan.key] = Contents(plan, shape.seed, encoder)
                storages.append(self._contents[plan.key])
            host = SimulatedHost(shape, number, storages, encoder=encoder, clock=clock)
            self.hosts.append(host)
            for contents in storages:
                self._seen_by.setdefault(contents.plan.key, []).append(host)

    def change(self, step: int, share: float) -> int:
        """Change that part of every storage, seen by all its hosts at once; how many volumes were."""
        changed = 0
        for key, contents in self._contents.items():
            if count := contents.change(step, share):
                changed += count
                for host in self._seen_by[key]:
                    host.publish(contents)
        return changed

    async def keep_looking(self) -> None:
        """Have one host after the other look, without end."""
        while True:
            for host in self.hosts:
                await asyncio.sleep(LOOKS_EVERY_S / len(self.hosts))
                host.look()


async def start_server(host: SimulatedHost, order: Order) -> tuple[grpc.aio.Server, str]:
    """Serve one host; the server, and the address for a client."""
    server = grpc.aio.server(options=OPTIONS)
    settings = _settings(host, order)
    (address,) = listen(server, settings)
    registrar = ReadsOnly(
        server,
        longest_calls=settings.limits.calls,
        longest_streams=settings.limits.watchers,
        slow_call_s=settings.log.slow_call_s,
    )
    description = AgentDescription(
        identity=AgentIdentity(
            agent_id=host.agent_id, machine_id="", boot_id=host.agent_id, host_name=host.name, kernel="simulated"
        ),
        started_at_s=time.time(),
        staleness_s=settings.staleness_s,
        request_id_retention_s=settings.limits.request_id_retention_s,
    )
    # Abstract, for the RPCs that ReadsOnly leaves out.
    registrar.register(add_AgentServiceServicer_to_server, AgentReads(host, description))  # type: ignore[abstract]
    registrar.register(add_PoolServiceServicer_to_server, PoolReads(host))  # type: ignore[abstract]
    registrar.register(add_VolumeServiceServicer_to_server, VolumeReads(host))  # type: ignore[abstract]
    registrar.register(add_OperationServiceServicer_to_server, NoOperations())  # type: ignore[abstract]
    registrar.register(add_InventoryServiceServicer_to_server, InventoryServicer(host))
    health = Health(registrar.services)
    registrar.register(health_pb2_grpc.add_HealthServicer_to_server, health)
    health.set_libvirt(connected=True)
    await server.start()
    return server, address


def _settings(host: SimulatedHost, order: Order) -> Settings:
    folder = Path(order.folder)
    if order.transport == "unix":
        return Settings(listen=Listen(unix=str(folder / f"{host.name}.sock")))
    tls = Tls()
    if order.transport == "tls":
        tls = Tls(cert=str(folder / "agent.pem"), key=str(folder / "agent.key"), client_ca=str(folder / "ca.pem"))
    return Settings(listen=Listen(unix="", tcp="127.0.0.1:0"), tls=tls)


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def serve() -> None:
    """Serve as ordered, and change as told."""
    lines = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    order = Order.from_line((await lines.readline()).decode())
    # Nothing of what is made here is garbage.
    gc.disable()
    served = ServedHosts(order.shape, range(order.first, order.last), MessageEncoder())
    gc.freeze()
    gc.enable()
    async with AsyncExitStack() as ends:
        targets = {}
        for host in served.hosts:
            server, targets[host.name] = await start_server(host, order)
            ends.push_async_callback(server.stop, 0)
        looking = asyncio.create_task(served.keep_looking())
        ends.callback(looking.cancel)
        _tell({"targets": targets})
        while line := await lines.readline():
            told = json.loads(line)
            _tell({"changed": served.change(told["step"], told["share"])})


if __name__ == "__main__":
    logs.configure("warning", "console")
    asyncio.run(serve())
