"""What a fleet can be asked, and what its answers say of the hosts."""

from __future__ import annotations

from poolfleet.fleet.fleet import Fleet
from poolfleet.fleet.result import Status
from poolfleet.types.pool_spec import PoolSpec
from poolfleet.types.retry import RetryPolicy
from poolfleet.v1 import domain_disk_pb2, pool_pb2, snapshot_pb2, volume_pb2
from tests.unit.client.fleet.stub_hosts import STALENESS_S, Stubs

SPEC = PoolSpec.dir("vm", target="/srv/vm")


async def test_a_pool_is_ensured_everywhere_and_the_second_time_nothing_is_changed(stubs: Stubs) -> None:
    hosts = await stubs.add("a", "b", "c")
    stubs.contents["b"].refuses = {"DefinePool"}
    async with Fleet([*hosts, stubs.absent("gone")]) as fleet:
        first = await fleet.ensure_pool(SPEC)
        stubs.contents["b"].refuses = set()
        second = await fleet.ensure_pool(SPEC)
    assert [outcome.status for outcome in first.values()] == ["changed", "failed", "changed", "unreachable"]
    assert [outcome.status for outcome in second.values()] == ["unchanged", "changed", "unchanged", "unreachable"]
    assert stubs.contents["a"].pools["vm"].autostart
    assert first["a"].value is not None and first["a"].value.changes == ("defined", "autostart", "started")
    assert second.summary() == "1 changed, 2 unchanged, 1 unreachable"


async def test_every_host_is_told_how_to_try_again(stubs: Stubs) -> None:
    async with Fleet(await stubs.add("a", "b")) as fleet:
        await fleet.ensure_pool(SPEC, retry=RetryPolicy(deadline_s=600, attempts=9))
    for host in ("a", "b"):
        (start,) = stubs.contents[host].starts
        assert (start.retry.deadline.seconds, start.retry.attempts) == (600, 9)


async def test_an_operation_tells_whether_it_changed_anything(stubs: Stubs) -> None:
    async with Fleet(await stubs.add("a", "b")) as fleet:
        await fleet.ensure_pool(SPEC, start=False)
        await fleet.client("a").pools.start("vm")
        result = await fleet.map(lambda client: client.pools.start("vm"))
    assert (result["a"].status, result["b"].status) == (Status.UNCHANGED, Status.CHANGED)


async def test_lists_of_all_hosts_stand_beside_each_other(stubs: Stubs) -> None:
    hosts = await stubs.add("a", "b")
    stubs.contents["a"].pools = {"vm": pool_pb2.Pool(name="vm", type="dir"), "iso": pool_pb2.Pool(name="iso")}
    stubs.contents["a"].volumes = [volume_pb2.Volume(pool="vm", name="d1"), volume_pb2.Volume(pool="iso", name="i1")]
    stubs.contents["b"].disks = [domain_disk_pb2.DomainDisk(domain="web")]
    async with Fleet([*hosts, stubs.absent("gone")]) as fleet:
        pools, volumes, disks, agents = (
            await fleet.pools(),
            await fleet.volumes("vm"),
            await fleet.disks(),
            await fleet.agents(),
        )
    assert {host: [pool.name for pool in value] for host, value in pools.answers()} == {"a": ["vm", "iso"], "b": []}
    assert {host: [one.name for one in value.volumes] for host, value in volumes.answers()} == {"a": ["d1"], "b": []}
    assert {host: [one.domain for one in value.disks] for host, value in disks.answers()} == {"a": [], "b": ["web"]}
    assert {host: value.agent_id for host, value in agents.answers()} == {"a": "agent-of-a", "b": "agent-of-b"}
    for result in (pools, volumes, disks, agents):
        assert list(result.unreachable) == ["gone"] and list(result.answered) == ["a", "b"]


async def test_an_answer_that_is_older_than_the_agent_promises_is_stale(stubs: Stubs) -> None:
    hosts = await stubs.add("fresh", "stale")
    stubs.contents["stale"].age_s = 10 * STALENESS_S
    async with Fleet(hosts) as fleet:
        volumes, inventory = await fleet.volumes(), await fleet.inventory()
    assert list(volumes.stale) == ["stale"]
    assert volumes["stale"].status is Status.OK and volumes["stale"].age_s == 10 * STALENESS_S
    assert not volumes.complete
    assert [(host.name, host.status) for host in inventory.hosts] == [("fresh", "ok"), ("stale", "stale")]
    assert not inventory.complete


async def test_two_entries_that_are_one_agent_are_named_in_every_answer(stubs: Stubs) -> None:
    hosts = await stubs.add("a", "b", "c")
    stubs.contents["c"].agent_id = stubs.contents["a"].agent_id
    async with Fleet(hosts) as fleet:
        assert (await fleet.pools()).duplicates == (("a", "c"),)
        assert (await fleet.select(["a", "b"]).pools()).duplicates == ()
        inventory = await fleet.inventory()
    assert [host.status for host in inventory.hosts] == ["ok", "ok", "duplicate"]


async def test_a_selection_shares_connections_and_closing_it_closes_none(stubs: Stubs) -> None:
    async with Fleet(await stubs.add("a", "b")) as fleet:
        part = fleet.select(["a"])
        assert [host.name for host in part.hosts] == ["a"]
        assert part.client("a") is fleet.client("a")
        assert list(await part.pools()) == ["a"]
        shared = fleet.client("a")
        await part.close()
        assert fleet.client("a") is shared
        assert (await fleet.pools()).complete
        assert [host.name for host in fleet.select(["!a"]).hosts] == ["b"]


async def test_the_inventory_has_a_shared_volume_once_with_its_users(stubs: Stubs) -> None:
    hosts = await stubs.add("a", "b")
    for name in ("a", "b"):
        pool = pool_pb2.Pool(name="vm", type="dir", state=pool_pb2.POOL_STATE_RUNNING)
        pool.storage.id = "shared"
        pool.storage.source = snapshot_pb2.Storage.SOURCE_CONFIGURED
        stubs.contents[name].pools = {"vm": pool}
        stubs.contents[name].volumes = [volume_pb2.Volume(pool="vm", name="d1", path="/srv/vm/d1")]
    stubs.contents["b"].disks = [domain_disk_pb2.DomainDisk(domain="web", pool="vm", volume="d1")]
    async with Fleet(hosts) as fleet:
        whole = await fleet.inventory()
    (volume,) = whole.volumes
    assert whole.complete and len(whole.storages) == 1
    assert [place.host for place in volume.hosts] == ["a", "b"]
    assert [(user.host, user.domain) for user in volume.used_by] == [("b", "web")]


async def test_the_inventory_keeps_what_a_host_could_tell_and_says_what_it_could_not(stubs: Stubs) -> None:
    hosts = await stubs.add("a", "b")
    stubs.contents["a"].pools = {"vm": pool_pb2.Pool(name="vm", type="dir")}
    stubs.contents["a"].refuses = {"ListDomainDisks"}
    async with Fleet([*hosts, stubs.absent("gone")]) as fleet:
        inventory = await fleet.inventory()
    assert [(host.name, host.status) for host in inventory.hosts] == [
        ("a", "failed"),
        ("b", "ok"),
        ("gone", "unreachable"),
    ]
    assert len(inventory.storages) == 1
    assert len(inventory.missing) == 2 and not inventory.complete
