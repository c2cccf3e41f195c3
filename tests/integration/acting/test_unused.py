"""What any host of the fleet uses is not deleted, wiped or resized, and nothing is while one of them cannot tell."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition, Fleet, Operation, PoolfleetError, Unavailable, VolumeSpec
from scripts.embedded.process import wait_until
from tests.integration.acting.conftest import POOLS, STORAGE, Hosts
from tests.virsh import virsh

MIB = 1 << 20


def create(fleet: Fleet, name: str) -> None:
    fleet.storage(STORAGE).create(VolumeSpec(name, capacity_bytes=MIB, format="qcow2"))


def overlay(path: Path, backing: Path | str) -> None:
    """A qcow2 that lies on another, made behind everybody's back."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(path)]
    subprocess.run(command, check=True, timeout=60)


def destroying(fleet: Fleet) -> list[Callable[[str], Operation]]:
    storage = fleet.storage(STORAGE)
    return [storage.delete, storage.wipe]


def refused(change: Callable[[str], Operation], volume: str) -> PoolfleetError:
    with pytest.raises(PoolfleetError) as caught:
        change(volume)
    return caught.value


def assert_kept(fleet: Fleet, hosts: Hosts, volume: str, users: str) -> None:
    """It is used by these, by whichever host it would be changed."""
    before = (hosts.shared / volume).read_bytes()
    for part in (fleet, fleet.select(hosts=["one"]), fleet.select(hosts=["two"])):
        for change in destroying(part):
            error = refused(change, volume)
            assert isinstance(error, FailedPrecondition)
            assert (error.reason, error.metadata["users"]) == ("VOLUME_IN_USE", users)
    assert (hosts.shared / volume).read_bytes() == before


def test_what_nobody_uses_is_deleted_once_for_all(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    assert fleet.storage(STORAGE).delete("v", validate_only=True).id == ""
    assert (hosts.shared / "v").exists()
    assert fleet.storage("images").delete("v").changed
    assert not (hosts.shared / "v").exists()
    assert not fleet.storage("vms").delete("v", allow_missing=True).changed


def test_what_a_guest_of_any_host_has_as_its_disk(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    hosts.define_guest("two", "g", hosts.shared / "v")
    assert_kept(fleet, hosts, "v", "domain g on two (disk, inactive)")
    assert fleet.select(hosts=["one"]).storage("vms").delete("v", allow_in_use=True).changed


def test_what_the_disk_of_a_guest_lies_on(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "base")
    overlay(hosts.shared / "middle", hosts.shared / "base")
    overlay(hosts["two"].pools_dir / "local" / "top", hosts.shared / "middle")
    hosts.define_guest("two", "g", hosts["two"].pools_dir / "local" / "top")
    error = refused(fleet.select(hosts=["one"]).storage("vms").delete, "base")
    assert "domain g on two (backing, inactive)" in error.metadata["users"]


def test_what_a_file_in_a_pool_lies_on_that_only_another_host_has(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "base")
    local = hosts["two"].pools_dir / "local"
    overlay(local / "top", hosts.shared / "base")
    delete = fleet.select(hosts=["one"]).storage("vms").delete
    assert refused(delete, "base").metadata["users"] == "volume local/top on two (backing)"
    (local / "top").unlink()
    (local / "link").symlink_to(hosts.shared / "base")
    overlay(local / "top", local / "link")
    error = refused(delete, "base")
    assert (error.reason, "volume local/top on two" in error.metadata["missing"]) == ("INCOMPLETE", True)


def test_what_was_just_laid_on_it_and_by_the_path_of_the_host_that_did(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "base")
    top = hosts.shared / "top"
    overlay(top, hosts.shared / "base")
    users = {f"volume {pool}/top on {host} (backing)" for host, pool in POOLS.items()}
    for host, pool in POOLS.items():
        error = refused(fleet.select(hosts=[host]).storage(pool).delete, "base")
        assert (error.reason, error.metadata["users"] in users) == ("VOLUME_IN_USE", True)
    # As a host writes it that has the storage at another path.
    rebase = ["qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "/mnt/there/base", str(top)]
    subprocess.run(rebase, check=True, timeout=60)
    for word in POOLS.values():
        error = refused(fleet.storage(word).delete, "base")
        assert (error.reason, error.metadata["users"] in users) == ("VOLUME_IN_USE", True)
    # Files that lie elsewhere keep nothing.
    create(fleet, "other")
    assert fleet.storage(STORAGE).delete("other").changed
    top.unlink()
    assert fleet.storage(STORAGE).delete("base").changed


def test_what_was_just_laid_on_it_in_another_pool_of_the_host_that_acts(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "base")
    top = hosts["one"].pools_dir / "local" / "top"
    delete = fleet.select(hosts=["one"]).storage("vms").delete
    overlay(top, hosts.shared / "base")
    assert refused(delete, "base").metadata["users"] == "volume local/top on one (backing)"
    top.unlink()
    assert delete("base").changed


def test_what_a_guest_of_a_host_without_such_a_pool_may_mean(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    hosts.define_guest("three", "g", "/somewhere/else/v")
    assert_kept(fleet, hosts, "v", "domain g on three (disk, inactive)")
    # A host that has the storage knows that such a path does not lead there.
    hosts.define_guest("two", "h", "/somewhere/else/v")
    assert refused(fleet.storage(STORAGE).delete, "v").metadata["users"] == "domain g on three (disk, inactive)"


def test_what_a_host_without_such_a_pool_reaches_by_links_of_other_names(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    pools_dir = hosts["three"].pools_dir
    links = [pools_dir / "link", pools_dir / "local" / "link"]
    try:
        for link in links:
            link.symlink_to(hosts.shared / "v")
            hosts.define_guest("three", "g", link)
            assert_kept(fleet, hosts, "v", "domain g on three (disk, inactive)")
            virsh(hosts["three"], "undefine", "g")
            overlay(pools_dir / "local" / "top", link)
            assert "three" in str(refused(fleet.storage(STORAGE).delete, "v").metadata)
            (pools_dir / "local" / "top").unlink()
    finally:
        for link in links:
            link.unlink(missing_ok=True)


def test_a_volume_of_stopped_guests_grows_and_shrinks_where_nothing_lies_on_it(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    hosts.define_guest("two", "g", hosts.shared / "v")
    one = fleet.select(hosts=["one"]).storage("vms")
    assert one.resize("v", 2 * MIB).changed
    overlay(hosts["two"].pools_dir / "local" / "top", hosts.shared / "v")
    assert one.resize("v", delta_bytes=MIB).changed
    assert fleet.client("two").volumes.get("images", "v", max_staleness_s=0).capacity_bytes == 3 * MIB
    with pytest.raises(FailedPrecondition) as used:
        one.resize("v", MIB, allow_shrink=True)
    assert used.value.metadata["users"] == "volume local/top on two (backing)"


@pytest.mark.parametrize("gone", ["two", "three"])
def test_while_a_host_does_not_answer_nothing_is_destroyed(fleet: Fleet, hosts: Hosts, gone: str) -> None:
    create(fleet, "v")
    hosts[gone].agent.stop()
    one = fleet.select(hosts=["one"]).storage("vms")
    for change in (one.delete, one.wipe, lambda volume: one.resize(volume, 2 * MIB)):
        error = refused(change, "v")
        assert isinstance(error, Unavailable)
        assert (error.reason, error.metadata["missing"].startswith(f"{gone}: unreachable: ")) == ("INCOMPLETE", True)
    assert (hosts.shared / "v").exists()
    assert one.delete("v", allow_in_use=True).changed


def test_while_the_domains_of_a_host_cannot_be_read_nothing_is_destroyed(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    hosts["three"].libvirtd.kill9()
    wait_until(lambda: not fleet.client("three").get().libvirt_connected, limit_s=30, what="the agent has lost libvirt")
    try:
        error = refused(fleet.storage(STORAGE).delete, "v")
        assert (error.reason, "three: " in error.metadata["missing"]) == ("INCOMPLETE", True)
    finally:
        hosts["three"].libvirtd.restart()
    hosts["three"].agent.wait_looked()
    assert fleet.storage(STORAGE).delete("v").changed


def test_a_stopped_pool_on_a_host_s_own_disks_stands_in_nobody_s_way(fleet: Fleet, hosts: Hosts) -> None:
    create(fleet, "v")
    fleet.client("two").pools.stop("local")
    assert fleet.select(hosts=["one"]).storage("vms").delete("v").changed
    fleet.client("two").pools.start("local")


def test_a_pool_of_a_host_s_own_asks_nobody_else(fleet: Fleet, hosts: Hosts) -> None:
    own = fleet.select(hosts=["one"]).storage("local")
    own.create(VolumeSpec("v", capacity_bytes=MIB, format="qcow2"))
    hosts["three"].agent.stop()
    assert own.delete("v").changed
