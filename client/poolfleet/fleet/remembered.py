"""Where a request was begun already: it is answered there from the record, and begun nowhere else.

Whoever does not answer may be the host that has begun it. Then nothing is sent: a capacity would be added to twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.asking import Asking, Told
from poolfleet.inventory.seen import PoolSeen
from poolfleet.inventory.sentences import shortened
from poolfleet.types.errors import Unavailable
from poolfleet.types.operation import OperationKind

_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of a caller's own id."""

    id: str
    kind: OperationKind
    volume: str
    pool: str = ""
    """Where the volume is, on whichever host; empty: in the pool by which the host has the storage."""


async def remembered(asking: Asking, told: Told, order: Sequence[PoolSeen], request: Request) -> PoolSeen | None:
    """The host that has begun it, by whatever route; None: none has.

    `told`: how the hosts that may act stand; `order`: those of them that have the storage. Raises Unavailable
    (INCOMPLETE) where nobody has begun it who could be asked, and not all could.
    """
    pools = {seen.host.host: seen for seen in order}

    async def remembers(client: AgentClient) -> bool:
        name = request.pool or pools[client.name or client.target].pool.name
        operations = client.operations.list(kinds=[request.kind], pools=[name])
        return any([request.id in operation.request_ids async for operation in operations])

    result = await asking.each(remembers, pools)
    for host, known in result.answers():
        if known:
            return pools[host]
    missing = [
        *(f"{host.host}: {host.error.message}" for host in told.hosts if host.error is not None),
        *result.lines(),
    ]
    if missing:
        words = shortened(missing, most=_SHOWN)
        raise Unavailable(
            f"whether the request {request.id} was begun already cannot be told: {words}",
            reason="INCOMPLETE",
            metadata={"pool": order[0].pool.name, "volume": request.volume, "missing": words},
        )
    return None
