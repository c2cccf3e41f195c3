"""What may be asked of a volume's file beyond its size, on a real libvirtd: virsh and qemu-img show what was made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import poolfleet
from poolfleet import PoolSpec, Volume, VolumeSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd

MIB = 1 << 20


@pytest.fixture(scope="module")
def module_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost("options", short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


@pytest.fixture(scope="module")
def agent(module_host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(module_host.agent.target) as client:
        client.pools.ensure(PoolSpec.dir("vms", target=str(module_host.pools_dir / "vms")))
        yield client


@pytest.fixture
def folder(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> Iterator[Path]:
    path = module_host.pools_dir / "vms"
    yield path
    for file in path.iterdir():
        file.unlink()
    agent.pools.refresh("vms")


def spec(name: str = "v", volume_format: str = "qcow2", **stated: Any) -> VolumeSpec:
    return VolumeSpec(name, capacity_bytes=4 * MIB, format=volume_format, **stated)


def virsh(host: EmbeddedHost, *words: str) -> str:
    command = ["virsh", "--connect", host.libvirtd.uri, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


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
