"""Every status becomes one exception of the tree, with all that the agent said."""

import asyncio
from pathlib import Path

import grpc
import pytest

from poolfleet import DeadlineExceeded, InvalidArgument, PoolfleetError, Unavailable, Violation
from poolfleet.aio import AgentClient
from poolfleet.types.errors import CLASSES
from tests.unit.client.stub_agent import Bare, Refusal, StubAgent

CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


def test_the_table_has_every_code() -> None:
    assert set(CLASSES) == {code.name for code in CODES}


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_a_code_becomes_its_class(stub: StubAgent, client: AgentClient, code: grpc.StatusCode) -> None:
    stub.on("GetPool", Refusal(code, "SOME_REASON"))
    with pytest.raises(CLASSES[code.name]) as caught:
        await client.pools.get("a")
    assert (caught.value.code, caught.value.reason) == (code.name, "SOME_REASON")


async def test_an_error_carries_what_the_agent_said(stub: StubAgent, client: AgentClient) -> None:
    refusal = Refusal(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELD",
        "The name is too long.",
        metadata={"pool": "aaa"},
        retry_delay_s=1.5,
        violations={"spec.name": "too long"},
    )
    stub.on("GetPool", refusal)
    with pytest.raises(InvalidArgument) as caught:
        await client.pools.get("aaa")
    error = caught.value
    assert error.message == "The name is too long."
    assert error.metadata == {"pool": "aaa"}
    assert error.violations == (Violation(field="spec.name", description="too long"),)
    assert (error.retry_delay_s, error.operation_id, error.host) == (1.5, None, "kvm1")
    assert str(error) == "kvm1: The name is too long. [INVALID_FIELD]"


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_what_grpc_says_itself_is_ours_too(stub: StubAgent, client: AgentClient, code: grpc.StatusCode) -> None:
    stub.on("GetPool", Bare(code))
    with pytest.raises(PoolfleetError) as caught:
        await client.pools.get("a")
    assert caught.value.__cause__ is None
    own = {"UNAVAILABLE": "UNREACHABLE", "DEADLINE_EXCEEDED": "DEADLINE"}
    assert caught.value.reason == own.get(code.name, code.name)


async def test_where_nobody_listens_is_unreachable(tmp_path: Path) -> None:
    async with AgentClient(f"unix:{tmp_path}/none.sock", timeout_s=20) as client:
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            await client.get()
    assert caught.value.reason == "UNREACHABLE"


async def test_an_agent_that_stays_silent_is_given_up(stub: StubAgent, client: AgentClient) -> None:
    async def silent(request: object) -> None:
        await asyncio.Event().wait()

    stub.on("GetPool", silent)
    with pytest.raises(DeadlineExceeded) as caught:
        await client.pools.get("a", timeout_s=0.2)
    assert caught.value.reason == "DEADLINE"


async def test_a_closed_client_says_so(stub: StubAgent) -> None:
    client = AgentClient(stub.target)
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get()
