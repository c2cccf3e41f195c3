"""A volume that anything on the host uses is never deleted nor wiped, by whatever way it is referred to."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import poolfleet
from poolfleet import PoolSpec, VolumeSpec
from scripts.embedded.host import EmbeddedHost
from tests.virsh import virsh

GIB = 1 << 30


@pytest.fixture
def folder(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> Iterator[Path]:
    path = module_host.pools_dir / "vms"
    agent.pools.ensure(PoolSpec.dir("vms", target=str(path)))
    yield path
    for guest in virsh(module_host, "list", "--all", "--name").split():
        virsh(module_host, "undefine", guest)
    for file in path.iterdir():
        file.unlink()
    agent.pools.ensure(PoolSpec.dir("vms", target=str(path)))
    agent.pools.refresh("vms")


def define_guest(host: EmbeddedHost, name: str, path: Path | str, *, disk_format: str = "qcow2") -> None:
    disk = (
        f"<disk type='file'><driver name='qemu' type='{disk_format}'/><source file='{path}'/><target dev='vda'/></disk>"
    )
    xml = (
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory>"
        f"<os><type arch='x86_64'>hvm</type></os><devices>{disk}</devices></domain>"
    )
    virsh(host, "define", "/dev/stdin", document=xml)


def overlay(path: Path, backing: Path | str) -> Path:
    """A qcow2 that lies on another, made behind libvirt's back."""
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(path)],
        check=True,
        timeout=60,
    )
    return path


def create(agent: poolfleet.AgentClient, name: str) -> None:
    agent.volumes.create("vms", VolumeSpec(name=name, capacity_bytes=GIB, format="qcow2"))


def assert_kept(agent: poolfleet.AgentClient, pool: str, volume: str, file: Path) -> None:
    before = file.read_bytes()
    for destroy in (agent.volumes.delete, agent.volumes.wipe):
        with pytest.raises(poolfleet.FailedPrecondition) as used:
            destroy(pool, volume)
        assert used.value.reason == "VOLUME_IN_USE"
    assert file.read_bytes() == before


def test_what_a_guest_uses_through_a_symbolic_link_that_is_a_volume_too(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "data")
    (folder / "link").symlink_to(folder / "data")
    agent.pools.refresh("vms")
    define_guest(module_host, "g", folder / "link")
    assert_kept(agent, "vms", "data", folder / "data")


@pytest.mark.parametrize("place", ["elsewhere", "vms"])
def test_what_an_overlay_that_libvirt_never_saw_lies_on(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path, place: Any
) -> None:
    create(agent, "base")
    top = overlay((folder if place == "vms" else module_host.root) / "top", folder / "base")
    define_guest(module_host, "g", overlay(module_host.root / "upper", top))
    assert_kept(agent, "vms", "base", folder / "base")
    (module_host.root / "upper").unlink()
    top.unlink()


def test_what_a_disk_in_a_stopped_pool_lies_on(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "base")
    other = module_host.pools_dir / "stopped"
    agent.pools.ensure(PoolSpec.dir("stopped", target=str(other)))
    define_guest(module_host, "g", overlay(other / "top", folder / "base"))
    agent.pools.stop("stopped")
    assert_kept(agent, "vms", "base", folder / "base")
    (other / "top").unlink()
    agent.pools.undefine("stopped")


def test_what_another_volume_lies_on_by_a_path_that_is_not_clean(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "base")
    overlay(folder / "top", "../vms/base")
    agent.pools.refresh("vms")
    assert_kept(agent, "vms", "base", folder / "base")


@pytest.mark.parametrize("place", ["vms", "other"])
def test_what_was_just_laid_on_it_and_nobody_has_looked_since(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path, place: Any
) -> None:
    other = module_host.pools_dir / "other"
    agent.pools.ensure(PoolSpec.dir("other", target=str(other)))
    create(agent, "base")
    top = overlay({"vms": folder, "other": other}[place] / "top", folder / "base")
    assert_kept(agent, "vms", "base", folder / "base")
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        agent.volumes.resize("vms", "base", GIB // 2, allow_shrink=True)
    assert (used.value.reason, used.value.metadata["users"]) == ("VOLUME_IN_USE", f"volume {place}/top (backing)")
    top.unlink()
    agent.volumes.delete("vms", "base")
    assert not (folder / "base").exists()


def test_what_came_to_lie_on_it_by_a_rebase_or_under_a_name_that_is_not_utf8(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "base")
    create(agent, "top")
    agent.pools.refresh("vms")
    rebase = ["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", "base", str(folder / "top")]
    subprocess.run(rebase, check=True, timeout=60)
    assert_kept(agent, "vms", "base", folder / "base")
    os.rename(folder / "top", os.path.join(os.fsencode(folder), b"caf\xe9"))
    assert_kept(agent, "vms", "base", folder / "base")


def test_what_another_pool_has_of_the_same_folder(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "v")
    alias = module_host.pools_dir / "alias"
    alias.symlink_to(folder)
    virsh(module_host, "pool-define-as", "second", "dir", "--target", str(alias))
    agent.pools.start("second")
    define_guest(module_host, "g", folder / "v")
    assert_kept(agent, "second", "v", folder / "v")
    assert {disk.pool for disk in agent.inventory.disks(max_staleness_s=0).disks} == {"vms", "second"}
    virsh(module_host, "undefine", "g")
    agent.pools.stop("second")
    agent.pools.undefine("second")
    alias.unlink()


def test_a_second_pool_of_the_same_folder_is_refused_under_another_name_of_it_too(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    alias = module_host.pools_dir / "alias"
    alias.symlink_to(folder)
    with pytest.raises(poolfleet.FailedPrecondition) as refused:
        agent.pools.define(PoolSpec.dir("second", target=str(alias)))
    assert refused.value.reason == "TARGET_IN_USE"
    alias.unlink()


def test_a_stopped_pool_that_guests_use_is_not_erased_and_forgotten_with_a_warning(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "v")
    define_guest(module_host, "g", folder / "v")
    agent.pools.stop("vms")
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        agent.pools.erase("vms")
    assert used.value.reason == "POOL_IN_USE"
    assert any("g" in warning for warning in agent.pools.undefine("vms").warnings)


def test_a_link_to_a_file_whose_name_is_not_utf8_is_told_and_hides_no_other_disk(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "data")
    elsewhere = module_host.root / "elsewhere"
    elsewhere.mkdir()
    odd = os.path.join(os.fsencode(elsewhere), b"caf\xe9")
    os.close(os.open(odd, os.O_CREAT | os.O_WRONLY))
    os.symlink(odd, os.fsencode(elsewhere / "link"))
    define_guest(module_host, "g", elsewhere / "link", disk_format="raw")
    define_guest(module_host, "h", folder / "data")
    told = agent.inventory.disks(max_staleness_s=0)
    assert {(disk.domain, disk.path.rpartition("/")[2]) for disk in told.disks} == {
        ("g", "link"),
        ("g", r"caf\udce9"),
        ("h", "data"),
    }
    assert any(batch.domains for batch in itertools.islice(agent.inventory.watch(), 3))
