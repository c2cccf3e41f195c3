"""Looks at pools and volumes: none is delayed by a long one, and none is lost to an older one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, PoolFacts, PoolState
from tests.unit.agent.fake_host import FakeHost, pool_facts, until, volume_facts

SOON_S = 30.0


LISTED = {"p": "look_at_folder p", "devices": "list_volumes devices"}
"""How the volumes are read of a pool that is a folder, and of one that is not."""


def device_pool(name: str) -> PoolFacts:
    facts = pool_facts(name)
    return replace(facts, definition=replace(facts.definition, type="logical"))


def volumes(host: FakeHost) -> list[str]:
    return list(host.registry.snapshot.pools["p"].volumes)


async def test_a_long_listing_delays_neither_a_look_at_the_pool_nor_one_at_a_volume(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    listing = asyncio.create_task(host.looker.pool("p"))
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    async with asyncio.timeout(SOON_S):
        assert (await host.looker.pool_facts("p")).pool.active
        assert (await host.looker.volume("p", "a")).facts.name == "a"
    held.set()
    await listing


async def test_what_a_volume_became_during_a_listing_is_not_undone_by_it(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    listing = asyncio.create_task(host.looker.pool("p"))
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    async with asyncio.timeout(SOON_S):
        del host.hypervisor.volumes["p"]["a"]
        with pytest.raises(ModelError):
            await host.looker.volume("p", "a")
        host.hypervisor.volumes["p"] |= {"c": volume_facts("p", "c"), "b": volume_facts("p", "b", capacity_bytes=7)}
        await host.looker.volume("p", "c")
        await host.looker.volume("p", "b")
    held.set()
    await listing
    assert volumes(host) == ["b", "c"]
    assert host.registry.snapshot.pools["p"].volumes["b"].facts.capacity_bytes == 7


async def test_a_look_at_a_volume_delays_none_at_its_pool_and_none_at_another_volume(host: Any) -> None:
    held = host.hypervisor.hold("read_volume p a")
    looking = asyncio.create_task(host.looker.volume("p", "a"))
    await until(lambda: "read_volume p a" in host.hypervisor.called)
    async with asyncio.timeout(SOON_S):
        assert (await host.looker.pool_facts("p")).pool.active
        assert (await host.looker.volume("p", "b")).facts.name == "b"
    held.set()
    await looking


async def test_looks_at_one_volume_are_serial(host: Any) -> None:
    """An older answer is never told after a newer one."""
    held = host.hypervisor.hold("read_volume p a")
    first, second = [asyncio.create_task(host.looker.volume("p", "a")) for _ in range(2)]
    await until(lambda: "read_volume p a" in host.hypervisor.called)
    host.hypervisor.volumes["p"]["a"] = volume_facts("p", "a", capacity_bytes=7)
    held.set()
    await asyncio.gather(first, second)
    assert host.hypervisor.called.count("read_volume p a") == 2
    assert host.registry.snapshot.pools["p"].volumes["a"].facts.capacity_bytes == 7


async def test_what_a_listing_has_seen_of_a_volume_is_not_undone_by_a_look_that_began_before(host: Any) -> None:
    held = host.hypervisor.hold("read_volume p a")
    looking = asyncio.create_task(host.looker.volume("p", "a"))
    await until(lambda: "read_volume p a" in host.hypervisor.called)
    del host.hypervisor.volumes["p"]["a"]
    await host.looker.pool("p")
    held.set()
    with pytest.raises(ModelError) as gone:
        await looking
    assert gone.value.reason is Reason.VOLUME_NOT_FOUND
    assert volumes(host) == ["b"]


async def test_a_pool_that_stops_during_a_look_at_a_volume_stays_without_volumes(host: Any) -> None:
    held = host.hypervisor.hold("read_volume p a")
    looking = asyncio.create_task(host.looker.volume("p", "a"))
    await until(lambda: "read_volume p a" in host.hypervisor.called)
    host.hypervisor.pools["p"] = pool_facts("p", active=False)
    host.hypervisor.volumes["p"].clear()
    await host.looker.pool_facts("p")
    held.set()
    with pytest.raises(ModelError):
        await looking
    assert volumes(host) == []


async def test_a_pool_that_stops_during_a_listing_stays_stopped_and_without_volumes(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    listing = asyncio.create_task(host.looker.pool("p"))
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    host.hypervisor.pools["p"] = pool_facts("p", active=False)
    async with asyncio.timeout(SOON_S):
        await host.looker.pool_facts("p")
    held.set()
    await listing
    assert host.registry.snapshot.pools["p"].pool.facts.state is PoolState.INACTIVE
    assert volumes(host) == []


async def test_a_pool_that_goes_during_a_listing_stays_gone(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    listing = asyncio.create_task(host.looker.pool("p"))
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    del host.hypervisor.pools["p"]
    async with asyncio.timeout(SOON_S):
        with pytest.raises(ModelError):
            await host.looker.pool_facts("p")
    held.set()
    with pytest.raises(ModelError) as gone:
        await listing
    assert gone.value.reason is Reason.POOL_NOT_FOUND
    assert "p" not in host.registry.snapshot.pools


async def test_who_asks_while_a_look_runs_gets_one_that_began_later_and_shares_it(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    first = asyncio.create_task(host.looker.pool("p"))
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    later = [asyncio.create_task(host.looker.pool("p")) for _ in range(5)]
    await asyncio.sleep(0)
    host.hypervisor.volumes["p"]["c"] = volume_facts("p", "c")
    held.set()
    await first
    entries = await asyncio.gather(*later)
    assert [list(entry.volumes) for entry in entries] == [["a", "b", "c"]] * 5
    assert host.hypervisor.called.count("look_at_folder p") == 2


async def test_who_asks_for_a_pool_alone_while_it_is_looked_at_shares_the_next_look(host: Any) -> None:
    held = host.hypervisor.hold("read_pool p")
    first = asyncio.create_task(host.looker.pool_facts("p"))
    await until(lambda: "read_pool p" in host.hypervisor.called)
    later = [asyncio.create_task(host.looker.pool_facts("p")) for _ in range(50)]
    await asyncio.sleep(0)
    host.hypervisor.pools["p"] = pool_facts("p", active=False)
    held.set()
    assert (await first).pool.active
    assert not any(entry.pool.active for entry in await asyncio.gather(*later))
    assert host.hypervisor.called.count("read_pool p") == 2


async def test_one_caller_who_leaves_does_not_end_the_look_of_the_others(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    leaving, staying = (asyncio.create_task(host.looker.pool("p")) for _ in range(2))
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    leaving.cancel()
    held.set()
    assert list((await staying).volumes) == ["a", "b"]


async def test_volumes_that_were_never_listed_stay_unread_after_a_look_at_one_of_them(host: Any) -> None:
    host.hypervisor.add(pool_facts("q", active=False), "x", "y")
    await host.looker.pool("q")
    host.hypervisor.pools["q"] = pool_facts("q")
    await host.looker.pool_facts("q")
    await host.looker.volume("q", "x")
    pool = host.registry.snapshot.pools["q"].pool
    assert (pool.volumes_as_of_s, pool.volume_count) == (None, None)


async def test_a_pool_whose_volumes_cannot_be_read_stays_faulty_after_a_look_at_one_of_them(host: Any) -> None:
    host.hypervisor.failing["look_at_folder p"] = ModelError(Reason.PATH_NOT_USABLE, "no")
    await host.looker.pool("p")
    host.hypervisor.volumes["p"]["a"] = volume_facts("p", "a", capacity_bytes=9)
    await host.looker.volume("p", "a")
    pool = host.registry.snapshot.pools["p"].pool
    assert pool.health is not None
    assert (pool.health.status, pool.unread_reason) == (HealthStatus.FAULTY, Reason.PATH_NOT_USABLE)


@pytest.mark.parametrize("reason", [Reason.PATH_NOT_USABLE, Reason.INVALID_FIELD])
async def test_a_device_that_libvirt_cannot_describe_is_not_forgotten(host: Any, reason: Reason) -> None:
    group = pool_facts("vg")
    definition = replace(group.definition, type="logical", target_path="/dev/vg")
    host.hypervisor.add(replace(group, definition=definition, stored_definition=definition), "a", "b")
    await host.looker.pool("vg")
    host.hypervisor.failing["read_volume vg a"] = ModelError(reason, "cannot open volume: Input/output error")
    with pytest.raises(ModelError) as refused:
        await host.looker.volume("vg", "a")
    assert refused.value.reason is reason
    assert list(host.registry.snapshot.pools["vg"].volumes) == ["a", "b"]
    del host.hypervisor.failing["read_volume vg a"], host.hypervisor.volumes["vg"]["a"]
    with pytest.raises(ModelError):
        await host.looker.volume("vg", "a")
    assert list(host.registry.snapshot.pools["vg"].volumes) == ["b"]


async def test_a_file_that_libvirt_cannot_describe_is_forgotten_once_it_is_gone(host: Any) -> None:
    host.hypervisor.failing["read_volume p a"] = ModelError(Reason.PATH_NOT_USABLE, "no such file")
    assert (await host.looker.volume("p", "a")).facts.name == "a"
    del host.hypervisor.volumes["p"]["a"]
    with pytest.raises(ModelError):
        await host.looker.volume("p", "a")
    assert volumes(host) == ["b"]


async def test_what_nobody_foresaw_in_a_folder_is_told_of_its_pool_and_ends_no_look(host: Any) -> None:
    host.hypervisor.add(pool_facts("q"), "x")
    host.hypervisor.failing["look_at_folder p"] = UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
    await host.looker.all_pools()
    unread = host.registry.snapshot.pools["p"]
    assert (unread.pool.unread_reason, list(unread.volumes)) == (Reason.INTERNAL, ["a", "b"])
    assert list(host.registry.snapshot.pools["q"].volumes) == ["x"]


async def test_a_pool_that_cannot_be_read_keeps_the_others_from_nothing(host: Any) -> None:
    host.hypervisor.add(pool_facts("q"), "x")
    await host.looker.pool("q")
    host.hypervisor.failing["read_pool p"] = ModelError(Reason.POOL_UNRESPONSIVE, "hangs")
    host.hypervisor.volumes["q"]["y"] = volume_facts("q", "y")
    before = host.registry.snapshot.as_of_s
    host.clock.time_s += 60
    await host.looker.all_pools()
    snapshot = host.registry.snapshot
    assert list(snapshot.pools["q"].volumes) == ["x", "y"]
    assert list(snapshot.pools) == ["p", "q"]
    assert snapshot.pools["p"].pool.as_of_s == before


async def test_a_pool_that_never_could_be_read_is_named_and_keeps_the_host_from_nothing() -> None:
    host = FakeHost()
    host.hypervisor.add(pool_facts("p"), "a")
    host.hypervisor.add(pool_facts("q"))
    host.hypervisor.failing["read_pool p"] = ModelError(Reason.POOL_UNRESPONSIVE, "hangs")
    await host.looker.all_pools()
    assert host.registry.snapshot.loaded
    assert list(host.registry.snapshot.pools) == ["q"]
    assert list(host.registry.snapshot.never_read) == ["p"]
    host.hypervisor.failing.clear()
    await host.looker.pool("p")
    assert list(host.registry.snapshot.pools) == ["p", "q"]
    assert not host.registry.snapshot.never_read
    await host.looker.close()


async def test_a_host_whose_libvirt_goes_during_the_first_look_was_not_read() -> None:
    host = FakeHost()
    host.hypervisor.add(pool_facts("p"), "a")
    host.hypervisor.failing["read_pool p"] = ModelError(Reason.LIBVIRT_UNAVAILABLE, "gone")
    host.hypervisor.connected = False
    with pytest.raises(ModelError):
        await host.looker.all_pools()
    assert not host.registry.snapshot.loaded
    await host.looker.close()


async def test_an_intent_of_a_pool_that_is_defined_during_a_look_at_all_is_kept(host: Any) -> None:
    held = host.hypervisor.hold("look_at_folder p")
    look = asyncio.create_task(host.looker.all_pools())
    await until(lambda: "look_at_folder p" in host.hypervisor.called)
    host.hypervisor.add(pool_facts("new"))
    entry = await host.looker.pool("new")
    await host.intents.supervise(entry.pool.facts, supervised=False)
    held.set()
    await look
    assert not (await host.intents.of(entry.pool.facts)).supervised


async def test_intents_of_pools_that_are_gone_are_forgotten(host: Any) -> None:
    entry = host.registry.snapshot.pools["p"]
    await host.intents.want(entry.pool.facts, Desired.STOPPED, "somebody")
    host.hypervisor.pools.clear()
    await host.looker.all_pools()
    assert (await host.intents.of(entry.pool.facts)).desired.desired is Desired.STARTED


@pytest.mark.parametrize("name", ["p", "devices"])
async def test_what_is_seen_is_as_of_when_the_look_at_it_began(host: Any, name: str) -> None:
    host.hypervisor.add(pool_facts(name) if name == "p" else device_pool(name), "a")
    facts, listing = host.hypervisor.hold(f"read_pool {name}"), host.hypervisor.hold(LISTED[name])
    began_s = host.clock.time_s = 1000.0
    look = asyncio.create_task(host.looker.all_pools())
    await until(lambda: f"read_pool {name}" in host.hypervisor.called)
    listed_s = host.clock.time_s = 1010.0
    facts.set()
    await until(lambda: LISTED[name] in host.hypervisor.called)
    host.clock.time_s = 1020.0
    listing.set()
    await look
    pool = host.registry.snapshot.pools[name].pool
    assert (pool.as_of_s, pool.volumes_as_of_s, host.registry.snapshot.as_of_s) == (began_s, listed_s, began_s)


async def test_names_that_are_asked_for_in_vain_leave_nothing_behind(host: Any) -> None:
    for number in range(50):
        with pytest.raises(ModelError):
            await host.looker.pool(f"none-{number}")
        with pytest.raises(ModelError):
            await host.looker.pool_facts(f"none-{number}")
    assert len(host.looker.locks) == 0


async def test_a_look_that_finds_nothing_new_makes_no_new_revision(host: Any) -> None:
    revision = host.registry.snapshot.revision
    host.clock.time_s += 5
    await host.looker.pool("p")
    assert host.registry.snapshot.revision == revision
    assert host.registry.snapshot.pools["p"].pool.as_of_s == host.clock.time_s
    host.hypervisor.pools["p"] = replace(host.hypervisor.pools["p"], available_bytes=1)
    await host.looker.pool("p")
    assert host.registry.snapshot.revision != revision


async def test_volumes_that_did_not_change_are_not_encoded_again(host: Any) -> None:
    before = host.registry.snapshot.pools["p"].volumes
    host.hypervisor.volumes["p"]["b"] = volume_facts("p", "b", capacity_bytes=7)
    after = (await host.looker.pool("p")).volumes
    assert after["a"] is before["a"]
    assert after["b"] is not before["b"]


def asked_more_often(host: Any, call: str, than: int) -> bool:
    return bool(host.hypervisor.called.count(call) > than)


async def test_a_reader_who_leaves_leaves_no_task_behind(host: Any) -> None:
    host.hypervisor.add(pool_facts("p"), "v")
    host.watch.mount("/mnt/share", "nfs1:/export")
    await host.looker.all_pools()
    host.hypervisor.hold("read_volume p v")
    before = asyncio.all_tasks()
    for _ in range(3):
        reading = asyncio.create_task(host.looker.volume("p", "v"))
        reads = host.hypervisor.called.count("read_volume p v")
        await until(partial(asked_more_often, host, "read_volume p v", reads))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert asyncio.all_tasks() <= before
