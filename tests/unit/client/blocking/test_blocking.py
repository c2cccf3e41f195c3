"""The blocking face is the asynchronous one, waited for."""

import asyncio
import inspect
import signal
import threading
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any

import grpc
import pytest

import poolfleet
from poolfleet import AgentClient, FleetResult, Host, NotFound, aio
from poolfleet.agent import inventory, operations, pools, secrets, volumes
from poolfleet.blocking import agent as face
from poolfleet.blocking import fleet as fleet_face
from poolfleet.blocking.loop import run
from poolfleet.fleet import storage
from poolfleet.v1 import agent_pb2, agent_service_pb2, pool_pb2, pool_service_pb2
from tests.unit.client.stub_agent import Refusal, StubAgent

PAIRS = [
    (aio.AgentClient, poolfleet.AgentClient),
    (aio.Fleet, poolfleet.Fleet),
    (storage.FleetStorage, fleet_face.FleetStorage),
    (pools.Pools, face.Pools),
    (volumes.Volumes, face.Volumes),
    (secrets.Secrets, face.Secrets),
    (operations.Operations, face.Operations),
    (inventory.Inventory, face.Inventory),
]


def surface(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_")}


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS, ids=[one.__name__ for one, _ in PAIRS])
def test_both_faces_have_the_same_signatures(asynchronous: type, blocking: type) -> None:
    # `over` puts the face before a client that exists.
    assert surface(asynchronous) == surface(blocking) - {"over"}
    constructor = {"__init__"} if blocking in (poolfleet.AgentClient, poolfleet.Fleet) else set()
    for name in surface(asynchronous) | constructor:
        one, other = getattr(asynchronous, name), getattr(blocking, name)
        if isinstance(one, property):
            assert isinstance(other, property), name
        else:
            assert parameters(one) == parameters(other), name


def parameters(of: Any) -> list[tuple[str, object, object]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(of).parameters.values()]


@pytest.fixture
def served() -> Iterator[StubAgent]:
    """A stub agent on the background loop."""
    stub = StubAgent()
    run(stub.__aenter__())
    yield stub
    run(stub.__aexit__())


@pytest.fixture
def client(served: StubAgent) -> Iterator[AgentClient]:
    with AgentClient(served.target, name="kvm1") as made:
        yield made


def page(names: list[str], token: str) -> pool_service_pb2.ListPoolsResponse:
    return pool_service_pb2.ListPoolsResponse(pools=[pool_pb2.Pool(name=n) for n in names], next_page_token=token)


def test_a_call(served: StubAgent, client: AgentClient) -> None:
    served.on("GetPool", pool_service_pb2.GetPoolResponse(pool=pool_pb2.Pool(name="a")))
    assert client.pools.get("a").name == "a"


def test_an_error(served: StubAgent, client: AgentClient) -> None:
    served.on("GetPool", Refusal(grpc.StatusCode.NOT_FOUND, "POOL_NOT_FOUND"))
    with pytest.raises(NotFound) as caught:
        client.pools.get("a")
    assert caught.value.host == "kvm1"


def test_a_list_of_many_pages(served: StubAgent, client: AgentClient) -> None:
    names = [f"pool{number:04}" for number in range(700)]
    served.on("ListPools", page(names[:400], "t"), page(names[400:], ""))
    assert [pool.name for pool in client.pools.list()] == names


def test_a_list_that_is_left_early(served: StubAgent, client: AgentClient) -> None:
    served.on("ListPools", page([f"p{n}" for n in range(300)], "t"))
    iterator = client.pools.list()
    next(iterator)
    assert isinstance(iterator, Generator)
    iterator.close()
    assert len(served.sent("ListPools")) == 1


def test_many_threads_share_a_client(served: StubAgent, client: AgentClient) -> None:
    served.on("GetPool", pool_service_pb2.GetPoolResponse(pool=pool_pb2.Pool(name="a")))
    seen: list[str] = []
    threads = [threading.Thread(target=lambda: seen.append(client.pools.get("a").name)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert seen == ["a"] * 8


def test_on_its_own_loop_it_refuses_instead_of_waiting_for_ever(client: AgentClient) -> None:
    async def wrong() -> None:
        client.pools.get("a")

    with pytest.raises(RuntimeError, match=r"poolfleet\.aio"):
        run(wrong())


async def own_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


class Interrupted(Exception):
    """What Ctrl-C is to a caller, without ending the test run."""


@pytest.mark.parametrize("when", ["while it waits", "before it waits"])
def test_an_interrupted_wait_ends_the_call(
    served: StubAgent, client: AgentClient, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    ended = threading.Event()
    main = threading.get_ident()
    if when == "before it waits":
        # As on a busy machine: the agent is asked before its caller has come to wait for the answer.
        loop = run(own_loop())
        call_soon = loop.call_soon_threadsafe

        def call_soon_and_tarry(*arguments: Any) -> asyncio.Handle:
            handle = call_soon(*arguments)
            if threading.get_ident() == main:
                ended.wait(20)
            return handle

        monkeypatch.setattr(loop, "call_soon_threadsafe", call_soon_and_tarry)

    async def silent(request: object) -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    served.on("GetPool", silent)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            client.pools.get("a")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended.wait(20)


def test_a_fleet(served: StubAgent) -> None:
    served.on("GetAgent", agent_service_pb2.GetAgentResponse(agent=agent_pb2.Agent(host_name="kvm1")))
    served.on("GetPool", pool_service_pb2.GetPoolResponse(pool=pool_pb2.Pool(name="a")))
    with poolfleet.Fleet([Host(name="kvm1", target=served.target)]) as fleet:
        names: FleetResult[str] = fleet.map(lambda host: host.pools.get("a").name)
        assert {host: outcome.value for host, outcome in names.items()} == {"kvm1": "a"}
        chosen = fleet.select(["kvm*"]).agents()
        assert [outcome.value.host_name for outcome in chosen.values() if outcome.value] == ["kvm1"]
