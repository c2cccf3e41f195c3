"""The base of test servicers that answer GetAgent and nothing else."""

from __future__ import annotations

from typing import Any

from poolfleet.v1.agent_service_pb2 import SetMaintenanceResponse
from poolfleet.v1.agent_service_pb2_grpc import AgentServiceServicer


class GetAgentOnly(AgentServiceServicer):
    async def SetMaintenance(self, request: Any, context: Any) -> SetMaintenanceResponse:  # noqa: N802
        raise NotImplementedError
