"""One share that two hosts see in three ways: each volume is there once, with who uses it on both, and no refresh."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition, Fleet, PoolSpec, VolumeSpec
from poolfleet.inventory.model import Inventory
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share

SHARE = "/srv/nfs/vm_data"
SOURCE = f"nfs.lab:{SHARE}"
BY_NETFS = "/srv/pools/vm_data"
BY_FSTAB = "/srv/pools/by_fstab"
BY_AUTOFS = "/mnt/auto/vm_data"
CALL_LIMIT_S = 240.0
VIEWS = ["host1:vm_data", "host2:by_autofs", "host2:by_fstab"]
VOLUMES = ("both", "first", "second", "unused")


@pytest.fixture
def views(healthy: Lab) -> Iterator[Lab]:
    """The share as a netfs pool on the first host; by fstab, and by autofs, below folders on the other.

    The first host has made the volumes.
    """
    one, other = healthy.hosts
    healthy.server.ssh(f"find {SHARE} -mindepth 1 -delete")
    other.ssh(f"mkdir -p {BY_FSTAB} && echo '{SOURCE} {BY_FSTAB} nfs noauto 0 0' >>/etc/fstab && mount {BY_FSTAB}")
    other.ssh(
        "echo '/mnt/auto /etc/auto.lab --timeout 600' >/etc/auto.master"
        f" && echo 'vm_data -fstype=nfs {SOURCE}' >/etc/auto.lab"
        " && systemctl unmask --runtime autofs; systemctl unmask autofs && systemctl restart autofs"
        f" && ls {BY_AUTOFS}",
        timeout_s=120,
    )
    with other.agent(timeout_s=CALL_LIMIT_S) as agent:
        for name, target in (("by_fstab", BY_FSTAB), ("by_autofs", BY_AUTOFS)):
            agent.pools.ensure(PoolSpec.dir(name, target=target))
    with one.agent(timeout_s=CALL_LIMIT_S) as agent:
        agent.pools.ensure(share())
        for name in VOLUMES:
            agent.volumes.create("vm_data", VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))
    yield healthy
    with other.agent(timeout_s=CALL_LIMIT_S) as agent:
        for name in ("by_fstab", "by_autofs"):
            agent.pools.stop(name, allow_in_use=True)
    other.ssh(f"systemctl stop autofs; umount {BY_FSTAB}; sed -i '\\| {BY_FSTAB} |d' /etc/fstab", timeout_s=120)


@pytest.fixture
def guests(views: Lab) -> Iterator[None]:
    """On the first host `web`, with `both` and `first`; on the other `db`, with `both` by fstab, `second` by autofs."""
    one, other = views.hosts
    try:
        one.define_guest("web", f"{BY_NETFS}/both", f"{BY_NETFS}/first")
        other.define_guest("db", f"{BY_FSTAB}/both", f"{BY_AUTOFS}/second")
        yield
    finally:
        for host in views.hosts:
            for guest in host.guests():
                host.virsh("undefine", guest)


def look_again(fleet: Fleet) -> None:
    """What was made behind an agent's back is seen by its next look, of which this asks for one."""
    looks = fleet.map(
        lambda agent: [agent.volumes.read_all(pool.name, max_staleness_s=0) for pool in agent.pools.list()]
    )
    looks.raise_for_failures()
    fleet.map(lambda agent: agent.inventory.disks(max_staleness_s=0)).raise_for_failures()


def inventory(lab: Lab) -> Inventory:
    with Fleet.from_file(lab.file) as fleet:
        look_again(fleet)
        return fleet.inventory(timeout_s=CALL_LIMIT_S)


def orphans(lab: Lab, store: str) -> list[str]:
    """What the command line calls so, where it is told that nobody else has the share."""
    program = [str(Path(sys.executable).with_name("poolfleet")), "--fleet", str(lab.file), "inventory"]
    subprocess.run([*program, "sync", "--store", store], check=True, timeout=CALL_LIMIT_S)
    asked = ["query", "orphans", "--assume-exclusive", "--require-complete", "-o", "json", "--store", store]
    done = subprocess.run([*program, *asked], check=True, timeout=CALL_LIMIT_S, stdout=subprocess.PIPE)
    return [row["name"] for row in json.loads(done.stdout)["rows"]]


@pytest.mark.full
def test_each_volume_is_there_once_and_found_on_the_other_host_without_a_refresh(views: Lab) -> None:
    _, other = views.hosts
    found = inventory(views)
    assert [[f"{pool.host}:{pool.pool}" for pool in storage.pools] for storage in found.storages] == [VIEWS]
    assert [(volume.name, [f"{at.host}:{at.pool}" for at in volume.hosts]) for volume in found.volumes] == [
        (name, VIEWS) for name in VOLUMES
    ]
    for pool in ("by_fstab", "by_autofs"):
        assert " both " not in other.virsh("vol-list", pool), "libvirt has read the folder anew"


def test_who_uses_a_volume_is_told_of_both_hosts(views: Lab, guests: None, tmp_path: Path) -> None:
    found = inventory(views)
    assert found.complete, found.missing
    web, db = ("host1", "web"), ("host2", "db")
    assert [(volume.name, [(user.host, user.domain) for user in volume.used_by]) for volume in found.volumes] == [
        ("both", [web, db]),
        ("first", [web]),
        ("second", [db]),
        ("unused", []),
    ]
    assert found.unmanaged == ()
    assert orphans(views, f"sqlite:///{tmp_path}/inventory.db") == ["unused"]


def test_what_the_other_host_uses_is_not_deleted(views: Lab, guests: None) -> None:
    web, db = "domain web on host1 (disk, inactive)", "domain db on host2 (disk, inactive)"
    with Fleet.from_file(views.file) as fleet:
        for acting, pool, volume, users in (
            ("host1", "vm_data", "second", db),
            ("host2", "by_fstab", "first", web),
            ("host2", "by_autofs", "both", f"{web}, {db}"),
        ):
            with pytest.raises(FailedPrecondition) as refused:
                fleet.select(hosts=[acting]).storage(pool).delete(volume, timeout_s=CALL_LIMIT_S)
            assert (refused.value.reason, refused.value.metadata["users"]) == ("VOLUME_IN_USE", users)
        assert fleet.select(hosts=["host2"]).storage("by_autofs").delete("unused", timeout_s=CALL_LIMIT_S).changed
    assert sorted(views.server.ssh(f"ls {SHARE}").split()) == ["both", "first", "second"]
