"""A host stays followed into a store, whatever happens to single answers of it, and whoever answers there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from poolfleet.aio import AgentClient, Fleet
from poolfleet.fleet.hosts import Host
from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore, StoredHost
from poolfleet.inventory.sync import InventorySync
from poolfleet.v1 import inventory_service_pb2 as pb
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.stub_agent import Bare

LIMIT_S = 60.0
LATE = Bare(grpc.StatusCode.DEADLINE_EXCEEDED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InventoryStore]:
    store = open_store(f"sqlite:///{tmp_path}/inventory.db")
    yield store
    store.close()


@asynccontextmanager
async def following(store: InventoryStore, **agents: LivingAgent) -> AsyncIterator[asyncio.Task[None]]:
    """Each agent is that of the host of its name."""
    async with Fleet([Host(name=name, target=agent.target) for name, agent in agents.items()]) as fleet:
        task = asyncio.create_task(fleet.follow_inventory(store))
        yield task
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.02)


def told(*pools: str, sequence: int, resync: bool = False) -> pb.WatchInventoryResponse:
    """These pools, and a bookmark: from nothing, or of an agent that was started since."""
    answer = pb.WatchInventoryResponse()
    if resync:
        answer.resync.reason = pb.Resync.REASON_OTHER_EPOCH
    for name in pools:
        answer.pools.add(pool_uuid=f"uuid-of-{name}", name=name, pool={"name": name, "uuid": f"uuid-of-{name}"})
    answer.bookmark.revision.epoch, answer.bookmark.revision.sequence = "e", sequence
    return answer


def stored(store: InventoryStore, sql: str) -> Sequence[Sequence[object]]:
    with store.query(sql) as found:
        return [tuple(row) for row in found.rows]


def pools(store: InventoryStore) -> list[object]:
    return [name for (name,) in stored(store, "SELECT name FROM pool ORDER BY name")]


async def test_an_answer_that_comes_too_late_does_not_end_it(store: InventoryStore) -> None:
    async with LivingAgent("one") as agent:
        # Who it is is asked at the beginning, and again where all is told anew.
        agent.on("GetAgent", LATE, agent.GetAgent, LATE, agent.GetAgent)
        agent.on("WatchInventory", [LATE], [told("a", sequence=1), LATE], [told("b", sequence=2, resync=True), ...])
        async with following(store, one=agent) as task:
            await until(lambda: pools(store) == ["b"])
            assert not task.done()
            assert stored(store, "SELECT status FROM host") == [("ok",)]
        assert len(agent.sent("GetAgent")) == 4


async def test_a_host_that_tells_what_cannot_be_stored_fails_alone(store: InventoryStore) -> None:
    unheard_of = pb.WatchInventoryResponse(pools=[pb.PoolChange(pool_uuid="unheard-of", name="x")])
    unheard_of.bookmark.revision.epoch, unheard_of.bookmark.revision.sequence = "e", 1
    async with agents_of("one", "two") as (one, two):
        one.on("WatchInventory", [unheard_of, ...])
        async with following(store, one=one, two=two) as task:
            expected = [("one", "failed", None), ("two", "ok", "pool-of-two")]
            await until(lambda: [(name, status, pool) for name, _, status, pool in hosts(store)] == expected)
            assert not task.done()
        async with Fleet([Host(name="one", target=one.target), Host(name="two", target=two.target)]) as fleet:
            outcomes = await fleet.sync_inventory(store)
        assert {name: one.value is not None for name, one in outcomes.items()} == {"one": False, "two": True}


def hosts(store: InventoryStore) -> Sequence[Sequence[object]]:
    """Whose pool is stored of which host."""
    return stored(
        store,
        "SELECT host.name, agent_id, status, pool.name FROM host LEFT JOIN pool ON host_key = host.key ORDER BY 1",
    )


SWAPPED = [("one", "agent-of-two", "ok", "pool-of-two"), ("two", "agent-of-one", "ok", "pool-of-one")]
STRAIGHT = [("one", "agent-of-one", "ok", "pool-of-one"), ("two", "agent-of-two", "ok", "pool-of-two")]


@asynccontextmanager
async def agents_of(*names: str) -> AsyncIterator[list[LivingAgent]]:
    async with AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(LivingAgent(f"agent-of-{name}")) for name in names]
        for name, agent in zip(names, agents, strict=True):
            agent.agent.revision.epoch = "e"
            agent.on("WatchInventory", [told(f"pool-of-{name}", sequence=1), ...])
        yield agents


async def synced(store: InventoryStore, agents: Iterable[tuple[str, LivingAgent]]) -> dict[str, str]:
    """Hosts tell once, one after the other: which others they are."""
    given = dict(agents)
    async with InventorySync(store) as sync:
        await sync.begin([StoredHost(name=name) for name in given], only=True)
        others = {}
        for name, agent in given.items():
            async with AgentClient(agent.target, name=name) as client:
                others[name] = (await sync.once(client)).duplicate_of
        for name, other in others.items():
            if other:
                await sync.duplicate(name)
    return others


@pytest.mark.parametrize("step", [1, -1])
async def test_hosts_whose_addresses_were_swapped_between_two_syncs_are_stored_in_one(
    store: InventoryStore, step: int
) -> None:
    async with agents_of("one", "two") as (one, two):
        await synced(store, [("one", one), ("two", two)])
        assert hosts(store) == STRAIGHT
        assert await synced(store, [("one", two), ("two", one)][::step]) == {"one": "", "two": ""}
        assert hosts(store) == SWAPPED


async def test_a_host_whose_agent_has_moved_to_another_one_may_still_lead_to_it(store: InventoryStore) -> None:
    async with agents_of("one", "two") as (one, two):
        await synced(store, [("one", one), ("two", two)])
        assert await synced(store, [("one", two), ("two", two)]) == {"one": "", "two": "one"}
        assert hosts(store) == [SWAPPED[0], ("two", None, "duplicate", None)]


async def test_two_entries_of_one_agent_do_not_take_it_from_each_other(store: InventoryStore) -> None:
    async with agents_of("one") as (one,):
        entries = [("one", one), ("also", one), ("again", one)]
        assert await synced(store, entries) == {"one": "", "also": "one", "again": "one"}
        assert await synced(store, entries[::-1]) == {"one": "", "also": "one", "again": "one"}
        assert [(name, status) for name, _, status, _ in hosts(store)] == [
            ("again", "duplicate"), ("also", "duplicate"), ("one", "ok"),
        ]  # fmt: skip


async def test_a_duplicate_of_who_turns_out_to_be_another_one_is_not_heard(store: InventoryStore) -> None:
    async with agents_of("one", "two") as (one, two):
        await synced(store, [("one", one)])
        # A new host has the old one's address, and answers first.
        await synced(store, [("new", one), ("one", two)])
        assert [(name, status) for name, _, status, _ in hosts(store)] == [("new", "unreachable"), ("one", "ok")]
        assert await synced(store, [("new", one), ("one", two)]) == {"new": "", "one": ""}


async def test_hosts_whose_agents_change_places_while_they_are_followed_are_stored_as_they_are_then(
    store: InventoryStore,
) -> None:
    async with agents_of("one", "two") as (one, two), following(store, one=one, two=two):
        await until(lambda: hosts(store) == STRAIGHT)
        for agent, other in ((one, "two"), (two, "one")):
            await agent.stop()
            agent.agent.agent_id = f"agent-of-{other}"
            agent.on("WatchInventory", [told(f"pool-of-{other}", sequence=1, resync=True), ...])
            await agent.start()
            # The first one is a duplicate of the second, until that is somebody else too.
            await until(lambda: hosts(store) != STRAIGHT)
        await until(lambda: hosts(store) == SWAPPED)
