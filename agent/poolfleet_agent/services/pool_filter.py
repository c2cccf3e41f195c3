"""Which pools a list holds."""

from collections.abc import Iterator

from google.protobuf.message import Message

from poolfleet.v1 import pool_pb2, pool_service_pb2
from poolfleet_agent.inventory.snapshot import PoolEntry, Snapshot


def question_of(message: Message, *more: str) -> str:
    """Stands for a filter: a page token of another is refused."""
    return "\0".join((type(message).__name__, message.SerializeToString(deterministic=True).hex(), *more))


def filtered_pools(snapshot: Snapshot, wanted: pool_service_pb2.PoolFilter) -> Iterator[PoolEntry]:
    """The pools that fit, in the order of their names. Unknown states and kinds of health fit nothing."""
    states = {_tail(pool_pb2.PoolState, value, "POOL_STATE_") for value in wanted.states}
    health = {_tail(pool_pb2.PoolHealth.Status, value, "STATUS_") for value in wanted.health}
    types = set(wanted.types)
    for entry in snapshot.pools.values():
        pool = entry.pool
        if types and pool.definition.type not in types:
            continue
        if states and pool.facts.state not in states:
            continue
        if health and (pool.health.status if pool.health else "UNSPECIFIED") not in health:
            continue
        if wanted.HasField("autostart") and pool.facts.autostart != wanted.autostart:
            continue
        if wanted.HasField("persistent") and pool.facts.persistent != wanted.persistent:
            continue
        if pool.name.startswith(wanted.name_prefix):
            yield entry


def _tail(enum: type[pool_pb2.PoolState] | type[pool_pb2.PoolHealth.Status], value: int, prefix: str) -> str:
    try:
        return enum.Name(value).removeprefix(prefix)  # type: ignore[arg-type]
    except ValueError:
        return str(value)
