"""This client with an agent of the last release, and with one that says more than this contract has: nothing fails, and
what is not known is shown as it is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest

from poolfleet.v1 import operation_pb2, pool_pb2, pool_service_pb2
from tests.contract.spoken import LATER_NUMBER, LATER_TEXT, Contract, later, recorded, say_more
from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.stub_agent import Refusal

Answers = Callable[[Any], Awaitable[Any]]


class Older(LivingAgent):
    """An agent of the last release: what that has no word for it neither hears nor says."""

    def __init__(self) -> None:
        super().__init__()
        self.contract = recorded()
        for name in [name for name in dir(self) if name[0].isupper()]:
            self.on(name, self._within(getattr(self, name)))

    def _within(self, answers: Answers) -> Answers:
        async def answer(request: Any) -> Any:
            return _only(self.contract, await answers(_only(self.contract, request)))

        return answer


def _only(contract: Contract, message: Any) -> Any:
    """A message without what a contract does not have."""
    heard = contract.heard(message)
    heard.DiscardUnknownFields()
    return type(message).FromString(heard.SerializeToString())


class Later(LivingAgent):
    """An agent of a later release: whatever it says it says more. Its operations end as those of today."""

    def __init__(self) -> None:
        super().__init__()
        self.contract = later()
        for name in [name for name in dir(self) if name[0].isupper()]:
            self.on(name, self._more(getattr(self, name)))

    def _more(self, answers: Answers) -> Answers:
        async def answer(request: Any) -> Any:
            said = await answers(request)
            more = self.contract.heard(said)
            say_more(more, but_for=frozenset({"OperationState"}))
            return type(said).FromString(more.SerializeToString())

        return answer


@pytest.fixture(params=[Older, Later])
async def agent(request: pytest.FixtureRequest) -> AsyncIterator[LivingAgent]:
    async with request.param() as living:
        living.has_pool("vm_data", health=pool_pb2.PoolHealth(status=pool_pb2.PoolHealth.STATUS_HEALTHY))
        living.has_volume("vm_data", "web1.qcow2", format="qcow2")
        yield living


READS = [
    "pool list",
    "pool list -o wide",
    "pool list -o json",
    "pool list -o csv",
    "pool show vm_data",
    "pool show vm_data --xml",
    "volume list vm_data",
    "volume show vm_data/web1.qcow2",
    "volume users vm_data/web1.qcow2",
    "storage list",
    "inventory",
    "operation list",
    "operation list -o json",
    "secret list",
    "host list",
    "host show",
]
CHANGES = [
    "pool define other --type dir --target /srv/other",
    "pool start vm_data",
    "pool stop vm_data --allow-in-use",
    "pool autostart vm_data --off",
    "pool refresh vm_data",
    "volume create vm_data/web2.qcow2 1G --format qcow2",
    "volume clone vm_data/web1.qcow2 web3.qcow2",
    "volume resize vm_data/web1.qcow2 2G",
    "volume delete vm_data/web1.qcow2",
]


@pytest.mark.parametrize("line", [*READS, *CHANGES])
async def test_every_verb_does_with_it_what_it_does_with_one_of_today(poolfleet: Terminal, line: str) -> None:
    ran = await poolfleet(*line.split())
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err


async def test_what_is_known_of_a_source_is_not_written_over_what_is_not(
    agent: LivingAgent, poolfleet: Terminal
) -> None:
    source = pool_pb2.NetfsSource(host="server", path="/export", format="nfs")
    source.MergeFromString(later().new("NetfsSource", later_text=LATER_TEXT).SerializeToString())
    pool = agent.has_pool("far", type="netfs")
    pool.netfs.CopyFrom(source)
    agent.on("GetPool", pool_service_pb2.GetPoolResponse(pool=pool))
    refused = await poolfleet("pool", "update", "far", "--source-path", "/other")
    assert refused.code == 1
    assert "would be lost" in " ".join(refused.err.split())
    assert "UpdatePool" not in agent.called
    pool.netfs.DiscardUnknownFields()
    agent.on("GetPool", pool_service_pb2.GetPoolResponse(pool=pool))
    assert (await poolfleet("pool", "update", "far", "--source-path", "/other")).code == 0


async def test_what_is_not_known_is_shown_as_it_is() -> None:
    async with Later() as agent:
        agent.has_pool("vm_data")
        poolfleet = Terminal(POOLFLEET_SOCKET=agent.target)
        number = f"unknown-{LATER_NUMBER}"
        shown = (await poolfleet("pool", "list")).out
        assert shown.splitlines()[1].split()[:4] == ["vm_data", "future", number, number]
        [pool] = json.loads((await poolfleet("pool", "show", "vm_data", "-o", "json")).out)["pools"]
        assert (pool["type"], pool["state"], pool["source"]) == ("future", number, None)
        unknown: Any = LATER_NUMBER
        agent.operations.append(operation_pb2.Operation(id="op-9", kind=unknown, state=unknown))
        [operation] = [line for line in (await poolfleet("operation", "list")).out.splitlines() if "op-9" in line]
        assert operation.split().count(number) == 2
        agent.on("StartPool", Refusal(grpc.StatusCode.FAILED_PRECONDITION, "OF_A_LATER_RELEASE", "It cannot be, yet."))
        refused = await poolfleet("pool", "start", "vm_data")
        assert refused.code == 5
        assert "It cannot be, yet." in refused.err
