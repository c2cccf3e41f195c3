"""The inventory as it changes: what hosts told stands, as old as it is, and what cannot be followed is said."""

from __future__ import annotations

import asyncio

import grpc

from poolfleet.aio import Fleet
from poolfleet.fleet.hosts import Host
from poolfleet.fleet.live import LiveInventory
from poolfleet.v1 import inventory_service_pb2 as pb
from poolfleet.v1 import snapshot_pb2
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.stub_agent import Bare, Refusal

LIMIT_S = 60.0


def changed(agent: LivingAgent, *, volume_count: int) -> pb.WatchInventoryResponse:
    """Its pool has so many volumes now."""
    agent.pools["vm"].volume_count = volume_count
    return told(agent, age_s=600, sequence=2)


def told(agent: LivingAgent, *, age_s: int, sequence: int = 1) -> pb.WatchInventoryResponse:
    """All its pools, and a bookmark."""
    answer = pb.WatchInventoryResponse()
    for pool in agent.pools.values():
        answer.pools.add(pool_uuid=pool.uuid, name=pool.name, pool=pool)
    answer.bookmark.revision.epoch, answer.bookmark.revision.sequence = "e", sequence
    answer.bookmark.age.seconds = age_s
    return answer


async def until(live: LiveInventory, volumes: int) -> None:
    async with asyncio.timeout(LIMIT_S):
        while [storage.volume_count for storage in live.now().storages] != [volumes]:
            await asyncio.sleep(0.01)


async def test_before_anybody_has_told_every_host_is_missing() -> None:
    async with Fleet([Host(name="a", target="unix:/nowhere")]) as fleet:
        found = LiveInventory(fleet).now()
    assert found.missing == ("a: unreachable: it has not told anything yet",)


async def test_what_was_told_ages_and_a_pool_that_has_changed_is_as_fresh_as_the_change() -> None:
    async with LivingAgent() as agent, Fleet([Host(name="a", target=agent.target)]) as fleet:
        storage = snapshot_pb2.Storage(id="shared", source=snapshot_pb2.Storage.SOURCE_CONFIGURED)
        agent.has_pool("vm", storage=storage, volume_count=1)
        first = told(agent, age_s=500)
        for answers, volumes in (([first, ...], 1), ([first, changed(agent, volume_count=2), ...], 2)):
            agent.on("WatchInventory", answers)
            live = LiveInventory(fleet)
            following = asyncio.create_task(live.follow())
            await until(live, volumes)
            found = live.now()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            assert found.complete
            assert found.oldest_age_s is not None
            assert (found.oldest_age_s >= 500) is (volumes == 1)
            assert found.storages[0].age_s == found.oldest_age_s


async def test_an_answer_that_ends_before_it_has_begun_is_asked_for_again() -> None:
    async with LivingAgent() as agent, Fleet([Host(name="a", target=agent.target)]) as fleet:
        agent.has_pool("vm", volume_count=3)
        agent.on("WatchInventory", [], [told(agent, age_s=1), ...])
        live = LiveInventory(fleet)
        following = asyncio.create_task(live.follow())
        await until(live, 3)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_an_agent_that_cannot_be_followed_is_said_to_have_failed() -> None:
    async with LivingAgent() as agent, Fleet([Host(name="a", target=agent.target)]) as fleet:
        agent.on("WatchInventory", [Refusal(grpc.StatusCode.UNIMPLEMENTED, "", "Method not found!")])
        live = LiveInventory(fleet)
        await asyncio.wait_for(live.follow(), LIMIT_S)
        [line] = live.now().missing
        assert line.startswith("a: failed: ")


async def test_an_agent_that_answers_too_slowly_once_is_followed_all_the_same() -> None:
    late = Bare(grpc.StatusCode.DEADLINE_EXCEEDED)
    async with LivingAgent() as agent, Fleet([Host(name="a", target=agent.target)]) as fleet:
        agent.has_pool("vm", volume_count=3)
        agent.on("GetAgent", late, agent.GetAgent)
        agent.on("WatchInventory", [late], [told(agent, age_s=1), late], [changed(agent, volume_count=4), ...])
        live = LiveInventory(fleet)
        following = asyncio.create_task(live.follow())
        await until(live, 4)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
