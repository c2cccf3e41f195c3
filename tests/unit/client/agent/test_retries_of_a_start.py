"""How a start is told to try again, and how long a client waits for it."""

import asyncio

import pytest

from poolfleet import InvalidArgument, PoolSpec, RetryPolicy
from poolfleet.aio import AgentClient
from poolfleet.types.errors import StillRunning
from poolfleet.v1 import operation_service_pb2, pool_pb2, pool_service_pb2
from tests.unit.client.stub_agent import StubAgent, running, succeeded

POLICY = RetryPolicy(deadline_s=90, attempts=7, first_delay_s=0.25, longest_delay_s=4)


AGENT_GIVES_S = 150
"""Longer than the client's own limit, which is 20 s."""


@pytest.fixture(autouse=True)
def a_start_that_goes_on(stub: StubAgent) -> None:
    operation = running()
    # The agent's clock may be any other than ours.
    operation.created_at.FromSeconds(1_000)
    operation.deadline.FromSeconds(1_000 + AGENT_GIVES_S)
    stub.on("StartPool", pool_service_pb2.StartPoolResponse(operation=operation))
    ended = succeeded(pool_result=pool_pb2.Pool(name="a"))
    stub.on("WaitOperation", operation_service_pb2.WaitOperationResponse(operation=ended))


async def test_a_policy_is_sent_as_it_is(stub: StubAgent, client: AgentClient) -> None:
    await client.pools.start("a", retry=POLICY)
    sent = stub.sent("StartPool")[0].retry
    assert (sent.deadline.seconds, sent.attempts, sent.first_delay.nanos, sent.longest_delay.seconds) == (
        90,
        7,
        250_000_000,
        4,
    )


async def test_what_is_not_said_is_left_to_the_agent(stub: StubAgent, client: AgentClient) -> None:
    await client.pools.start("a")
    await client.pools.start("a", retry=RetryPolicy(attempts=0))
    first, second = stub.sent("StartPool")
    assert not first.HasField("retry")
    assert second.retry.HasField("attempts")
    assert not second.retry.HasField("deadline")


@pytest.mark.parametrize("policy", [None, POLICY])
async def test_a_start_is_waited_for_as_long_as_the_agent_gives_it(
    stub: StubAgent, client: AgentClient, policy: RetryPolicy | None
) -> None:
    await client.pools.start("a", retry=policy)
    assert stub.sent("WaitOperation")[0].timeout.seconds > AGENT_GIVES_S - 10


async def test_a_timeout_that_is_given_counts(stub: StubAgent, client: AgentClient) -> None:
    async def goes_on(
        request: operation_service_pb2.WaitOperationRequest,
    ) -> operation_service_pb2.WaitOperationResponse:
        await asyncio.sleep(request.timeout.ToNanoseconds() / 1e9)
        return operation_service_pb2.WaitOperationResponse(operation=running())

    stub.on("WaitOperation", goes_on)
    with pytest.raises(StillRunning):
        await client.pools.start("a", retry=POLICY, timeout_s=2)  # in which the start itself has to be answered


async def test_ensure_starts_with_the_policy(stub: StubAgent, client: AgentClient) -> None:
    inactive = pool_pb2.Pool(name="a", autostart=True, state=pool_pb2.POOL_STATE_INACTIVE)
    stub.on("DefinePool", pool_service_pb2.DefinePoolResponse(operation=succeeded(pool_result=inactive)))
    await client.pools.ensure(PoolSpec.dir("a", target="/a"), retry=POLICY)
    assert stub.sent("StartPool")[0].retry.attempts == POLICY.attempts
    assert stub.sent("WaitOperation")[0].timeout.seconds > AGENT_GIVES_S - 10


async def test_ensure_has_no_longer_than_it_is_given(stub: StubAgent, client: AgentClient) -> None:
    inactive = pool_pb2.Pool(name="a", autostart=True, state=pool_pb2.POOL_STATE_INACTIVE)
    stub.on("DefinePool", pool_service_pb2.DefinePoolResponse(operation=succeeded(pool_result=inactive)))
    await client.pools.ensure(PoolSpec.dir("a", target="/a"), retry=POLICY, timeout_s=5)
    assert stub.sent("WaitOperation")[0].timeout.seconds <= 5


async def test_what_no_message_can_hold_is_refused(client: AgentClient) -> None:
    with pytest.raises(InvalidArgument):
        await client.pools.start("a", retry=RetryPolicy(attempts=2**40))
