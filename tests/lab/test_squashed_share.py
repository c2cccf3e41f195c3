"""Exports of a kernel NFS server that squash root: what virsh cannot do there, the agent does as the share's user."""

from __future__ import annotations

import time

import pytest

from poolfleet import AgentClient, CloneSpec, FailedPrecondition, Unsupported, VolumeSpec
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, SLOWER, local, share

FOLDER = "/srv/nfs/squashed"
TOLD_S = 3.0


def files(lab: Lab) -> list[str]:
    """What the server has in the share's folder: owner, mode and name of each."""
    return lab.server.ssh(f"cd {FOLDER} && find . -mindepth 1 -printf '%u %m %f\\n' | sort").splitlines()


@pytest.mark.parametrize("version", [pytest.param("3", marks=pytest.mark.full), "4.2"])
def test_volumes_are_created_and_deleted_where_virsh_cannot(healthy: Lab, agent: AgentClient, version: str) -> None:
    agent.pools.ensure(share("squashed", version=version), autostart=False)
    for number, volume_format in enumerate(("raw", "qcow2")):
        words = ("vol-create-as", "squashed", "beside", "1M", "--format", volume_format)
        beside = healthy.hosts[0].ssh_any(" ".join(("virsh", *words)))
        assert beside.status != 0, number
    for volume_format in ("raw", "qcow2"):
        spec = VolumeSpec(volume_format, capacity_bytes=MIB, allocation_bytes=0, format=volume_format)
        assert agent.volumes.create("squashed", spec).changed
        assert not agent.volumes.create("squashed", spec).changed
    assert files(healthy) == ["libvirt-qemu 600 qcow2", "libvirt-qemu 600 raw"]
    agent.pools.refresh("squashed")
    assert {volume.name for volume in agent.volumes.list("squashed", max_staleness_s=0)} == {"raw", "qcow2"}
    for name in ("raw", "qcow2"):
        agent.volumes.delete("squashed", name)
    assert files(healthy) == []


@pytest.mark.full
def test_volumes_are_cloned_where_virsh_cannot(healthy: Lab, agent: AgentClient) -> None:
    agent.pools.ensure(share("squashed"), autostart=False)
    agent.pools.ensure(local(), autostart=False)
    agent.volumes.create("squashed", VolumeSpec("src", capacity_bytes=MIB, allocation_bytes=0))
    assert healthy.hosts[0].ssh_any("virsh vol-clone src beside --pool squashed").status != 0
    healthy.server.ssh(f"rm -f {FOLDER}/beside")
    assert agent.volumes.clone("squashed", "src", CloneSpec("raw")).changed
    assert agent.volumes.clone("squashed", "src", CloneSpec("linked", linked=True)).changed
    assert agent.volumes.clone("squashed", "src", CloneSpec("src"), target_pool="local").changed
    assert agent.volumes.clone("local", "src", CloneSpec("qcow2", format="qcow2"), target_pool="squashed").changed
    assert files(healthy) == [f"libvirt-qemu 600 {name}" for name in ("linked", "qcow2", "raw", "src")]


@pytest.mark.full
@pytest.mark.parametrize("version", ["3", "4.2"])
@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_volumes_are_resized_where_virsh_cannot(
    healthy: Lab, agent: AgentClient, version: str, volume_format: str
) -> None:
    agent.pools.ensure(share("squashed", version=version), autostart=False)
    agent.volumes.create("squashed", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0, format=volume_format))
    assert healthy.hosts[0].ssh_any("virsh vol-resize v 2M --pool squashed").status != 0
    for capacity_bytes, allocate in ((2 * MIB, False), (MIB, False), (3 * MIB, True)):
        asked = agent.volumes.resize("squashed", "v", capacity_bytes, allow_shrink=True, allocate=allocate)
        assert asked.changed
        assert not agent.volumes.resize("squashed", "v", capacity_bytes).changed
        assert agent.volumes.get("squashed", "v", max_staleness_s=0).capacity_bytes == capacity_bytes
    assert int(healthy.server.ssh(f"stat -c %b {FOLDER}/v")) * 512 >= 2 * MIB
    assert files(healthy) == ["libvirt-qemu 600 v"]
    agent.volumes.delete("squashed", "v")


@pytest.mark.full
@pytest.mark.parametrize("version", ["3", "4.2"])
@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_volumes_are_wiped_where_virsh_cannot(
    healthy: Lab, agent: AgentClient, version: str, volume_format: str
) -> None:
    agent.pools.ensure(share("squashed", version=version), autostart=False)
    agent.volumes.create("squashed", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0, format=volume_format))
    file = f"{FOLDER}/v"
    healthy.server.ssh(f"printf secret | dd of={file} conv=notrunc,fsync bs=1 seek=100000 2>/dev/null")
    size = int(healthy.server.ssh(f"stat -c %s {file}"))
    assert healthy.hosts[0].ssh_any("virsh vol-wipe v --pool squashed").status != 0
    with pytest.raises(Unsupported) as refused:
        agent.volumes.wipe("squashed", "v", algorithm="nnsa")
    assert refused.value.reason == "NOT_SUPPORTED_HERE"
    assert agent.volumes.wipe("squashed", "v").changed
    assert healthy.server.ssh_any(f"cmp -n {size} {file} /dev/zero").status == 0
    assert int(healthy.server.ssh(f"stat -c %s {file}")) == size
    assert agent.volumes.get("squashed", "v", max_staleness_s=0).format == "raw"
    assert files(healthy) == ["libvirt-qemu 600 v"]
    agent.volumes.delete("squashed", "v")


@pytest.mark.parametrize("version", [pytest.param("3", marks=pytest.mark.full), "4.2"])
def test_a_directory_that_is_closed_to_others_is_told_at_the_start(
    healthy: Lab, agent: AgentClient, version: str
) -> None:
    agent.pools.define(share("squashed0750", version=version))
    agent.pools.build("squashed0750")
    began_s = time.monotonic()
    with pytest.raises(FailedPrecondition) as refused:
        agent.pools.start("squashed0750")
    took_s = time.monotonic() - began_s
    assert refused.value.reason == "SQUASHED"
    assert "o+rx" in refused.value.message
    assert healthy.hosts[0].ssh_any("mountpoint -q /srv/pools/squashed0750").status != 0
    assert took_s < TOLD_S * SLOWER
