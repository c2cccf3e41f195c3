"""An operation store without a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.ports import RequestRecord


class MemoryOperations:
    """An operation store that may be full."""

    def __init__(self) -> None:
        self.full = False
        self.kept: dict[str, Operation] = {}
        self.requests: dict[tuple[str, str, str], RequestRecord] = {}

    async def save(self, operation: Operation, request: RequestRecord | None = None) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise ModelError(Reason.NO_SPACE, "full")
        self.kept[operation.id] = operation
        if request is not None:
            self.requests[request.caller, request.rpc, request.request_id] = request

    async def load_all(self) -> Sequence[Operation]:
        return list(self.kept.values())

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        await asyncio.sleep(0)
        return self.requests.get((caller, rpc, request_id))

    async def remove_ended_before(self, ended_before_s: float) -> Sequence[str]:
        gone = [
            key for key, kept in self.kept.items() if kept.ended_at_s is not None and kept.ended_at_s < ended_before_s
        ]
        for key in gone:
            del self.kept[key]
        return gone
