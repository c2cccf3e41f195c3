"""What may be asked of a volume's file beyond its size, on a real libvirtd: virsh and qemu-img show what was made."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import poolfleet
from poolfleet import PoolSpec, SecretRef, SecretSpec, Volume, VolumeEncryption, VolumeSpec
from poolfleet.aio import AgentClient as AsyncAgentClient
from poolfleet.types.operation import OperationState
from poolfleet.types.volume import BackingStore, Permissions
from poolfleet_agent.model.volume_formats import BACKED_FORMATS, FILE_FORMATS
from scripts.embedded.host import EmbeddedHost
from tests.slow_qemu_img import SlowQemuImg
from tests.virsh import virsh

MIB = 1 << 20


def spec(name: str = "v", volume_format: str = "qcow2", **stated: Any) -> VolumeSpec:
    return VolumeSpec(name, capacity_bytes=4 * MIB, format=volume_format, **stated)


def target_shown(host: EmbeddedHost, name: str = "v") -> ET.Element:
    """What virsh shows of a volume once libvirt has read its file again."""
    virsh(host, "pool-refresh", "vms")
    target = ET.fromstring(virsh(host, "vol-dumpxml", "--pool", "vms", name)).find("target")  # noqa: S314  libvirt's
    assert target is not None
    return target


def image_info(path: Path) -> dict[str, Any]:
    command = ["qemu-img", "info", "--output=json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return found


@pytest.mark.parametrize(
    ("stated", "compat"),
    [({}, "0.10"), ({"compat": "0.10"}, "0.10"), ({"compat": "1.1"}, "1.1")],
)
def test_a_qcow2_volume_has_the_compatibility_level_asked_for(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, folder: Path, stated: Any, compat: str
) -> None:
    assert agent.volumes.create("vms", spec(**stated)).changed
    assert image_info(folder / "v")["format-specific"]["data"]["compat"] == compat
    # libvirt says nothing of the old level.
    assert target_shown(module_host).findtext("compat") == (None if compat == "0.10" else compat)
    assert not agent.volumes.create("vms", spec(compat=compat)).changed
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.volumes.create("vms", spec(compat="1.1" if compat == "0.10" else "0.10"))
    assert exists.value.metadata["fields"] == "compat"


def test_a_qcow2_volume_has_the_cluster_size_asked_for(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, folder: Path
) -> None:
    made = agent.volumes.create("vms", spec(cluster_size_bytes=131072)).result
    assert isinstance(made, Volume)
    assert made.cluster_size_bytes == 131072
    assert image_info(folder / "v")["cluster-size"] == 131072
    assert target_shown(module_host).findtext("clusterSize") == "131072"
    assert not agent.volumes.create("vms", spec(cluster_size_bytes=131072)).changed
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.volumes.create("vms", spec(cluster_size_bytes=65536))
    assert exists.value.metadata["fields"] == "cluster_size_bytes"


def test_a_cluster_size_that_was_left_to_qemu_img_is_known(agent: poolfleet.AgentClient, folder: Path) -> None:
    agent.volumes.create("vms", spec())
    assert image_info(folder / "v")["cluster-size"] == 65536
    assert not agent.volumes.create("vms", spec(cluster_size_bytes=65536)).changed


@pytest.mark.parametrize("features", [("lazy_refcounts",), ("extended_l2",), ("lazy_refcounts", "extended_l2")])
def test_a_qcow2_volume_has_the_features_asked_for(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, folder: Path, features: tuple[str, ...]
) -> None:
    made = agent.volumes.create("vms", spec(features=features)).result
    assert isinstance(made, Volume)
    assert (made.compat, made.features) == ("1.1", features)
    info = image_info(folder / "v")["format-specific"]["data"]
    assert {name for name in ("lazy-refcounts", "extended-l2") if info[name]} == {
        name.replace("_", "-") for name in features
    }
    shown = target_shown(module_host).find("features")
    assert shown is not None
    assert {feature.tag for feature in shown} == set(features)
    assert not agent.volumes.create("vms", spec()).changed
    if len(features) == 1:
        with pytest.raises(poolfleet.AlreadyExists) as exists:
            agent.volumes.create("vms", spec(features=("lazy_refcounts", "extended_l2")))
        assert exists.value.metadata["fields"] == "features"


def test_a_raw_file_without_copy_on_write_is_refused_where_the_file_system_has_none(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    with pytest.raises(poolfleet.Unsupported, match="btrfs"):
        agent.volumes.create("vms", spec(volume_format="raw", nocow=True))
    assert list(folder.iterdir()) == []
    assert agent.volumes.create("vms", spec(nocow=True)).changed


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"cluster_size_bytes": 1000}, "spec.cluster_size_bytes"),
        ({"compat": "9"}, "spec.compat"),
        ({"features": ("quick",)}, "spec.features"),
        ({"volume_format": "raw", "compat": "1.1"}, "spec.compat"),
    ],
)
def test_a_layout_that_there_is_not_names_its_field(
    agent: poolfleet.AgentClient, folder: Path, stated: Any, field: str
) -> None:
    with pytest.raises(poolfleet.InvalidArgument) as refused:
        agent.volumes.create("vms", spec(**stated))
    assert (refused.value.reason, refused.value.metadata["field"]) == ("INVALID_FIELD", field)
    assert list(folder.iterdir()) == []


def taken_bytes(path: Path) -> int:
    return path.stat().st_blocks * 512


@pytest.mark.parametrize(
    ("volume_format", "kind", "least_bytes", "most_bytes"),
    [
        ("qcow2", "metadata", 266240, MIB),
        ("qcow2", "falloc", 4 * MIB, 5 * MIB),
        ("qcow2", "full", 4 * MIB, 5 * MIB),
        ("raw", "falloc", 4 * MIB, 4 * MIB),
        ("raw", "full", 4 * MIB, 4 * MIB),
    ],
)
def test_a_file_is_preallocated(
    agent: poolfleet.AgentClient,
    module_host: EmbeddedHost,
    folder: Path,
    volume_format: str,
    kind: str,
    least_bytes: int,
    most_bytes: int,
) -> None:
    made = agent.volumes.create("vms", spec(volume_format=volume_format), preallocation=kind)
    assert isinstance(made.result, Volume)
    assert (made.result.format, made.result.capacity_bytes) == (volume_format, 4 * MIB)
    assert least_bytes <= taken_bytes(folder / "v") <= most_bytes
    # Nothing else is there, and libvirt knows it.
    assert [path.name for path in folder.iterdir()] == ["v"]
    shown = virsh(module_host, "vol-info", "--bytes", "--physical", "--pool", "vms", "v")
    assert str((folder / "v").stat().st_size) in shown
    facts = (folder / "v").stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (os.getuid(), os.getgid(), 0o600)
    assert not agent.volumes.create("vms", spec(volume_format=volume_format), preallocation=kind).changed


@pytest.mark.parametrize(("allocation", "whole"), [("<allocation>0</allocation>", False), ("", True)])
def test_a_document_is_preallocated_as_virsh_does_it(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, folder: Path, allocation: str, whole: bool
) -> None:
    document = (
        f"<volume><name>NAME</name><capacity>{4 * MIB}</capacity>{allocation}"
        "<target><format type='qcow2'/></target></volume>"
    )
    agent.volumes.create("vms", VolumeSpec.from_xml(document.replace("NAME", "ours")), preallocation="metadata")
    (module_host.root / "v.xml").write_text(document.replace("NAME", "theirs"))
    virsh(module_host, "vol-create", "vms", str(module_host.root / "v.xml"), "--prealloc-metadata")
    assert taken_bytes(folder / "ours") == taken_bytes(folder / "theirs")
    assert (taken_bytes(folder / "ours") > 4 * MIB) is whole
    assert image_info(folder / "ours")["format-specific"] == image_info(folder / "theirs")["format-specific"]


def test_a_preallocated_file_belongs_to_whom_it_shall(agent: poolfleet.AgentClient, folder: Path) -> None:
    # Only root can give files away.
    owner, group = (1234, 107) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    permissions = Permissions(mode=0o640, owner=owner, group=group)
    agent.volumes.create("vms", spec(permissions=permissions), preallocation="metadata")
    facts = (folder / "v").stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (owner, group, 0o640)
    assert not agent.volumes.create("vms", spec(permissions=permissions)).changed


@pytest.mark.parametrize(("volume_format", "image_format"), [("raw", "luks"), ("qcow2", "qcow2")])
def test_an_encrypted_volume_is_preallocated(
    agent: poolfleet.AgentClient, folder: Path, volume_format: str, image_format: str
) -> None:
    agent.secrets.set(SecretSpec("volume", "k"), "correct horse")
    secret = SecretRef(usage_type="volume", usage_id="k")
    asked = spec(volume_format=volume_format, encryption=VolumeEncryption(secret=secret))
    agent.volumes.create("vms", asked, preallocation="falloc")
    info = image_info(folder / "v")
    assert (info["format"], info["encrypted"]) == (image_format, True)
    assert taken_bytes(folder / "v") >= 4 * MIB
    agent.secrets.delete(secret, allow_in_use=True)


def test_what_is_preallocated_has_to_fit(agent: poolfleet.AgentClient, folder: Path) -> None:
    huge = VolumeSpec("v", capacity_bytes=1 << 45, format="qcow2")
    with pytest.raises(poolfleet.ResourceExhausted) as full:
        agent.volumes.create("vms", huge, preallocation="falloc")
    assert full.value.reason == "NO_SPACE"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("stated", "kind"),
    [
        ({}, "some"),
        ({"volume_format": "raw"}, "metadata"),
        ({"volume_format": "raw", "allocation_bytes": 0}, "full"),
        ({"backing_store": BackingStore(path="/base")}, "metadata"),
    ],
)
def test_a_preallocation_that_there_is_not_names_its_field(
    agent: poolfleet.AgentClient, folder: Path, stated: Any, kind: str
) -> None:
    with pytest.raises(poolfleet.InvalidArgument) as refused:
        agent.volumes.create("vms", spec(**stated), preallocation=kind)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("INVALID_FIELD", "preallocation")


async def test_a_preallocation_that_is_cancelled_ends_at_once_and_leaves_nothing(
    slow_host: tuple[EmbeddedHost, SlowQemuImg],
) -> None:
    host, slow = slow_host
    target = host.pools_dir / "vms"
    async with AsyncAgentClient(host.agent.target) as client:
        await client.pools.ensure(PoolSpec.dir("vms", target=str(target)))
        slow.hold("after")
        begun = await client.volumes.create("vms", spec(volume_format="raw"), preallocation="full", wait=False)
        assert begun.cancellable
        await asyncio.to_thread(slow.wait_standing)
        assert {path.name for path in target.iterdir()} == {f".poolfleet-new.{begun.id}", ".poolfleet-reserve.v"}
        await client.operations.cancel(begun.id)
        with pytest.raises(poolfleet.Cancelled):
            await client.operations.wait(begun.id, timeout_s=30)
        assert (await client.operations.get(begun.id)).state is OperationState.CANCELLED
        assert list(target.iterdir()) == []


@pytest.mark.parametrize("volume_format", FILE_FORMATS)
def test_every_format_that_libvirt_makes_is_made(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, folder: Path, volume_format: str
) -> None:
    asked = spec(volume_format=volume_format)
    made = agent.volumes.create("vms", asked).result
    assert isinstance(made, Volume)
    assert made.format == volume_format
    assert image_info(folder / "v")["format"] == volume_format
    shown = target_shown(module_host).find("format")
    assert shown is not None
    assert shown.get("type") == volume_format
    # As large as asked for, but for vpc, which has whole cylinders of some disk.
    size_bytes = image_info(folder / "v")["virtual-size"]
    assert 4 * MIB <= size_bytes <= 4 * MIB + (2 * MIB if volume_format == "vpc" else 0)
    assert not agent.volumes.create("vms", asked).changed
    other = VolumeSpec("v", capacity_bytes=16 * MIB, format=volume_format)
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.volumes.create("vms", other)
    assert exists.value.metadata["fields"] == "capacity_bytes"


@pytest.mark.parametrize("volume_format", sorted(BACKED_FORMATS))
def test_every_copy_on_write_format_lies_on_another_volume(
    agent: poolfleet.AgentClient, folder: Path, volume_format: str
) -> None:
    # vmdk lies on nothing but vmdk.
    below = "vmdk" if volume_format == "vmdk" else "raw"
    base = agent.volumes.create("vms", spec("base", below)).result
    assert isinstance(base, Volume)
    top = spec("top", volume_format, backing_store=BackingStore(path=base.path, format=below))
    made = agent.volumes.create("vms", top).result
    assert isinstance(made, Volume)
    assert made.backing_store is not None
    assert made.backing_store.path == base.path


def test_a_volume_of_no_stated_format_is_raw(agent: poolfleet.AgentClient, folder: Path) -> None:
    made = agent.volumes.create("vms", VolumeSpec("v", capacity_bytes=MIB)).result
    assert isinstance(made, Volume)
    assert made.format == "raw"
    agent.volumes.create("vms", spec("q"))
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.volumes.create("vms", VolumeSpec("q", capacity_bytes=4 * MIB))
    assert exists.value.metadata["fields"] == "format"


@pytest.mark.parametrize(
    "volume_format", ["iso", "cow", "bochs", "cloop", "dmg", "fat", "vhd", "ploop", "dir", "linux"]
)
def test_what_is_only_read_is_refused_before_the_attempt(
    agent: poolfleet.AgentClient, folder: Path, volume_format: str
) -> None:
    with pytest.raises(poolfleet.Unsupported) as refused:
        agent.volumes.create("vms", spec(volume_format=volume_format), validate_only=True)
    assert refused.value.reason == "NOT_SUPPORTED_HERE"
    assert "qcow2" in refused.value.message
