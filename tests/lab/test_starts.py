"""Starting a pool whose server fails: tried again within the deadline, with each attempt and its kind on record."""

from __future__ import annotations

import threading
import time

import pytest

from poolfleet import AgentClient, FailedPrecondition, Operation, PoolfleetError, Unavailable
from poolfleet.types.pool import PoolState
from poolfleet.types.retry import RetryPolicy
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.network import SERVER_ADDRESS
from tests.lab.shares import SLOWER, share

BRIEFLY = RetryPolicy(deadline_s=20)
FIRST_FAILURE_S = 3.0 * SLOWER


def define(agent: AgentClient, export: str = "vm_data", *, host: str = SERVER_ADDRESS) -> None:
    """By the server's address: to ask the resolver for its name may take too long here, which would be another kind."""
    agent.pools.define(share(export=export, host=host))
    agent.pools.build("vm_data")


def failed_start(agent: AgentClient, kind: type[PoolfleetError]) -> tuple[PoolfleetError, Operation]:
    with pytest.raises(kind) as caught:
        agent.pools.start("vm_data", retry=BRIEFLY)
    assert caught.value.operation_id
    return caught.value, agent.operations.get(caught.value.operation_id)


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_server_that_fails_is_tried_again_and_each_attempt_says_how(
    healthy: Lab, agent: AgentClient, way: str
) -> None:
    define(agent)
    if way == "refused":
        healthy.server.refuse()
    else:
        healthy.server.silent()
    error, operation = failed_start(agent, Unavailable)
    assert error.reason == "MOUNT_RETRIES_EXHAUSTED"
    assert len(operation.attempts) > 1
    expected = "CONNECTION_REFUSED" if way == "refused" else "TIMED_OUT"
    assert {attempt.failure for attempt in operation.attempts} == {expected}
    first = operation.attempts[0].duration_s
    assert first is not None
    assert first < FIRST_FAILURE_S
    assert healthy.hosts[0].mounts() == []


def test_a_missing_export_is_refused_with_its_kind(healthy: Lab, agent: AgentClient) -> None:
    define(agent, "missing")
    error, operation = failed_start(agent, FailedPrecondition)
    assert error.reason == "MOUNT_FAILED"
    assert operation.attempts[-1].failure in ("NO_SUCH_EXPORT", "ACCESS_DENIED")
    assert len(operation.attempts) <= 3
    assert healthy.hosts[0].mounts() == []


@pytest.mark.full
def test_a_name_that_nobody_knows_fails_at_once(agent: AgentClient) -> None:
    define(agent, host="no-such-server.lab")
    began = time.monotonic()
    _, operation = failed_start(agent, PoolfleetError)
    assert operation.attempts[0].failure in ("NAME_UNKNOWN", "NAME_TEMPORARY")
    assert time.monotonic() - began < 90


@pytest.mark.full
def test_so_does_one_whose_resolver_drops_the_question(healthy: Lab, agent: AgentClient) -> None:
    """The hosts' resolver is the server's address, port 53."""
    healthy.server.silent_on(53)
    define(agent, host="unresolvable.example")
    error, operation = failed_start(agent, PoolfleetError)
    assert {attempt.failure for attempt in operation.attempts} <= {"NAME_TEMPORARY", "NAME_UNKNOWN"}
    first = operation.attempts[0].duration_s
    assert first is not None
    assert first < FIRST_FAILURE_S
    assert error.metadata["advice"]


@pytest.mark.full
def test_a_server_that_comes_up_20_s_later_is_waited_for(healthy: Lab, agent: AgentClient) -> None:
    define(agent)
    healthy.server.refuse()
    later = threading.Timer(20, healthy.server.heal)
    later.start()
    try:
        started = agent.pools.start("vm_data", retry=RetryPolicy(deadline_s=120))
    finally:
        later.join()
    assert len(started.attempts) > 1
    assert started.attempts[0].failure == "CONNECTION_REFUSED"
    assert started.attempts[-1].failure == ""
    assert agent.pools.get("vm_data").state is PoolState.RUNNING
