"""grpc.health.v1: whether each service can do its work. A watcher gets the newest state, and delays nobody."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = HealthCheckResponse.SERVICE_UNKNOWN

WHOLE = ""
"""The name under which the agent as a whole is asked for."""
INDEPENDENT = frozenset({"poolfleet.v1.AgentService", "poolfleet.v1.OperationService"})
"""Services that answer whether or not libvirt does."""


class Health(health_pb2_grpc.HealthServicer):
    """States of the services: those that need libvirt are NOT_SERVING until it is said to be there."""

    def __init__(self, services: Sequence[str]) -> None:
        """Take the full names of all services."""
        self._status = {name: SERVING if name in INDEPENDENT else NOT_SERVING for name in (*services, WHOLE)}
        self._stopping = False
        self._watchers: set[asyncio.Event] = set()

    def set_libvirt(self, *, connected: bool) -> None:
        """Say whether libvirt is there."""
        for service in self._status:
            if service not in INDEPENDENT:
                self.set_serving(service, serving=connected)

    def set_serving(self, service: str, *, serving: bool) -> None:
        """Set one service's state; without effect once the agent stops."""
        if not self._stopping:
            self._status[service] = SERVING if serving else NOT_SERVING
            self._wake()

    def stop(self) -> None:
        """Say NOT_SERVING of everything, for good."""
        self._stopping = True
        self._status = dict.fromkeys(self._status, NOT_SERVING)
        self._wake()

    async def Check(  # noqa: N802  the name of the RPC
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> HealthCheckResponse:
        """Answer with the present state; an unknown service is NOT_FOUND, as the protocol has it."""
        if request.service not in self._status:
            # A status travels in headers, which may not be long.
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service[:200]!r}")
        return HealthCheckResponse(status=self._status[request.service])

    async def Watch(  # noqa: N802  the name of the RPC
        self, request: HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[HealthCheckResponse]:
        """Stream the state now and after each change."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        sent: object = None
        try:
            while True:
                changed.clear()
                status = self._status.get(request.service, SERVICE_UNKNOWN)
                if status != sent:
                    sent = status
                    yield HealthCheckResponse(status=status)
                await changed.wait()
        finally:
            self._watchers.discard(changed)

    def _wake(self) -> None:
        for changed in self._watchers:
            changed.set()
