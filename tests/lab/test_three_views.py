"""One share that two hosts see in three ways: each volume is there once, with who uses it on both, and no refresh."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition, Fleet, PoolSpec, VolumeSpec
from poolfleet.inventory.model import Inventory
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share

pytestmark = pytest.mark.full

SHARE = "/srv/nfs/vm_data"
SOURCE = f"nfs.lab:{SHARE}"
BY_NETFS = "/srv/pools/vm_data"
BY_FSTAB = "/srv/pools/by_fstab"
BY_AUTOFS = "/mnt/auto/vm_data"
PID_FILE = "/run/automount.pid"
MOUNT_LIMIT_S = 120.0
CALL_LIMIT_S = 240.0
VIEWS = ["host1:vm_data", "host2:by_autofs", "host2:by_fstab"]
VOLUMES = ("both", "first", "second", "unused")


@pytest.fixture(scope="module")
def views(healthy_for_all: Lab) -> Iterator[Lab]:
    """The share as a netfs pool on the first host, which has made the volumes; on the other below two folders.

    The first host's guest `web` has `both` and `first`; the other's guest `db` has `both` by fstab, `second` by autofs.
    """
    lab = healthy_for_all
    one, other = lab.hosts
    lab.server.ssh(f"find {SHARE} -mindepth 1 -delete")
    with mounted_by_fstab(other), mounted_by_autofs(other):
        try:
            with one.agent(timeout_s=CALL_LIMIT_S) as agent:
                agent.pools.ensure(share())
            with other.agent(timeout_s=CALL_LIMIT_S) as agent:
                agent.pools.ensure(PoolSpec.dir("by_fstab", target=BY_FSTAB))
                agent.pools.ensure(PoolSpec.dir("by_autofs", target=BY_AUTOFS))
            with one.agent(timeout_s=CALL_LIMIT_S) as agent:
                for name in VOLUMES:
                    agent.volumes.create("vm_data", VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))
            one.define_guest("web", f"{BY_NETFS}/both", f"{BY_NETFS}/first")
            other.define_guest("db", f"{BY_FSTAB}/both", f"{BY_AUTOFS}/second")
            yield lab
        finally:
            for host in lab.hosts:
                for guest in host.guests():
                    host.virsh("undefine", guest)
                host.clear()


@contextmanager
def mounted_by_fstab(host: Host) -> Iterator[None]:
    host.ssh(f"mkdir -p {BY_FSTAB} && echo '{SOURCE} {BY_FSTAB} nfs noauto 0 0' >>/etc/fstab")
    host.ssh(f"mount {BY_FSTAB}", timeout_s=MOUNT_LIMIT_S)
    try:
        yield
    finally:
        host.ssh(f"sed -i '\\| {BY_FSTAB} |d' /etc/fstab")


@contextmanager
def mounted_by_autofs(host: Host) -> Iterator[None]:
    host.ssh("echo '/mnt/auto /etc/auto.lab --timeout 600' >/etc/auto.master")
    host.ssh(f"echo 'vm_data -fstype=nfs {SOURCE}' >/etc/auto.lab")
    # Not by its unit, which is masked: to unmask one has systemd read all units anew, and that takes 20 s here.
    host.ssh(f"automount --dont-check-daemon --pid-file {PID_FILE}", timeout_s=MOUNT_LIMIT_S)
    try:
        # A first look may take longer here than an agent waits for one.
        host.ssh(f"ls {BY_AUTOFS}", timeout_s=MOUNT_LIMIT_S)
        yield
    finally:
        ended = "timeout 100 tail --pid=$daemon -f /dev/null"
        host.ssh(f"daemon=$(cat {PID_FILE}) && kill $daemon && {ended}", timeout_s=MOUNT_LIMIT_S)


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


def test_each_volume_is_there_once_and_found_on_the_other_host_without_a_refresh(views: Lab) -> None:
    _, other = views.hosts
    found = inventory(views)
    assert [[f"{pool.host}:{pool.pool}" for pool in storage.pools] for storage in found.storages] == [VIEWS]
    assert [(volume.name, [f"{at.host}:{at.pool}" for at in volume.hosts]) for volume in found.volumes] == [
        (name, VIEWS) for name in VOLUMES
    ]
    for pool in ("by_fstab", "by_autofs"):
        assert " both " not in other.virsh("vol-list", pool), "libvirt has read the folder anew"


def test_who_uses_a_volume_is_told_of_both_hosts(views: Lab, tmp_path: Path) -> None:
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


def test_what_the_other_host_uses_is_not_deleted(views: Lab) -> None:
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
