"""Serves one simulated host as its agent would: by the agent's own servicers, and those RPCs alone that read."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from poolfleet.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from poolfleet.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from poolfleet.v1.operation_service_pb2 import ListOperationsRequest, ListOperationsResponse
from poolfleet.v1.operation_service_pb2_grpc import OperationServiceServicer, add_OperationServiceServicer_to_server
from poolfleet.v1.pool_service_pb2_grpc import add_PoolServiceServicer_to_server
from poolfleet.v1.volume_service_pb2_grpc import add_VolumeServiceServicer_to_server
from poolfleet_agent.config.settings import Listen, Settings, Tls
from poolfleet_agent.model.ports import AgentIdentity
from poolfleet_agent.server.health import Health
from poolfleet_agent.server.interceptors import Handler, Registrar
from poolfleet_agent.server.listen import OPTIONS, listen
from poolfleet_agent.services.agents import AgentDescription, AgentReads
from poolfleet_agent.services.inventory import InventoryServicer
from poolfleet_agent.services.pool_reads import PoolReads
from poolfleet_agent.services.volume_reads import VolumeReads
from scripts.simulated_fleet.host import SimulatedHost
from scripts.simulated_fleet.order import Order

SERVED = {
    *("GetAgent", "GetPool", "ListPools", "GetVolume", "ListVolumes"),
    *("ListDomainDisks", "WatchInventory", "ListOperations"),
    # Those of grpc.health.v1.
    *("Check", "Watch"),
}


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
