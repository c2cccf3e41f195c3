"""An operation store without a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.ports import Forgotten, RequestRecord


class MemoryOperations:
    """An operation store that may be full."""

    def __init__(self) -> None:
        self.full = False
        self.kept: dict[str, Operation] = {}
        self.asked = 0
        """How often a request id was looked up."""
        self.requests: dict[tuple[str, str, str], RequestRecord] = {}

    async def save(self, operation: Operation, request: RequestRecord | None = None) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise ModelError(Reason.NO_SPACE, "full")
        self.kept[operation.id] = operation
        if request is not None:
            self.requests[request.caller, request.rpc, request.request_id] = request
        await asyncio.sleep(0)  # it is stored, and who asked for it has yet to hear so

    async def load_all(self) -> Sequence[Operation]:
        return list(self.kept.values())

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        await asyncio.sleep(0)
        self.asked += 1
        return self.requests.get((caller, rpc, request_id))

    async def request_ids(self) -> Sequence[str]:
        return [request.request_id for request in self.requests.values()]

    async def remove_ended_before(self, ended_before_s: float) -> Forgotten:
        gone = [
            key for key, kept in self.kept.items() if kept.ended_at_s is not None and kept.ended_at_s < ended_before_s
        ]
        there = {*await self.request_ids()}
        for key in gone:
            del self.kept[key]
        self.requests = {key: request for key, request in self.requests.items() if request.operation_id not in gone}
        return Forgotten(operations=gone, request_ids=sorted(there - {*await self.request_ids()}))
