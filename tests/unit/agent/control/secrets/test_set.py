"""SetSecret: when a request is the same as an earlier one, and what is kept of it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest

from poolfleet.v1.secret_pb2 import SecretSpec
from poolfleet.v1.secret_service_pb2 import SetSecretRequest
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.services.convert.encoder import MessageEncoder
from poolfleet_agent.services.secrets import SecretServicer
from tests.unit.agent.fake_host import FakeClock, FakeHost, use_case_host
from tests.unit.agent.memory_operations import MemoryOperations

REF = SecretRef(usage_type="ceph", usage_id="a")


class Agent:
    """An agent over a store and a libvirt that outlive it."""

    def __init__(self, fake: FakeHost, store: MemoryOperations) -> None:
        self.fake, self.store = fake, store
        self.operations = Operations(journal=Journal(store=store), lanes=Lanes(), clock=FakeClock())
        self._servicer = SecretServicer(replace(use_case_host(fake), encoder=MessageEncoder()), self.operations)

    async def restarted(self) -> Agent:
        """The next one, with the same files."""
        following = Agent(self.fake, self.store)
        await following.operations.journal.load()
        return following

    async def set(self, value: bytes, request_id: str = "", usage_id: str = "a") -> str:
        """Set it; the answer is the operation's id."""
        spec = SecretSpec(usage_type="ceph", usage_id=usage_id)
        request = SetSecretRequest(spec=spec, value=value, request_id=request_id)
        answer = await self._servicer.SetSecret(request, None)  # type: ignore[arg-type]
        assert answer.operation.changed
        return str(answer.operation.id)

    async def value(self) -> bytes:
        """What libvirt has now."""
        secrets = self.fake.hypervisor.secrets
        facts = await secrets.find(REF)
        return bytes(secrets.values[facts.uuid].reveal)


@pytest.fixture
def agent(fake: FakeHost) -> Agent:
    return Agent(fake, MemoryOperations())


async def test_a_request_that_is_sent_again_is_answered_with_its_operation(agent: Agent) -> None:
    request_id = str(uuid.uuid4())
    assert await agent.set(b"one", request_id) == await agent.set(b"one", request_id)
    assert len(agent.store.kept) == 1


async def test_the_same_id_with_another_value_is_refused(agent: Agent) -> None:
    request_id = str(uuid.uuid4())
    await agent.set(b"one", request_id)
    with pytest.raises(ModelError) as reused:
        await agent.set(b"two", request_id)
    assert reused.value.reason is Reason.REQUEST_ID_REUSED
    assert await agent.value() == b"one"


@pytest.mark.parametrize("value", [b"one", b"two"], ids=["the same value", "another value"])
async def test_what_an_earlier_agent_answered_is_done_again(agent: Agent, value: bytes) -> None:
    request_id = str(uuid.uuid4())
    earlier = await agent.set(b"one", request_id)
    following = await agent.restarted()
    again = await following.set(value, request_id)
    assert again != earlier
    assert await following.value() == value
    # From now on it is that agent's.
    assert await following.set(value, request_id) == again


async def test_nothing_that_is_kept_or_shown_holds_the_value(agent: Agent) -> None:
    await agent.set(b"hunter2", str(uuid.uuid4()))
    kept = f"{agent.store.kept!r} {agent.store.requests!r} {agent.operations!r} {agent.operations.journal!r}"
    assert "keyed:" in kept
    assert "hunter2" not in kept


async def test_two_values_at_once_are_two_changes_and_the_second_is_told_to_wait(agent: Agent) -> None:
    secrets = agent.fake.hypervisor.secrets
    setting, held = secrets.set, asyncio.Event()

    async def slowly(*words: object) -> object:
        await held.wait()
        return await setting(*words)

    secrets.set = slowly
    first = asyncio.create_task(agent.set(b"one"))
    same = asyncio.create_task(agent.set(b"one"))
    await asyncio.sleep(0)
    while not agent.store.kept:
        await asyncio.sleep(0)
    with pytest.raises(ModelError) as busy:
        await agent.set(b"two")
    assert busy.value.reason is Reason.OPERATION_IN_PROGRESS
    assert busy.value.message.startswith("SET_SECRET of ceph:a is at work")
    other = asyncio.create_task(agent.set(b"two", usage_id="b"))
    held.set()
    assert await first == await same
    assert await other != await first
    assert await agent.value() == b"one"
