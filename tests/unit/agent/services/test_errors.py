"""Every model error leaves as a status with one ErrorInfo, over a real connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status

from poolfleet.v1 import agent_service_pb2, agent_service_pb2_grpc, errors_pb2
from poolfleet_agent.model.errors import Code, ModelError, Reason, Violation
from poolfleet_agent.model.operation import Failure
from poolfleet_agent.services.errors import STATUS_DETAILS_KEY, abort, status_of, status_of_failure
from tests.get_agent_only import GetAgentOnly

MessageT = TypeVar("MessageT", bound=Message)


def details_of(status: Status, kind: type[MessageT]) -> Sequence[MessageT]:
    found = []
    for packed in status.details:
        if packed.type_url.endswith(f"/{kind.DESCRIPTOR.full_name}"):
            detail = kind()
            packed.Unpack(detail)
            found.append(detail)
    return found


class Raising(GetAgentOnly):
    def __init__(self) -> None:
        self.error = ModelError(Reason.INTERNAL, "not set")

    async def GetAgent(self, request: Any, context: Any) -> agent_service_pb2.GetAgentResponse:  # noqa: N802
        await abort(context, self.error)


@pytest.fixture
def servicer() -> Raising:
    return Raising()


@pytest.fixture
async def stub(servicer: Raising, socket_dir: Path) -> AsyncIterator[agent_service_pb2_grpc.AgentServiceStub]:
    server = grpc.aio.server()
    agent_service_pb2_grpc.add_AgentServiceServicer_to_server(servicer, server)
    server.add_insecure_port(f"unix:{socket_dir}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{socket_dir}/s") as channel:
        yield agent_service_pb2_grpc.AgentServiceStub(channel)
    await server.stop(0)


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_one_of_the_contract_with_the_code_that_the_contract_says(reason: Reason) -> None:
    number = errors_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
    assert number
    status = status_of(ModelError(reason, "why", metadata={"pool": "p"}))
    assert status.code == grpc.StatusCode[reason.code.name].value[0]
    (info,) = details_of(status, details.ErrorInfo)
    assert (info.domain, info.reason, dict(info.metadata)) == ("poolfleet", reason.value, {"pool": "p"})


def test_the_contract_has_no_reason_that_the_model_lacks() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118  no dict
    assert names - {"UNSPECIFIED"} == {reason.value for reason in Reason}


async def test_a_client_gets_code_message_and_details(
    servicer: Raising, stub: agent_service_pb2_grpc.AgentServiceStub
) -> None:
    servicer.error = ModelError(Reason.POOL_NOT_FOUND, "no pool größe", metadata={"pool": "größe"}, retry_delay_s=1.5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAgent(agent_service_pb2.GetAgentRequest())
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "no pool größe"
    raw = next(value for key, value in caught.value.trailing_metadata() or () if key == STATUS_DETAILS_KEY)
    assert isinstance(raw, bytes)
    status = Status.FromString(raw)
    assert status.message == "no pool größe"
    (resource,) = details_of(status, details.ResourceInfo)
    assert (resource.resource_type, resource.resource_name) == ("pool", "größe")
    (retry,) = details_of(status, details.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500


def test_wrong_fields_are_named() -> None:
    error = ModelError(Reason.INVALID_FIELD, "x", violations=(Violation("pool", "must not be empty"),))
    (bad,) = details_of(status_of(error), details.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("pool", "must not be empty")]


def test_a_precondition_names_its_subject() -> None:
    error = ModelError(Reason.POOL_IN_USE, "used", metadata={"pool": "p", "domains": "vm1"})
    (failure,) = details_of(status_of(error), details.PreconditionFailure)
    assert [(v.type, v.subject, v.description) for v in failure.violations] == [("POOL_IN_USE", "p", "used")]


def test_space_is_a_quota_and_a_full_queue_is_none() -> None:
    full = status_of(ModelError(Reason.NO_SPACE, "does not fit", metadata={"pool": "p"}))
    assert [v.subject for v in details_of(full, details.QuotaFailure)[0].violations] == ["p"]
    assert not details_of(status_of(ModelError(Reason.TOO_BUSY, "later")), details.QuotaFailure)


def test_an_operation_carries_the_same_status_as_a_call_would() -> None:
    error = ModelError(
        Reason.VOLUME_EXISTS,
        "other capacity",
        metadata={"pool": "p", "volume": "v"},
        violations=(Violation("a", "b"),),
        retry_delay_s=2.0,
    )
    failure = Failure(
        reason=error.reason,
        message=error.message,
        metadata=tuple(error.metadata.items()),
        violations=error.violations,
        retry_delay_s=error.retry_delay_s,
    )
    assert status_of_failure(failure) == status_of(error)


async def test_long_and_broken_text_still_arrives(
    servicer: Raising, stub: agent_service_pb2_grpc.AgentServiceStub
) -> None:
    """A client may refuse metadata above 8 KiB in all; a name of a file may not be UTF-8."""
    servicer.error = ModelError(
        Reason.POOL_IN_USE,
        "ü" * 5000 + "\udcff",
        metadata={f"key{n}": "\udcff" + "ö" * 3000 for n in range(20)},
        violations=tuple(Violation("f" * 500, "d" * 5000) for _ in range(100)),
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAgent(agent_service_pb2.GetAgentRequest())
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    message = caught.value.details() or ""
    assert message.endswith("…")
    raw = next(value for key, value in caught.value.trailing_metadata() or () if key == STATUS_DETAILS_KEY)
    assert 3 * len(message.encode()) + len(raw) * 4 / 3 < 8000


def test_codes_are_those_of_grpc() -> None:
    for code in Code:
        assert grpc.StatusCode[code.name].name == code.value
