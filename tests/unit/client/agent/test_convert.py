"""Every value that the contract has is known to the client, and what it has not is told by its number."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from poolfleet.agent.convert import pools
from poolfleet.agent.convert.scalars import Numbers, moment, seconds
from poolfleet.types import (
    AgentMode,
    Desired,
    DiskRole,
    DomainState,
    HealthStatus,
    MountOwner,
    OperationKind,
    OperationState,
    PoolState,
    StorageIdSource,
)
from poolfleet.v1 import agent_pb2, domain_disk_pb2, operation_pb2, pool_pb2, snapshot_pb2

ENUMS = [
    (agent_pb2.Agent.Mode.items(), "MODE_", AgentMode),
    (domain_disk_pb2.DomainDisk.DomainState.items(), "DOMAIN_STATE_", DomainState),
    (domain_disk_pb2.DomainDisk.Role.items(), "ROLE_", DiskRole),
    (operation_pb2.OperationState.items(), "OPERATION_STATE_", OperationState),
    (operation_pb2.OperationKind.items(), "OPERATION_KIND_", OperationKind),
    (pool_pb2.PoolState.items(), "POOL_STATE_", PoolState),
    (pool_pb2.PoolHealth.Status.items(), "STATUS_", HealthStatus),
    (pool_pb2.DesiredState.Desired.items(), "DESIRED_", Desired),
    (pool_pb2.PoolMount.Owner.items(), "OWNER_", MountOwner),
    (snapshot_pb2.Storage.Source.items(), "SOURCE_", StorageIdSource),
]


@pytest.mark.parametrize(("items", "prefix", "enum"), ENUMS, ids=[enum.__name__ for _, _, enum in ENUMS])
def test_the_two_enums_are_one(items: Iterable[tuple[str, int]], prefix: str, enum: type[StrEnum]) -> None:
    table = Numbers(items, prefix, enum)
    assert table[0] is enum("unknown")
    assert set(table.values()) == set(enum)
    assert len(table) == len(enum)


def test_a_state_of_a_later_contract_is_none_that_is_known_and_has_its_number() -> None:
    message = pool_pb2.Pool.FromString(bytes([4 << 3, 99]))
    state = pools.pool(message).state
    assert isinstance(state, PoolState)
    assert state not in set(PoolState)
    assert (str(state), state.value, repr(state)) == (
        "unknown-99",
        "unknown-99",
        "<PoolState.UNKNOWN_99: 'unknown-99'>",
    )
    assert state == pools.pool(message).state
    assert {state: 1}[pools.pool(message).state] == 1


def test_times() -> None:
    assert moment(Timestamp(seconds=1, nanos=250_000_999)) == datetime(1970, 1, 1, 0, 0, 1, 250_000, tzinfo=UTC)
    assert seconds(Duration(seconds=2, nanos=500_000_000)) == 2.5
