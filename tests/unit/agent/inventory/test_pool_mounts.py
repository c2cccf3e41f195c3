"""What the host's mounts mean for its pools: whose server they hang on, what is no more theirs, what dies with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, MountOwner, PoolDefinition, PoolState
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import FakeHost, pool_facts, until, volume_facts

SOON_S = 30.0
SHARE = "/mnt/share"
SOURCE = NetfsSource(host="nfs", path="/export", format="nfs")
NETFS = PoolDefinition(name="far", type="netfs", source=SOURCE, target_path=SHARE)


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    fake = FakeHost()
    fake.watch.mount(SHARE, "nfs:/export", options=("addr=192.0.2.7",))
    yield fake
    await fake.looker.close()


def reason(mounts: PoolMounts, definition: PoolDefinition) -> str:
    health = mounts.health(definition)
    return health.reason if health else ""


async def test_a_dir_pool_on_a_share_hangs_on_the_share_s_server(fake: FakeHost) -> None:
    fake.hypervisor.add(pool_facts("p", target=f"{SHARE}/below"))
    fake.hypervisor.add(pool_facts("q"))
    await fake.looker.all_pools()
    pools = fake.registry.snapshot.pools
    assert (pools["p"].pool.server, pools["q"].pool.server) == ("192.0.2.7", None)
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    fake.hypervisor.called.clear()
    await fake.looker.pool("p")
    await fake.looker.pool("q")
    assert fake.hypervisor.called == ["read_pool q", "look_at_folder q"]


async def test_calls_of_one_server_are_counted_together_however_its_pools_spell_it(fake: FakeHost) -> None:
    fake.resolved["storage.example"] = ("192.0.2.7",)
    by_name = replace(NETFS, target_path="/mnt/other", source=replace(SOURCE, host="storage.example"))
    by_address = replace(NETFS, target_path="/mnt/third", source=replace(SOURCE, host="192.0.2.7"))
    folder = PoolDefinition(name="dir", type="dir", target_path=f"{SHARE}/below")
    for definition in (NETFS, by_name, by_address, folder):
        await fake.pool_mounts.learn(definition)
    found = {fake.pool_mounts.server(definition) for definition in (NETFS, by_name, by_address, folder)}
    assert found == {"192.0.2.7"}
    fake.hypervisor.add(replace(pool_facts("far"), definition=by_name, stored_definition=by_name))
    await fake.looker.all_pools()
    assert fake.registry.snapshot.pools["far"].pool.server == "192.0.2.7"


async def test_a_name_that_nobody_knows_is_not_asked_for_at_each_look(fake: FakeHost) -> None:
    asked: list[str] = []

    async def addresses(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ()

    fake.pool_mounts.addresses = addresses
    nowhere = replace(NETFS, target_path="/mnt/other", source=replace(SOURCE, host="nowhere.example"))
    await fake.pool_mounts.learn(nowhere)
    await fake.pool_mounts.learn(nowhere)
    assert asked == ["nowhere.example"]


async def test_a_share_of_another_export_or_server_is_wrong_and_an_unknown_name_is_no_proof(fake: FakeHost) -> None:
    other_export = replace(NETFS, source=replace(SOURCE, path="/other"))
    assert reason(fake.pool_mounts, other_export) == Reason.WRONG_SHARE
    await fake.pool_mounts.learn(NETFS)
    assert reason(fake.pool_mounts, NETFS) == ""
    fake.resolved["nfs"] = ("192.0.2.8",)
    await fake.pool_mounts.learn(NETFS)
    assert reason(fake.pool_mounts, NETFS) == Reason.WRONG_SHARE


async def test_the_server_is_known_by_its_address_however_it_is_spelt(fake: FakeHost) -> None:
    spelt = replace(NETFS, source=replace(SOURCE, host="storage.example"))
    fake.resolved["storage.example"] = ("192.0.2.7",)
    await fake.pool_mounts.learn(spelt)
    assert reason(fake.pool_mounts, spelt) == ""


async def test_a_pool_whose_share_is_gone_is_unmounted_a_dir_pool_too_once_it_was_seen(fake: FakeHost) -> None:
    folder = PoolDefinition(name="dir", type="dir", target_path=f"{SHARE}/below")
    fake.watch.unmount(SHARE)
    assert reason(fake.pool_mounts, NETFS) == Reason.UNMOUNTED
    assert fake.pool_mounts.unmounted(folder) is None
    fake.watch.mount(SHARE, "nfs:/export")
    await fake.pool_mounts.learn(folder)
    assert fake.pool_mounts.unmounted(folder) is None
    fake.watch.unmount(SHARE)
    assert reason(fake.pool_mounts, folder) == Reason.UNMOUNTED
    refused = fake.pool_mounts.unmounted(folder)
    assert refused is not None
    assert refused.reason is Reason.UNMOUNTED


async def test_a_call_that_hangs_is_given_up_with_its_share(fake: FakeHost) -> None:
    fake.hypervisor.add(pool_facts("p", target=SHARE), "a")
    await fake.looker.all_pools()
    fake.hypervisor.hold("read_pool p")
    fake.hypervisor.called.clear()
    waiting = [asyncio.create_task(fake.looker.pool_facts("p")) for _ in range(5)]
    await until(lambda: "read_pool p" in fake.hypervisor.called)
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    async with asyncio.timeout(SOON_S):
        entries = await asyncio.gather(*waiting)
    assert {entry.pool.quarantined for entry in entries} == {True}
    assert all(list(entry.volumes) == ["a"] for entry in entries)
    assert fake.hypervisor.called == ["read_pool p"]


async def test_of_a_local_pool_only_the_volume_that_lies_on_a_dead_share_is_quarantined(fake: FakeHost) -> None:
    fake.hypervisor.add(pool_facts("p"), "plain", "upper", "top")
    for name, base in (("upper", f"{SHARE}/base"), ("top", "/pools/p/upper")):
        facts = replace(volume_facts("p", name), backing_store=BackingStore(path=base, format="qcow2"))
        fake.hypervisor.volumes["p"][name] = facts
    await fake.looker.all_pools()
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    fake.hypervisor.called.clear()
    entry = await fake.looker.pool("p")
    assert list(entry.volumes) == ["plain", "top", "upper"]
    assert entry.pool.unread_reason == Reason.POOL_UNRESPONSIVE
    await fake.looker.volume("p", "plain")
    for name in ("upper", "top"):
        with pytest.raises(ModelError) as refused:
            await fake.looker.volume("p", name)
        assert refused.value.metadata["path"] == f"{SHARE}/base"
    await fake.quarantine.check(entry, Use.TAKE_SPACE)
    with pytest.raises(ModelError):
        await fake.quarantine.check_refresh(entry)
    assert fake.hypervisor.called == ["read_pool p", "read_volume p plain"]
    fake.watch.become(SHARE, HealthStatus.HEALTHY)
    assert fake.looker.mounts_changed() == ["p"]
    assert not (await fake.looker.pool("p")).pool.unread_reason


async def test_a_chain_is_followed_through_links_that_were_seen_while_the_share_answered(fake: FakeHost) -> None:
    fake.files.links["/images"] = SHARE
    fake.hypervisor.add(pool_facts("p"), "plain", "upper")
    backing = BackingStore(path="/images/base", format="qcow2")
    fake.hypervisor.volumes["p"]["upper"] = replace(volume_facts("p", "upper"), backing_store=backing)
    await fake.looker.all_pools()
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    with pytest.raises(ModelError) as refused:
        await fake.looker.volume("p", "upper")
    assert refused.value.metadata["path"] == "/images/base"
    await fake.looker.volume("p", "plain")


async def test_a_link_onto_a_share_that_was_dead_from_the_start_is_seen_too(fake: FakeHost) -> None:
    fake.files.links["/images"] = SHARE
    fake.files.dead.add(SHARE)
    fake.hypervisor.add(pool_facts("p"), "upper")
    backing = BackingStore(path="/images/base", format="qcow2")
    fake.hypervisor.volumes["p"]["upper"] = replace(volume_facts("p", "upper"), backing_store=backing)
    await fake.looker.all_pools()
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    fake.hypervisor.called.clear()
    assert (await fake.looker.pool("p")).pool.unread_reason == Reason.POOL_UNRESPONSIVE
    assert "look_at_folder p" not in fake.hypervisor.called


async def test_a_look_at_a_local_pool_that_hangs_on_a_chain_is_given_up_and_the_pool_left_alone(fake: FakeHost) -> None:
    fake.hypervisor.add(pool_facts("p"), "plain", "upper")
    backing = BackingStore(path=f"{SHARE}/base", format="qcow2")
    fake.hypervisor.volumes["p"]["upper"] = replace(volume_facts("p", "upper"), backing_store=backing)
    await fake.looker.all_pools()
    fake.hypervisor.hold("look_at_folder p")
    fake.hypervisor.called.clear()
    look = asyncio.create_task(fake.looker.pool("p"))
    await until(lambda: "look_at_folder p" in fake.hypervisor.called)
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    fake.hypervisor.hanging.add("p")
    async with asyncio.timeout(SOON_S):
        assert (await look).pool.unread_reason == Reason.POOL_UNRESPONSIVE
    fake.hypervisor.called.clear()
    async with asyncio.timeout(SOON_S):
        assert list((await fake.looker.pool_facts("p")).volumes) == ["plain", "upper"]
    with pytest.raises(ModelError) as refused:
        await fake.quarantine.check_volume(fake.registry.snapshot.pools["p"], "plain", Use.WRITE)
    assert refused.value.reason is Reason.POOL_UNRESPONSIVE
    assert fake.hypervisor.called == []


async def test_libvirt_s_own_list_is_not_asked_for_while_a_share_is_dead(fake: FakeHost) -> None:
    fake.hypervisor.add(pool_facts("p"))
    await fake.looker.all_pools()
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    fake.hypervisor.called.clear()
    await fake.looker.all_pools()
    assert "pool_names" not in fake.hypervisor.called
    assert "read_pool p" in fake.hypervisor.called


async def test_who_mounted_the_share_of_a_pool_that_was_started_is_noted_once_and_told(fake: FakeHost) -> None:
    noted: list[tuple[str, NetfsSource]] = []

    async def saw_share(target: str, source: NetfsSource) -> None:
        noted.append((target, source))
        await fake.book.saw_share(target, source, MountOwner.LIBVIRT)

    fake.pool_mounts.saw_share, fake.pool_mounts.owner_of = saw_share, fake.book.owner
    active = replace(pool_facts("far"), definition=NETFS)
    await fake.pool_mounts.learn_owner(replace(active, state=PoolState.INACTIVE))
    assert fake.pool_mounts.owner(NETFS) is None
    for _ in range(2):
        await fake.pool_mounts.learn_owner(active)
    assert noted == [(SHARE, SOURCE)]
    assert fake.pool_mounts.owner(NETFS) is MountOwner.LIBVIRT
    fake.watch.unmount(SHARE)
    assert fake.pool_mounts.owner(NETFS) is None
