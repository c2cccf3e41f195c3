"""What becomes of a connection on which a call hangs; on libvirt's test driver, which runs in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import libvirt
import pytest

from poolfleet_agent.hypervisor import caller as caller_module
from poolfleet_agent.hypervisor.caller import Caller, Limit
from poolfleet_agent.hypervisor.calls import Calls
from poolfleet_agent.hypervisor.connection import Session, SessionPlan
from poolfleet_agent.hypervisor.errors import Subject
from poolfleet_agent.hypervisor.events import EVENT_THREAD
from poolfleet_agent.model.errors import ModelError, Reason

LIMIT_S = 20.0
PATIENT = Limit(LIMIT_S, Reason.OPERATION_TIMED_OUT)
HASTY = Limit(0.05, Reason.POOL_UNRESPONSIVE)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    EVENT_THREAD.hold()
    session = Session(
        SessionPlan(
            choose_uri=lambda: "test:///default", handles=1, prepare=lambda _: [], changed=lambda _connected: None
        )
    )
    session.start()
    await until(lambda: session.connected)
    yield session
    await session.close()
    EVENT_THREAD.release()


@pytest.fixture
async def caller(session: Session) -> AsyncIterator[Caller]:
    calls = Calls()
    yield Caller(calls, session)
    calls.close()


async def connection_of(caller: Caller) -> libvirt.virConnect:
    return await caller.call(lambda connection: connection, Subject(), server=None, limit=PATIENT)


async def test_a_connection_is_used_again_and_again(caller: Caller) -> None:
    assert await connection_of(caller) is await connection_of(caller)


async def test_a_connection_with_a_hung_call_is_replaced_and_closed_when_the_call_is_back(
    caller: Caller, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_module, "HUNG_AFTER_S", 0.01)
    first = await connection_of(caller)
    back = threading.Event()
    alive: list[int] = []

    def hang(connection: libvirt.virConnect) -> None:
        back.wait(LIMIT_S)
        alive.append(connection.isAlive())

    with pytest.raises(ModelError) as late:
        await caller.call(hang, Subject("p"), server="s", limit=HASTY)
    assert (late.value.reason, late.value.metadata["pool"]) == (Reason.POOL_UNRESPONSIVE, "p")
    second = first
    async with asyncio.timeout(LIMIT_S):
        while second is first:
            second = await connection_of(caller)
    back.set()
    await until(lambda: bool(alive))
    # The hung call could go on with its own connection to its end; then that was closed, and nothing else.
    assert alive == [1]
    await until(lambda: first._o is None)
    assert session.connected
    assert await connection_of(caller) is second


async def test_a_call_that_is_back_soon_after_its_caller_left_replaces_nothing(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller_module, "HUNG_AFTER_S", 1.0)
    first = await connection_of(caller)
    back = threading.Event()
    with pytest.raises(ModelError):
        await caller.call(lambda _: back.wait(LIMIT_S), Subject(), server=None, limit=HASTY)
    back.set()
    await asyncio.sleep(1.5)
    assert await connection_of(caller) is first


async def test_a_call_that_may_hang_shares_its_connection_with_none_but_those_of_its_server() -> None:
    EVENT_THREAD.hold()
    plan = SessionPlan(
        choose_uri=lambda: "test:///default",
        handles=1,
        network_handles=2,
        prepare=lambda _: [],
        changed=lambda _connected: None,
    )
    session = Session(plan)
    session.start()
    await until(lambda: session.connected)
    local, one, same, other = (session.enter(server) for server in (None, "one", "one", "other"))
    assert one is same
    assert len({id(handle) for handle in (local, one, other)}) == 3
    assert session.enter(None) is local
    session.leave(other)
    assert session.enter("third") is other
    await session.close()
    EVENT_THREAD.release()


async def test_a_libvirt_error_comes_as_a_model_error(caller: Caller) -> None:
    with pytest.raises(ModelError) as failed:
        await caller.call(
            lambda connection: connection.storagePoolLookupByName("nope"), Subject("nope"), server=None, limit=PATIENT
        )
    assert (failed.value.reason, failed.value.metadata) == (Reason.POOL_NOT_FOUND, {"pool": "nope"})


async def test_anything_else_comes_as_internal(caller: Caller) -> None:
    with pytest.raises(ModelError) as failed:
        await caller.call(lambda _: 1 // 0, Subject("p"), server=None, limit=PATIENT)
    assert failed.value.reason is Reason.INTERNAL
