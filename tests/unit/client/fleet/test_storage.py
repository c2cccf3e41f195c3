"""A change of a shared volume goes to one host: to another only as long as it was sent to none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest

from poolfleet import CloneSpec, DeadlineExceeded, FailedPrecondition, Unavailable
from poolfleet.aio import Fleet
from poolfleet.fleet.hosts import Host
from poolfleet.v1 import operation_pb2, snapshot_pb2
from poolfleet.v1.domain_disk_pb2 import DomainDisk
from tests.unit.client.cli.living_agent import GIB, LivingAgent
from tests.unit.client.stub_agent import Bare, Refusal

SHARE = "nfs:10.0.0.5/vm_data"
REQUEST = "6f0c1a52-57a3-4c53-8f3c-0d6b6f6b1f50"
NAMES = ("kvm1", "kvm2", "kvm3")


@pytest.fixture
async def agents() -> AsyncIterator[dict[str, LivingAgent]]:
    async with AsyncExitStack() as stack:
        agents = {name: await stack.enter_async_context(LivingAgent(f"agent-of-{name}")) for name in NAMES}
        for agent in agents.values():
            source = snapshot_pb2.Storage.SOURCE_DERIVED
            agent.has_pool("vm_data", storage=snapshot_pb2.Storage(id=SHARE, source=source))
            agent.has_volume("vm_data", "v")
        yield agents


@pytest.fixture
async def fleet(agents: dict[str, LivingAgent]) -> AsyncIterator[Fleet]:
    async with Fleet([Host(name=name, target=agent.target, timeout_s=3) for name, agent in agents.items()]) as fleet:
        yield fleet


def asked_to_delete(agents: dict[str, LivingAgent]) -> list[str]:
    return [name for name, agent in agents.items() if agent.sent("DeleteVolume")]


async def test_a_host_that_is_gone_before_it_is_asked_leaves_it_to_the_next(
    agents: dict[str, LivingAgent], fleet: Fleet
) -> None:
    first = await fleet.storage(SHARE).acting_host()

    async def gone(_: object) -> object:
        await agents[first].stop()
        raise Bare(grpc.StatusCode.UNAVAILABLE)

    answer = agents[first].GetAgent
    # It answers the first question, of how it stands, and not the last, just before the change.
    agents[first].on("GetAgent", answer, gone)
    assert (await fleet.storage(SHARE).delete("v", allow_in_use=True)).changed
    [other] = asked_to_delete(agents)
    assert other != first


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_a_host_that_is_lost_after_it_was_asked_may_have_done_it(
    agents: dict[str, LivingAgent], fleet: Fleet, code: grpc.StatusCode
) -> None:
    first = await fleet.storage(SHARE).acting_host()
    agents[first].on("DeleteVolume", Bare(code))
    with pytest.raises((Unavailable, DeadlineExceeded)) as lost:
        await fleet.storage(SHARE).delete("v")
    assert lost.value.host == first
    assert asked_to_delete(agents) == [first]
    assert len({request.request_id for request in agents[first].sent("DeleteVolume")}) == 1


@pytest.mark.parametrize("rpc", ["GetAgent", "ListPools", "ListOperations"])
async def test_a_request_that_a_silent_host_may_have_begun_is_sent_to_none(
    agents: dict[str, LivingAgent], fleet: Fleet, rpc: str
) -> None:
    storage = fleet.storage(SHARE)
    first = await storage.acting_host()
    await storage.resize("v", delta_bytes=GIB, request_id=REQUEST)
    agents[first].on(rpc, Refusal(grpc.StatusCode.UNAVAILABLE, "REGISTRY_NOT_LOADED"))
    with pytest.raises(Unavailable) as untold:
        await storage.resize("v", delta_bytes=GIB, request_id=REQUEST, allow_in_use=True)
    assert (untold.value.reason, untold.value.metadata["missing"]) == ("INCOMPLETE", f"{first}: It is refused.")
    assert [name for name, agent in agents.items() if agent.sent("ResizeVolume")] == [first]
    assert len(agents[first].sent("ResizeVolume")) == 1


async def test_a_request_is_answered_where_it_was_begun_though_others_are_silent(
    agents: dict[str, LivingAgent], fleet: Fleet
) -> None:
    first = await fleet.storage(SHARE).acting_host()
    begun = next(name for name in NAMES if name != first)
    agents[begun].has_operation(operation_pb2.OPERATION_STATE_SUCCEEDED, pool="vm_data", request_ids=[REQUEST])
    await agents[first].stop()
    await fleet.storage(SHARE).resize("v", delta_bytes=GIB, request_id=REQUEST, allow_in_use=True)
    assert len(agents[begun].sent("ResizeVolume")) == 1


async def test_each_host_is_asked_anew_who_uses_the_volume(agents: dict[str, LivingAgent], fleet: Fleet) -> None:
    await fleet.storage(SHARE).wipe("v")
    for agent in agents.values():
        [asked] = agent.sent("ListDomainDisks")
        assert asked.HasField("max_staleness")
        assert asked.max_staleness.ToNanoseconds() == 0


async def test_what_a_running_guest_of_any_host_writes_to_is_not_copied(
    agents: dict[str, LivingAgent], fleet: Fleet
) -> None:
    storage = fleet.storage(SHARE)
    reader, writer = (
        DomainDisk(
            domain=name, domain_state=DomainDisk.DOMAIN_STATE_ACTIVE, role=DomainDisk.ROLE_DISK,
            storage_id=SHARE, pool="vm_data", volume="v", read_only=name == "reader",
        )
        for name in ("reader", "writer")
    )  # fmt: skip
    agents["kvm2"].disks.append(reader)
    await storage.clone("v", CloneSpec("first"))
    agents["kvm3"].disks.append(writer)
    with pytest.raises(FailedPrecondition) as refused:
        await storage.clone("v", CloneSpec("second"))
    assert refused.value.metadata["users"] == "domain writer on kvm3 (disk, active)"
    await storage.clone("v", CloneSpec("second"), allow_in_use=True)
    sent = [request.spec.name for agent in agents.values() for request in agent.sent("CloneVolume")]
    assert sent == ["first", "second"]


async def test_a_change_within_a_call_waits_for_no_place_that_the_call_has(
    agents: dict[str, LivingAgent], fleet: Fleet
) -> None:
    async with Fleet(fleet.hosts, parallel=1, per_host=1) as narrow:
        result = await narrow.map(lambda client: narrow.storage(SHARE).delete("v", allow_missing=True), timeout_s=20)
        result.raise_for_failures()


async def test_volumes_of_a_pool_that_was_redefined_since_the_inventory_are_not_touched(
    agents: dict[str, LivingAgent], fleet: Fleet
) -> None:
    [volume] = (await fleet.inventory()).volumes
    for agent in agents.values():
        agent.pools["vm_data"].storage.id = "nfs:10.0.0.6/other"
    result = await fleet.map_volumes(lambda storage, name: storage.delete(name), [volume])
    [outcome] = result.values()
    assert outcome.error is not None
    assert outcome.error.reason == "IDENTITY_CONFLICT"
    assert asked_to_delete(agents) == []


async def test_a_folder_of_a_host_s_own_that_others_mount_is_not_its_affair_alone(
    agents: dict[str, LivingAgent], fleet: Fleet
) -> None:
    files = [snapshot_pb2.StorageFingerprint.File(name=f"v{number}", inode=number) for number in range(8)]
    fingerprint = snapshot_pb2.StorageFingerprint(root_inode=2, files=files)
    derived = snapshot_pb2.Storage.SOURCE_DERIVED
    ids = {"kvm1": "host:agent-of-kvm1:xfs:/srv", "kvm2": "nfs:10.0.0.1/srv"}
    for name, storage_id in ids.items():
        agents[name].has_pool(
            "srv", storage=snapshot_pb2.Storage(id=storage_id, source=derived, fingerprint=fingerprint)
        )
        agents[name].has_volume("srv", "v")
    with pytest.raises(Unavailable, match=r"the same files, by name and inode, lie in nfs:10\.0\.0\.1/srv") as untold:
        await fleet.select(hosts=["kvm1"]).storage("srv").delete("v")
    assert untold.value.reason == "INCOMPLETE"
    assert asked_to_delete(agents) == []
    agents["kvm2"].pools.pop("srv")
    assert (await fleet.select(hosts=["kvm1"]).storage("srv").delete("v")).changed
