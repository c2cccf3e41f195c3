"""What a watcher keeps of what it is told: right at every bookmark, and resumable at any moment."""

from __future__ import annotations

import pytest

from poolfleet import (
    Bookmark,
    DomainChange,
    InventoryBatch,
    PoolChange,
    ResyncReason,
    Revision,
    Volume,
    WatchedInventory,
)
from poolfleet.agent.convert.inventory import batch
from poolfleet.types.disk import DiskRole, DomainDisk, DomainState
from poolfleet.v1 import inventory_service_pb2 as pb
from poolfleet.v1.pool_pb2 import Pool as PoolMessage


def volume(name: str) -> Volume:
    return Volume(pool="p", name=name, key=name, path=name, type="file")


def change(uuid: str, *volumes: str, whole: bool = True, digest: str = "d", gone: tuple[str, ...] = ()) -> PoolChange:
    return PoolChange(
        pool_uuid=uuid, name=uuid, whole=whole, volumes=tuple(map(volume, volumes)), gone_volumes=gone, digest=digest,
        pool=batch(pb.WatchInventoryResponse(pools=[pb.PoolChange(pool=PoolMessage(name=uuid))])).pools[0].pool,
    )  # fmt: skip


def bookmark(sequence: int, *, missing: tuple[str, ...] = ()) -> Bookmark:
    return Bookmark(
        revision=Revision(epoch="e", sequence=sequence), filter_digest="f", as_of=None, age_s=None, unread_pools=(),
        domains_as_of=None, domains_missing=missing,
    )  # fmt: skip


def guest(name: str) -> DomainChange:
    disk = DomainDisk(
        domain=name, domain_uuid=name, domain_state=DomainState.ACTIVE, role=DiskRole.DISK, target="vda",
        source_kind="file", path="/v", storage_id="", pool="", volume="", read_only=False, shared=False, format="",
        depth=0,
    )  # fmt: skip
    return DomainChange(domain_uuid=name, domain=name, disks=(disk,))


@pytest.fixture
def state() -> WatchedInventory:
    state = WatchedInventory()
    assert state.resume() is None
    pools = (change("a", "v", "w"), change("b", "v"))
    assert state.apply(InventoryBatch(pools=pools, domains=(guest("x"), guest("y")), bookmark=bookmark(1)))
    return state


def has(state: WatchedInventory) -> dict[str, list[str]]:
    return {uuid: sorted(state.volumes[uuid]) for uuid in state.pools}


def test_changes_are_taken_over(state: WatchedInventory) -> None:
    changed = change("a", "x", whole=False, gone=("v",), digest="d2")
    gone = PoolChange(pool_uuid="b", gone=True)
    none = DomainChange(domain_uuid="x", domain="x", disks=())
    assert state.apply(InventoryBatch(pools=(changed, gone), domains=(none,), bookmark=bookmark(2)))
    assert has(state) == {"a": ["w", "x"]}
    assert set(state.disks) == {"y"}
    resume = state.resume()
    assert resume is not None
    assert (resume.bookmark.revision.sequence, resume.digests) == (2, {"a": "d2"})


def test_after_a_resync_only_what_was_named_is_there(state: WatchedInventory) -> None:
    unchanged = PoolChange(pool_uuid="a", name="a", unchanged=True, digest="d")
    assert not state.apply(InventoryBatch(resync=ResyncReason.OTHER_EPOCH, pools=(unchanged,)))
    assert has(state) == {"a": ["v", "w"], "b": ["v"]}
    assert state.apply(InventoryBatch(pools=(change("c"),), domains=(guest("y"),), bookmark=bookmark(9)))
    assert has(state) == {"a": ["v", "w"], "c": []}
    assert set(state.disks) == {"y"}


def test_what_is_half_told_has_no_digest_and_is_resumed_from_the_last_bookmark(state: WatchedInventory) -> None:
    state.apply(InventoryBatch(resync=ResyncReason.TOO_OLD, pools=(change("a", "v", digest=""),)))
    resume = state.resume()
    assert resume is not None
    assert (resume.bookmark.revision.sequence, resume.digests) == (1, {"b": "d"})
    assert state.apply(InventoryBatch(bookmark=bookmark(2)))
    assert has(state) == {"a": ["v"], "b": ["v"]}, "that resync is over: the new watch said none"


def test_what_a_watch_told_that_ended_before_its_first_bookmark_is_forgotten() -> None:
    state = WatchedInventory()
    state.apply(InventoryBatch(pools=(change("a", "v"),), domains=(guest("x"),)))
    assert state.resume() is None
    assert state.apply(InventoryBatch(pools=(change("b"),), bookmark=bookmark(1)))
    assert has(state) == {"b": []}
    assert not state.disks


def test_a_bookmark_is_complete_where_nothing_is_missing() -> None:
    assert not bookmark(1).complete, "the domains were never read"
    message = pb.WatchInventoryResponse()
    message.bookmark.domains_as_of.seconds = 1
    told = batch(message).bookmark
    assert told is not None
    assert told.complete
    message.bookmark.unread_pools.add(pool="p", reason="R")
    told = batch(message).bookmark
    assert told is not None
    assert not told.complete


def test_what_was_left_out_of_a_volume_is_put_back() -> None:
    message = pb.PoolChange(name="p", target_path="/t")
    message.volumes.add(name="v")
    message.volumes.add(name="w", path="/elsewhere", key="k")
    [change] = batch(pb.WatchInventoryResponse(pools=[message])).pools
    assert [(one.pool, one.path, one.key) for one in change.volumes] == [
        ("p", "/t/v", "/t/v"),
        ("p", "/elsewhere", "k"),
    ]
