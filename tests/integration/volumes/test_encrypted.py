"""Volumes encrypted on a real libvirtd, with secrets that were set through the agent."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

import poolfleet
from poolfleet import PoolSpec, SecretRef, SecretSpec, Volume, VolumeEncryption, VolumeSpec
from poolfleet.aio import AgentClient as AsyncAgentClient
from scripts.embedded.host import EmbeddedHost
from tests.raw_agent import eventually
from tests.secrets_by_virsh import secret_of
from tests.slow_qemu_img import SlowQemuImg
from tests.virsh import virsh

MIB = 1 << 20


def image_info(host: EmbeddedHost, name: str) -> dict[str, Any]:
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", str(host.pools_dir / "vms" / name)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def opens_with(host: EmbeddedHost, name: str, passphrase: str) -> bool:
    driver = "luks" if image_info(host, name)["format"] == "luks" else "qcow2"
    key = "key-secret=k" if driver == "luks" else "encrypt.key-secret=k"
    done = subprocess.run(
        ["qemu-img", "measure", "-O", "raw", "--object", "secret,id=k,file=/dev/stdin", "--image-opts",
         f"driver={driver},{key},file.filename={host.pools_dir / 'vms' / name}"],
        input=passphrase, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.returncode == 0


def encrypted(volume_format: str, secret: SecretRef, name: str = "v", capacity_bytes: int = 4 * MIB) -> VolumeSpec:
    encryption = VolumeEncryption(secret=secret)
    return VolumeSpec(name, capacity_bytes=capacity_bytes, format=volume_format, encryption=encryption)


@pytest.fixture
def no_volumes(keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost) -> Iterator[None]:
    yield
    for left in (keeping_host.pools_dir / "vms").iterdir():
        left.unlink()
    keeper.pools.refresh("vms")


@pytest.mark.parametrize(
    ("volume_format", "private", "named"), [("raw", True, "uuid"), ("raw", False, "usage"), ("qcow2", False, "uuid")]
)
def test_a_volume_is_encrypted_with_a_secret_set_through_the_agent(
    keeper: poolfleet.AgentClient,
    keeping_host: EmbeddedHost,
    no_volumes: None,
    volume_format: str,
    private: bool,
    named: str,
) -> None:
    path = str(keeping_host.pools_dir / "vms/v")
    made = secret_of(keeper.secrets.set(SecretSpec("volume", path, private=private), "correct horse"))
    by_uuid = SecretRef(uuid=made.uuid)
    spec = encrypted(volume_format, by_uuid if named == "uuid" else SecretRef(usage_type="volume", usage_id=path))
    volume = keeper.volumes.create("vms", spec).result
    assert isinstance(volume, Volume)
    assert (volume.format, volume.encryption, volume.capacity_bytes) == (volume_format, "luks", 4 * MIB)
    info = image_info(keeping_host, "v")
    assert info["format"] == ("luks" if volume_format == "raw" else "qcow2")
    assert info["encrypted"]
    assert opens_with(keeping_host, "v", "correct horse")
    assert not opens_with(keeping_host, "v", "battery staple")
    assert not keeper.volumes.create("vms", spec).changed
    keeper.pools.refresh("vms")
    within = info["format-specific"]["data"]
    luks = within if volume_format == "raw" else within["encrypt"]
    assert keeper.volumes.get("vms", "v").content_id == f"luks:{luks['uuid']}"
    # libvirt finds the secret again by the path, and so it stays known who uses it.
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        keeper.secrets.delete(by_uuid)
    assert (used.value.reason, used.value.metadata["users"]) == ("SECRET_IN_USE", "volume vms/v")
    keeper.volumes.delete("vms", "v")
    assert keeper.secrets.delete(by_uuid).changed


def test_an_unencrypted_volume_of_that_name_differs(keeper: poolfleet.AgentClient, no_volumes: None) -> None:
    keeper.secrets.set(SecretSpec("volume", "k"), "x")
    keeper.volumes.create("vms", VolumeSpec("v", capacity_bytes=4 * MIB, format="qcow2"))
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        keeper.volumes.create("vms", encrypted("qcow2", SecretRef(usage_type="volume", usage_id="k")))
    assert exists.value.metadata["fields"] == "encryption.format"


def test_a_secret_that_cannot_be_a_passphrase_is_refused(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost, no_volumes: None
) -> None:
    with pytest.raises(poolfleet.NotFound) as missing:
        keeper.volumes.create("vms", encrypted("raw", SecretRef(usage_type="volume", usage_id="none")))
    assert missing.value.reason == "SECRET_NOT_FOUND"
    ceph = secret_of(keeper.secrets.set(SecretSpec("ceph", "k"), "x"))
    with pytest.raises(poolfleet.FailedPrecondition) as other_usage:
        keeper.volumes.create("vms", encrypted("raw", SecretRef(uuid=ceph.uuid)))
    assert other_usage.value.reason == "SECRET_NOT_USABLE"
    binary = secret_of(keeper.secrets.set(SecretSpec("volume", "k"), b"\xff\xfe"))
    for volume_format in ("raw", "qcow2"):
        with pytest.raises(poolfleet.FailedPrecondition) as no_text:
            keeper.volumes.create("vms", encrypted(volume_format, SecretRef(uuid=binary.uuid)))
        assert no_text.value.reason == "SECRET_NOT_USABLE"
    virsh(
        keeping_host,
        "secret-define",
        "/dev/stdin",
        document="<secret><usage type='volume'><volume>e</volume></usage></secret>",
    )
    with pytest.raises(poolfleet.FailedPrecondition) as empty:
        keeper.volumes.create("vms", encrypted("raw", SecretRef(usage_type="volume", usage_id="e")))
    assert empty.value.reason == "SECRET_NOT_USABLE"
    assert list((keeping_host.pools_dir / "vms").iterdir()) == []


def test_what_libvirt_no_longer_encrypts_is_not_supported(keeper: poolfleet.AgentClient, no_volumes: None) -> None:
    made = secret_of(keeper.secrets.set(SecretSpec("volume", "k"), "x"))
    encryption = VolumeEncryption(secret=SecretRef(uuid=made.uuid), format="default")
    with pytest.raises(poolfleet.Unsupported):
        keeper.volumes.create("vms", VolumeSpec("v", capacity_bytes=MIB, format="qcow2", encryption=encryption))


async def test_what_an_agent_that_was_killed_had_encrypted_is_removed(
    slow_host: tuple[EmbeddedHost, SlowQemuImg],
) -> None:
    host, slow = slow_host
    folder = host.pools_dir / "vms"
    async with AsyncAgentClient(host.agent.target) as client:
        await client.pools.ensure(PoolSpec.dir("vms", target=str(folder)))
        await client.secrets.set(SecretSpec("volume", "k"), "x")
        slow.hold("after")
        spec = encrypted("raw", SecretRef(usage_type="volume", usage_id="k"))
        await client.volumes.create("vms", spec, wait=False)
        await asyncio.to_thread(slow.wait_standing)
        await asyncio.to_thread(host.agent.kill9)
        slow.let_go()
        await asyncio.to_thread(host.agent.start)

        async def nothing_is_left() -> bool:
            return not list(folder.iterdir())

        await eventually(nothing_is_left, limit_s=60, what="what was left is removed")


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_an_encrypted_volume_grows_and_is_wiped(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost, no_volumes: None, volume_format: str
) -> None:
    path = keeping_host.pools_dir / "vms/v"
    keeper.secrets.set(SecretSpec("volume", str(path)), "correct horse")
    keeper.volumes.create("vms", encrypted(volume_format, SecretRef(usage_type="volume", usage_id=str(path))))
    # libvirt looks at it anew, and finds the secret again by the path.
    keeper.pools.refresh("vms")
    grown = keeper.volumes.resize("vms", "v", 8 * MIB).result
    assert isinstance(grown, Volume)
    assert (grown.capacity_bytes, grown.encryption) == (8 * MIB, "luks")
    assert opens_with(keeping_host, "v", "correct horse")
    length = path.stat().st_size
    keeper.volumes.wipe("vms", "v")
    assert path.read_bytes() == bytes(length)
    wiped = keeper.volumes.get("vms", "v", max_staleness_s=0)
    assert (wiped.format, wiped.encryption) == ("raw", "")


def test_what_libvirt_has_no_secret_for_it_cannot_resize(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost, no_volumes: None
) -> None:
    keeper.secrets.set(SecretSpec("volume", "k"), "correct horse")
    keeper.volumes.create("vms", encrypted("qcow2", SecretRef(usage_type="volume", usage_id="k")))
    keeper.pools.refresh("vms")
    with pytest.raises(poolfleet.PoolfleetError) as refused:
        keeper.volumes.resize("vms", "v", 8 * MIB)
    assert refused.value.reason == "SECRET_NOT_USABLE"
