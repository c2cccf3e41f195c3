"""Volumes on a real libvirtd, and who uses them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import poolfleet
from poolfleet import Operation, Volume, VolumeSpec
from poolfleet.types.disk import DiskRole, DomainState
from poolfleet.types.volume import BackingStore, Permissions
from scripts.embedded.host import EmbeddedHost
from tests.virsh import virsh

GIB = 1 << 30


def define_guest(host: EmbeddedHost, name: str, *devices: str) -> None:
    xml = (
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory>"
        f"<os><type arch='x86_64'>hvm</type></os><devices>{''.join(devices)}</devices></domain>"
    )
    virsh(host, "define", "/dev/stdin", document=xml)


def undefine_guest(host: EmbeddedHost, name: str) -> None:
    virsh(host, "undefine", name)


def volume_of(operation: Operation) -> Volume:
    assert isinstance(operation.result, Volume)
    return operation.result


@pytest.mark.cell("dir", "volume")
def test_a_raw_volume_is_created_found_listed_and_deleted(agent: poolfleet.AgentClient, folder: Path) -> None:
    made = agent.volumes.create("vms", VolumeSpec(name="disk.raw", capacity_bytes=GIB, allocation_bytes=0))
    assert made.changed
    volume = agent.volumes.get("vms", "disk.raw")
    assert (volume.format, volume.capacity_bytes, volume.path) == ("raw", GIB, str(folder / "disk.raw"))
    assert os.stat(volume.path).st_size == GIB
    assert agent.volumes.lookup(path=volume.path).name == "disk.raw"
    assert agent.volumes.lookup(key=volume.key).name == "disk.raw"
    assert [listed.name for listed in agent.volumes.list("vms")] == ["disk.raw"]
    pool = agent.pools.get("vms")
    assert (pool.volume_count, pool.provisioned_bytes) == (1, GIB)

    agent.volumes.delete("vms", "disk.raw")
    assert not (folder / "disk.raw").exists()
    assert agent.pools.get("vms").volume_count == 0
    with pytest.raises(poolfleet.NotFound):
        agent.volumes.get("vms", "disk.raw")
    assert not agent.volumes.delete("vms", "disk.raw", allow_missing=True).changed


def test_a_qcow2_volume_lies_on_its_backing_store(agent: poolfleet.AgentClient, folder: Path) -> None:
    base = volume_of(agent.volumes.create("vms", VolumeSpec(name="base.qcow2", capacity_bytes=GIB, format="qcow2")))
    spec = VolumeSpec(
        name="top.qcow2",
        capacity_bytes=2 * GIB,
        format="qcow2",
        backing_store=BackingStore(path=base.path, format="qcow2"),
        permissions=Permissions(mode=0o640, owner=os.getuid(), group=os.getgid()),
    )
    top = volume_of(agent.volumes.create("vms", spec))
    assert top.backing_store == BackingStore(path=base.path, format="qcow2")
    assert top.capacity_bytes == 2 * GIB
    assert top.permissions
    assert top.permissions.mode == 0o640
    assert not agent.volumes.create("vms", spec).changed
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        agent.volumes.delete("vms", "base.qcow2")
    assert used.value.reason == "VOLUME_IN_USE"
    assert "vms/top.qcow2" in used.value.metadata["users"]


def test_a_volume_that_exists_and_differs_is_refused_with_the_fields(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    agent.volumes.create("vms", VolumeSpec(name="a", capacity_bytes=GIB, allocation_bytes=0))
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.volumes.create("vms", VolumeSpec(name="a", capacity_bytes=2 * GIB, format="qcow2"))
    assert exists.value.reason == "VOLUME_EXISTS"
    assert exists.value.metadata["fields"] == "format,capacity_bytes"


def test_a_file_that_libvirt_has_not_seen_is_not_overwritten(agent: poolfleet.AgentClient, folder: Path) -> None:
    (folder / "unseen").write_bytes(b"a neighbour's bytes")
    with pytest.raises(poolfleet.AlreadyExists):
        agent.volumes.create("vms", VolumeSpec(name="unseen", capacity_bytes=GIB, format="qcow2"))
    assert (folder / "unseen").read_bytes() == b"a neighbour's bytes"


@pytest.mark.parametrize("allow_missing", [False, True])
def test_a_file_that_libvirt_has_not_seen_is_no_missing_volume(
    agent: poolfleet.AgentClient, folder: Path, allow_missing: bool
) -> None:
    """As libvirtd leaves one that is killed while it creates it; creation finds it, so deletion has to."""
    (folder / "unseen.raw").write_bytes(bytes(GIB >> 10))
    assert agent.volumes.delete("vms", "unseen.raw", allow_missing=allow_missing).changed
    assert not (folder / "unseen.raw").exists()


def test_a_file_that_libvirt_has_not_seen_is_resized(agent: poolfleet.AgentClient, folder: Path) -> None:
    (folder / "unseen.raw").write_bytes(bytes(GIB >> 10))
    assert volume_of(agent.volumes.resize("vms", "unseen.raw", delta_bytes=GIB >> 10)).capacity_bytes == GIB >> 9


def test_what_would_not_fit_is_refused_before_anything_is_written(agent: poolfleet.AgentClient, folder: Path) -> None:
    with pytest.raises(poolfleet.ResourceExhausted) as full:
        agent.volumes.create("vms", VolumeSpec(name="huge", capacity_bytes=1 << 50))
    assert full.value.reason == "NO_SPACE"
    assert not (folder / "huge").exists()
    sparse = VolumeSpec(name="sparse", capacity_bytes=1 << 42, allocation_bytes=0)
    assert agent.volumes.create("vms", sparse).changed


def test_special_files_are_shown_on_request_and_never_counted_or_deleted(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    (folder / "folder").mkdir()
    (folder / ".hidden").write_bytes(b"")
    agent.pools.refresh("vms")
    assert list(agent.volumes.list("vms")) == []
    assert {volume.name for volume in agent.volumes.list("vms", include_special=True)} == {"folder", ".hidden"}
    assert agent.pools.get("vms").volume_count == 0
    for name in ("folder", ".hidden"):
        with pytest.raises(poolfleet.FailedPrecondition) as special:
            agent.volumes.delete("vms", name)
        assert special.value.reason == "NOT_A_VOLUME"


def test_guests_that_are_defined_use_their_volumes(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    base = volume_of(agent.volumes.create("vms", VolumeSpec(name="base", capacity_bytes=GIB, format="qcow2")))
    agent.volumes.create(
        "vms",
        VolumeSpec(
            name="root", capacity_bytes=GIB, format="qcow2", backing_store=BackingStore(path=base.path, format="qcow2")
        ),
    )
    agent.volumes.create("vms", VolumeSpec(name="data", capacity_bytes=GIB, allocation_bytes=0))
    (folder / "link").symlink_to(folder / "data")
    elsewhere = module_host.root / "alias"
    elsewhere.symlink_to(folder)
    define_guest(
        module_host,
        "web",
        "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/><source pool='vms' volume='root'/>"
        "<target dev='vda' bus='virtio'/></disk>",
        f"<disk type='file' device='disk'><source file='{elsewhere}/data'/><target dev='vdb' bus='virtio'/></disk>",
        "<disk type='file' device='cdrom'><source file='/srv/none.iso'/><target dev='hda' bus='ide'/></disk>",
    )
    try:
        disks = agent.inventory.disks(max_staleness_s=0)
        assert disks.complete, disks.missing
        seen = {(disk.target, disk.role, disk.pool, disk.volume, disk.depth) for disk in disks.disks}
        assert seen == {
            ("vda", DiskRole.DISK, "vms", "root", 0),
            ("vda", DiskRole.BACKING, "vms", "base", 1),
            ("vdb", DiskRole.DISK, "vms", "data", 0),
            ("hda", DiskRole.CDROM, "", "", 0),
        }
        assert {disk.domain_state for disk in disks.disks} == {DomainState.INACTIVE}
        for name in ("root", "base", "data"):
            with pytest.raises(poolfleet.FailedPrecondition) as used:
                agent.volumes.delete("vms", name)
            assert used.value.reason == "VOLUME_IN_USE"
            assert "web" in used.value.metadata["users"] or name == "base"
        stopped = agent.pools.stop("vms")
        assert any("web" in warning for warning in stopped.warnings)
        agent.pools.start("vms")
    finally:
        undefine_guest(module_host, "web")
        elsewhere.unlink()
        agent.inventory.disks(max_staleness_s=0)
    agent.volumes.delete("vms", "data")


def test_lists_of_many_volumes_are_paged_and_give_each_once(agent: poolfleet.AgentClient, folder: Path) -> None:
    names = {f"v{number:04d}" for number in range(250)}
    for name in names:
        (folder / name).touch()
    agent.pools.refresh("vms")
    assert [volume.name for volume in agent.volumes.list("vms", page_size=7)] == sorted(names)
    assert len(list(agent.volumes.list(name_prefix="v00"))) == 100
