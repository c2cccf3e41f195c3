"""A host that is followed into a store stays followed, whatever happens to single answers of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from poolfleet.aio import Fleet
from poolfleet.fleet.hosts import Host
from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore
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
async def following(store: InventoryStore, *agents: LivingAgent) -> AsyncIterator[asyncio.Task[None]]:
    """Hosts named by their agents' ids."""
    hosts = [Host(name=agent.agent.agent_id, target=agent.target) for agent in agents]
    async with Fleet(hosts) as fleet:
        task = asyncio.create_task(fleet.follow_inventory(store))
        yield task
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.02)


def told(*pools: str, sequence: int, resync: bool = False) -> pb.WatchInventoryResponse:
    """These pools, and a bookmark."""
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
        async with following(store, agent) as task:
            await until(lambda: pools(store) == ["b"])
            assert not task.done()
            assert stored(store, "SELECT status FROM host") == [("ok",)]
        assert len(agent.sent("GetAgent")) == 4
