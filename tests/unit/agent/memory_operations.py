"""An operation store without a file."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.ports import RequestRecord, UndecidedError


class MemoryOperations:
    """An operation store that may be full, or late: then it does what it was asked for, and does not say so in time."""

    def __init__(self) -> None:
        self.full = False
        self.late = False
        self.kept: dict[str, Operation] = {}
        self.requests: dict[tuple[str, str, str], RequestRecord] = {}

    async def save(self, operation: Operation, request: RequestRecord | None = None) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise ModelError(Reason.NO_SPACE, "full")
        self.kept[operation.id] = operation
        if request is not None:
            self.requests[request.caller, request.rpc, request.request_id] = request
        if self.late:
            raise UndecidedError(Reason.TOO_BUSY, "late")

    async def load_all(self) -> Sequence[Operation]:
        return list(self.kept.values())

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        await asyncio.sleep(0)
        return self.requests.get((caller, rpc, request_id))

    async def remove(self, operation_ids: Collection[str]) -> None:
        for gone in operation_ids:
            self.kept.pop(gone, None)
        self.requests = {key: known for key, known in self.requests.items() if known.operation_id in self.kept}

    async def remove_ended_before(self, ended_before_s: float) -> Sequence[str]:
        gone = [
            key for key, kept in self.kept.items() if kept.ended_at_s is not None and kept.ended_at_s < ended_before_s
        ]
        for key in gone:
            del self.kept[key]
        return gone
