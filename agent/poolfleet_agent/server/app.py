"""The agent from start to end: wires the services to what lies behind them, serves, drains."""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc

from poolfleet.v1.agent_service_pb2_grpc import add_AgentServiceServicer_to_server
from poolfleet.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from poolfleet.v1.operation_service_pb2_grpc import add_OperationServiceServicer_to_server
from poolfleet.v1.pool_service_pb2_grpc import add_PoolServiceServicer_to_server
from poolfleet.v1.secret_service_pb2_grpc import add_SecretServiceServicer_to_server
from poolfleet.v1.volume_service_pb2_grpc import add_VolumeServiceServicer_to_server
from poolfleet_agent.config.settings import Settings
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.ports import ConnectionEvent, HypervisorEvent
from poolfleet_agent.processes.child import hear_of_ends
from poolfleet_agent.server import logs, notify
from poolfleet_agent.server.drain import StopSignals, drain
from poolfleet_agent.server.health import Health
from poolfleet_agent.server.interceptors import Registrar
from poolfleet_agent.server.listen import OPTIONS, listen
from poolfleet_agent.server.metrics import Gauges, Metrics
from poolfleet_agent.server.parts import Parts, open_parts
from poolfleet_agent.server.reflection import register_reflection
from poolfleet_agent.server.upkeep import Background, first_of
from poolfleet_agent.services.agents import AgentDescription, AgentServicer
from poolfleet_agent.services.inventory import InventoryServicer
from poolfleet_agent.services.operations import OperationServicer
from poolfleet_agent.services.pools import PoolServicer
from poolfleet_agent.services.secrets import SecretServicer
from poolfleet_agent.services.volumes import VolumeServicer

_log = structlog.stdlib.get_logger(__name__)


def run(settings: Settings) -> int:
    """Serve until told to stop; the answer is the exit code. Raises ConfigurationError."""
    logs.configure(settings.log.level, settings.log.format)
    # What was imported stays. To look through it for garbage takes a tenth of a second, in which nobody is answered.
    gc.freeze()
    try:
        return asyncio.run(serve(settings))
    except ModelError as error:
        _log.error("the agent cannot start", reason=error.reason, error=error.message)
        return 1


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM, or until a part of the agent breaks (1). Raises ConfigurationError and ModelError."""
    hear_of_ends()
    signals = StopSignals()
    server = grpc.aio.server(options=OPTIONS)
    async with AsyncExitStack() as ends:
        ends.push_async_callback(server.stop, 0)
        # First of all: where another agent lives, its state must not be touched.
        addresses = listen(server, settings)
        background = Background()
        parts = await ends.enter_async_context(open_parts(settings, background))
        metrics = _metrics(settings, parts) if settings.metrics.listen else None
        if metrics is not None:
            ends.callback(metrics.close)
        registrar, health = _register(server, settings, parts, metrics)
        await server.start()
        notify.ready()
        _log.info("serving", addresses=addresses, agent_id=parts.identity.agent_id, mode=settings.mode)
        await first_of(signals.told, background.broken)
        notify.stopping()
        _log.info("stopping")

        def refuse() -> None:
            health.stop()
            registrar.drain()

        await drain(server, signals, refuse=refuse, end_work=parts.operations.drain, limit_s=settings.limits.drain_s)
        return 1 if background.broken.is_set() else 0


def _register(
    server: grpc.aio.Server, settings: Settings, parts: Parts, metrics: Metrics | None
) -> tuple[Registrar, Health]:
    """Add every service; health follows libvirt's connection."""
    registrar = Registrar(
        server,
        longest_calls=settings.limits.calls,
        longest_streams=settings.limits.watchers,
        slow_call_s=settings.log.slow_call_s,
        metrics=metrics,
    )
    description = AgentDescription(
        identity=parts.identity,
        started_at_s=time.time(),
        staleness_s=settings.staleness_s,
        request_id_retention_s=settings.limits.request_id_retention_s,
    )
    registrar.register(add_AgentServiceServicer_to_server, AgentServicer(parts.host, description))
    registrar.register(add_PoolServiceServicer_to_server, PoolServicer(parts.host, parts.operations))
    registrar.register(add_VolumeServiceServicer_to_server, VolumeServicer(parts.host, parts.operations))
    registrar.register(add_SecretServiceServicer_to_server, SecretServicer(parts.host, parts.operations))
    registrar.register(add_InventoryServiceServicer_to_server, InventoryServicer(parts.host))
    registrar.register(add_OperationServiceServicer_to_server, OperationServicer(parts.operations, parts.journal))
    health = Health(registrar.services)
    registrar.register(health_pb2_grpc.add_HealthServicer_to_server, health)
    register_reflection(registrar, on_tcp=settings.reflection_on_tcp)

    def follow(event: HypervisorEvent) -> None:
        if isinstance(event, ConnectionEvent):
            health.set_libvirt(connected=event.connected)

    parts.hypervisor.subscribe(follow)
    health.set_libvirt(connected=parts.hypervisor.facts().connected)
    return registrar, health


def _metrics(settings: Settings, parts: Parts) -> Metrics:
    def operations_by_state() -> Mapping[str, int]:
        return Counter(operation.state.value for operation in parts.journal.newest_first())

    def pools_by_state() -> Mapping[tuple[str, str], int]:
        pools = [entry.pool for entry in parts.host.registry.snapshot.pools.values()]
        return Counter(
            (pool.desired.desired if pool.desired else "", pool.health.status if pool.health else "INACTIVE")
            for pool in pools
        )

    metrics = Metrics()
    metrics.observe(
        Gauges(
            libvirt_connected=lambda: parts.hypervisor.facts().connected,
            libvirt_calls_in_flight=lambda: parts.hypervisor.counters.in_flight,
            libvirt_calls_hung=lambda: parts.hypervisor.counters.hung,
            operations_by_state=operations_by_state,
            mounts_by_health=parts.watch.statuses,
            mount_transitions=parts.watch.transitions.copy,
            health_by_mount=parts.watch.by_mount,
            rescues=lambda: parts.rescue.ended,
            supervisor_starts=parts.supervisor.starts,
            pools_by_state=pools_by_state,
        )
    )
    metrics.serve(settings.metrics.listen)
    return metrics
