"""gRPC reflection: on the UNIX socket always, on TCP where the configuration says so."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.server.authz import is_local
from poolfleet_agent.server.interceptors import Registrar


def register_reflection(registrar: Registrar, *, on_tcp: bool) -> None:
    """Add reflection over all services that were registered before."""
    servicer = _Reflection([*registrar.services, reflection.SERVICE_NAME], on_tcp=on_tcp)
    registrar.register(reflection_pb2_grpc.add_ServerReflectionServicer_to_server, servicer)


class _Reflection(reflection_pb2_grpc.ServerReflectionServicer):
    def __init__(self, services: Sequence[str], *, on_tcp: bool) -> None:
        self._answers: Any = reflection.aio.ReflectionServicer(services)
        self._on_tcp = on_tcp

    async def ServerReflectionInfo(  # noqa: N802  the name of the RPC
        self, request_iterator: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        """Answer questions about the services."""
        if not (self._on_tcp or is_local(context)):
            raise ModelError(
                Reason.NOT_SUPPORTED_HERE,
                "reflection is off on TCP: see reflection_on_tcp in the agent's configuration",
                metadata={"what": "reflection"},
            )
        async for response in self._answers.ServerReflectionInfo(request_iterator, context):
            yield response
