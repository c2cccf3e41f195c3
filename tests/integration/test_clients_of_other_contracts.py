"""This agent with a client of the last release, and with one that asks for more than this contract has."""

from __future__ import annotations

from typing import Any

from google.protobuf.message_factory import GetMessageClass

from scripts.embedded.host import EmbeddedHost
from tests.contract.spoken import LATER_NUMBER, LATER_TEXT, Contract, later, recorded
from tests.raw_agent import LIMIT_S, RawAgent, Refused, answered

MIB = 1 << 20


class Client:
    """Speaks to an agent in the words of one contract."""

    def __init__(self, contract: Contract, agent: RawAgent) -> None:
        self.new = contract.new
        self._agent = agent
        self._methods = {
            method.input_type.name: (f"/{service.full_name}/{method.name}", method.output_type)
            for service in contract.services
            for method in service.methods
        }

    async def ask(self, name: str, **fields: Any) -> Any:
        """The answer to a request; raises Refused."""
        path, output = self._methods[name]
        call: Any = self._agent.channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(output).FromString,
        )
        return await answered(call(self.new(name, **fields), timeout=LIMIT_S))

    async def done(self, name: str, **fields: Any) -> Any:
        """The operation of a mutation that ended well."""
        operation = (await self.ask(name, **fields)).operation
        succeeded = 3
        while operation.state in {1, 2}:
            answer = await self.ask("WaitOperationRequest", operation=operation.id, timeout={"seconds": 5})
            operation = answer.operation
        assert operation.state == succeeded, operation.error
        return operation


async def test_a_client_of_the_last_release_does_what_it_did(host: EmbeddedHost, agent: RawAgent) -> None:
    await agent.ready()
    client = Client(recorded(), agent)
    target = str(host.pools_dir / "p")
    spec = {"name": "p", "dir": {}, "target": {"path": target}}
    for request, fields in (
        ("DefinePoolRequest", {"spec": spec}),
        ("BuildPoolRequest", {"pool": "p"}),
        ("StartPoolRequest", {"pool": "p"}),
        ("RefreshPoolRequest", {"pool": "p"}),
    ):
        await client.done(request, **fields)
    volume = {"name": "v", "capacity_bytes": MIB, "format": "qcow2"}
    assert (await client.done("CreateVolumeRequest", pool="p", spec=volume)).volume_result.path == f"{target}/v"
    clone = await client.done("CloneVolumeRequest", pool="p", volume="v", spec={"name": "w", "format": "raw"})
    assert clone.volume_result.capacity_bytes == MIB
    await client.done("ResizeVolumeRequest", pool="p", volume="w", capacity_bytes=2 * MIB)
    listed = await client.ask("ListVolumesRequest", pool="p")
    assert [(each.name, each.format) for each in listed.volumes] == [("v", "qcow2"), ("w", "raw")]
    pool = (await client.ask("GetPoolRequest", pool="p")).pool
    assert (pool.type, pool.WhichOneof("source"), pool.target.path) == ("dir", "dir", target)
    assert not (await client.done("DefinePoolRequest", spec=spec)).changed
    for name in ("v", "w"):
        await client.done("DeleteVolumeRequest", pool="p", volume=name)
    await client.done("StopPoolRequest", pool="p")
    await client.done("UndefinePoolRequest", pool="p")
    assert len((await client.ask("ListOperationsRequest")).operations) == 12
    refused = await _refused(client, "GetPoolRequest", pool="p")
    assert (refused.code, refused.reason) == ("NOT_FOUND", "POOL_NOT_FOUND")


async def test_what_a_later_client_asks_for_beyond_this_contract_is_passed_over_or_refused(
    host: EmbeddedHost, agent: RawAgent
) -> None:
    await agent.ready()
    client = Client(later(), agent)
    target = str(host.pools_dir / "p")
    spec = {"name": "p", "dir": {"later_text": LATER_TEXT}, "target": {"path": target}, "later_text": LATER_TEXT}
    await client.done("DefinePoolRequest", spec=spec, later_text=LATER_TEXT)
    assert not (await client.done("DefinePoolRequest", spec=spec)).changed
    # A pool of a type that is not known here has no source here.
    future = await _refused(client, "DefinePoolRequest", spec={"name": "q", "later_source": "somewhere"})
    assert (future.code, future.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    shown = (await client.ask("GetPoolRequest", pool="p", view=LATER_NUMBER)).pool
    assert (shown.name, shown.xml) == ("p", "")
    # Nothing here is of a state, a type or a kind that is not known.
    wanted = {"states": [LATER_NUMBER], "types": ["future"], "later_text": LATER_TEXT}
    assert not (await client.ask("ListPoolsRequest", filter=wanted)).pools
    kinds = {"kinds": [LATER_NUMBER], "states": [LATER_NUMBER]}
    assert not (await client.ask("ListOperationsRequest", filter=kinds)).operations


async def _refused(client: Client, name: str, **fields: Any) -> Refused:
    try:
        answer = await client.ask(name, **fields)
    except Refused as refused:
        return refused
    raise AssertionError(f"{name} answered: {answer}")
