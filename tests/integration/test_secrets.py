"""Secrets on a real libvirtd: set, listed without their values, replaced, deleted, and guarded while they are used."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import (
    PoolSpec,
    Secret,
    SecretRef,
    SecretSpec,
    SecretWithValue,
    Volume,
    VolumeEncryption,
    VolumeSpec,
)
from poolfleet.aio import AgentClient as AsyncAgentClient
from poolfleet_agent.hypervisor import HypervisorSettings, Libvirt
from poolfleet_agent.model.errors import ModelError, Reason
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.raw_agent import eventually
from tests.slow_qemu_img import SlowQemuImg

POOL = """<pool type='iscsi'><name>far</name>
<source><host name='san.test'/><device path='iqn.2030-01.test:t'/>
<auth type='chap' username='u'><secret {secret}/></auth></source>
<target><path>/dev/disk/by-path</path></target></pool>"""


@pytest.fixture(scope="module")
def module_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost("secrets", short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


@pytest.fixture(scope="module")
def module_agent(module_host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(module_host.agent.target) as client:
        client.pools.ensure(PoolSpec.dir("vms", target=str(module_host.pools_dir / "vms")))
        yield client


@pytest.fixture
def agent(module_agent: poolfleet.AgentClient) -> Iterator[poolfleet.AgentClient]:
    yield module_agent
    for left in list(module_agent.secrets.list()):
        module_agent.secrets.delete(SecretRef(uuid=left.uuid), allow_in_use=True)


def virsh(host: EmbeddedHost, *words: str, document: str = "") -> str:
    command = ["virsh", "--quiet", "--connect", host.libvirtd.uri, *words]
    done = subprocess.run(command, input=document, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def value_of(host: EmbeddedHost, uuid: str) -> bytes:
    return base64.b64decode(virsh(host, "secret-get-value", uuid))


def secret_of(operation: poolfleet.Operation) -> Secret:
    assert isinstance(operation.result, Secret)
    return operation.result


@pytest.mark.parametrize("usage_type", ["volume", "ceph", "iscsi", "tls", "vtpm"])
def test_a_secret_of_each_usage_is_as_libvirt_shows_it(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, usage_type: str
) -> None:
    spec = SecretSpec(usage_type, "a & b", description="for <tests>")
    operation = agent.secrets.set(spec, b"\0 bytes \xff")
    made = secret_of(operation)
    assert (operation.changed, operation.secret, operation.pool) == (True, f"{usage_type}:a & b", "")
    assert (made.usage_type, made.usage_id, made.description) == (usage_type, "a & b", "for <tests>")
    assert (made.private, made.ephemeral) == (False, False)
    assert virsh(module_host, "secret-list").split(maxsplit=2) == [made.uuid, usage_type, "a & b"]
    assert value_of(module_host, made.uuid) == b"\0 bytes \xff"
    assert [listed.uuid for listed in agent.secrets.list()] == [made.uuid]
    agent.secrets.delete(SecretRef(usage_type=usage_type, usage_id="a & b"))
    assert virsh(module_host, "secret-list") == ""


def test_a_value_is_replaced_and_what_is_not_stated_stays(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost
) -> None:
    first = secret_of(agent.secrets.set(SecretSpec("ceph", "client.a", description="first", private=False), "one"))
    second = secret_of(agent.secrets.set(SecretSpec("ceph", "client.a"), "two"))
    assert second == first
    assert value_of(module_host, first.uuid) == b"two"
    third = secret_of(agent.secrets.set(SecretSpec("ceph", "client.a", description="third"), "three"))
    assert (third.uuid, third.description) == (first.uuid, "third")
    assert third.etag != first.etag
    assert value_of(module_host, first.uuid) == b"three"


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"private": True}, "private"),
        ({"ephemeral": True}, "ephemeral"),
        ({"uuid": "11111111-2222-3333-4444-555555555555"}, "uuid"),
    ],
)
def test_what_only_another_secret_could_be_is_refused(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, stated: dict[str, object], field: str
) -> None:
    made = secret_of(agent.secrets.set(SecretSpec("volume", "/a"), "kept"))
    with pytest.raises(poolfleet.AlreadyExists) as refused:
        agent.secrets.set(SecretSpec("volume", "/a", **stated), "lost")  # type: ignore[arg-type]
    assert (refused.value.reason, refused.value.metadata["fields"]) == ("SECRET_EXISTS", field)
    assert value_of(module_host, made.uuid) == b"kept"


def test_a_uuid_that_is_another_secrets_is_refused(agent: poolfleet.AgentClient) -> None:
    made = secret_of(agent.secrets.set(SecretSpec("volume", "/a"), "x"))
    with pytest.raises(poolfleet.AlreadyExists) as refused:
        agent.secrets.set(SecretSpec("volume", "/b", uuid=made.uuid), "x")
    assert refused.value.metadata["fields"] == "usage"
    assert len(list(agent.secrets.list())) == 1


def test_flags_and_uuid_are_as_asked(agent: poolfleet.AgentClient, module_host: EmbeddedHost) -> None:
    uuid = "11111111-2222-3333-4444-555555555555"
    made = secret_of(agent.secrets.set(SecretSpec("tls", "key", uuid=uuid, private=True, ephemeral=True), "x"))
    assert (made.uuid, made.private, made.ephemeral) == (uuid, True, True)
    assert "ephemeral='yes' private='yes'" in virsh(module_host, "secret-dumpxml", uuid)


def test_lists_are_paged_ordered_and_filtered(agent: poolfleet.AgentClient) -> None:
    for usage_type, usage_id in (("volume", "/b"), ("ceph", "z"), ("volume", "/a"), ("iscsi", "t")):
        agent.secrets.set(SecretSpec(usage_type, usage_id), "x")
    listed = [(secret.usage_type, secret.usage_id) for secret in agent.secrets.list(page_size=3)]
    assert listed == [("ceph", "z"), ("iscsi", "t"), ("volume", "/a"), ("volume", "/b")]
    assert [secret.usage_id for secret in agent.secrets.list(usage_types=["ceph", "iscsi"])] == ["z", "t"]


def test_the_absent_is_not_found_unless_it_may_be_missing(agent: poolfleet.AgentClient) -> None:
    for ref in (SecretRef(usage_type="ceph", usage_id="none"), SecretRef(uuid="11111111-2222-3333-4444-555555555555")):
        with pytest.raises(poolfleet.NotFound) as missing:
            agent.secrets.delete(ref)
        assert missing.value.reason == "SECRET_NOT_FOUND"
        assert not agent.secrets.delete(ref, allow_missing=True).changed


def test_an_etag_covers_the_secret(agent: poolfleet.AgentClient) -> None:
    ref, spec = SecretRef(usage_type="ceph", usage_id="a"), SecretSpec("ceph", "a")
    made = secret_of(agent.secrets.set(spec, "x"))
    agent.secrets.set(SecretSpec("ceph", "a", description="changed"), "y", etag=made.etag)
    with pytest.raises(poolfleet.Aborted) as mismatch:
        agent.secrets.set(spec, "z", etag=made.etag)
    assert mismatch.value.reason == "ETAG_MISMATCH"
    with pytest.raises(poolfleet.Aborted):
        agent.secrets.delete(ref, etag=made.etag)


def test_only_validated_nothing_changes(agent: poolfleet.AgentClient) -> None:
    assert agent.secrets.set(SecretSpec("ceph", "a"), "x", validate_only=True).changed
    assert list(agent.secrets.list()) == []
    agent.secrets.set(SecretSpec("ceph", "a"), "x")
    assert agent.secrets.delete(SecretRef(usage_type="ceph", usage_id="a"), validate_only=True).changed
    assert len(list(agent.secrets.list())) == 1


@pytest.mark.parametrize("named", ["uuid", "usage"])
def test_a_secret_that_a_pool_refers_to_is_not_deleted(agent: poolfleet.AgentClient, named: str) -> None:
    made = secret_of(agent.secrets.set(SecretSpec("iscsi", "chap"), "x"))
    other = secret_of(agent.secrets.set(SecretSpec("volume", "chap"), "x"))
    secret = f"uuid='{made.uuid}'" if named == "uuid" else "usage='chap'"
    agent.pools.define(PoolSpec.from_xml(POOL.format(secret=secret)))
    try:
        with pytest.raises(poolfleet.FailedPrecondition) as used:
            agent.secrets.delete(SecretRef(uuid=made.uuid))
        assert (used.value.reason, used.value.metadata["users"]) == ("SECRET_IN_USE", "pool far")
        assert agent.secrets.delete(SecretRef(uuid=other.uuid)).changed
        assert agent.secrets.delete(SecretRef(uuid=made.uuid), allow_in_use=True).changed
    finally:
        agent.pools.undefine("far")


def test_a_secret_that_a_guest_refers_to_is_not_deleted(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost
) -> None:
    made = secret_of(agent.secrets.set(SecretSpec("volume", "/srv/web.img"), "x"))
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/web.img'>"
        "<encryption format='luks'><secret type='passphrase' usage='/srv/web.img'/></encryption></source>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    virsh(
        module_host,
        "define",
        "/dev/stdin",
        document="<domain type='qemu'><name>web</name><memory>65536</memory>"
        f"<os><type arch='x86_64'>hvm</type></os><devices>{disk}</devices></domain>",
    )
    try:
        with pytest.raises(poolfleet.FailedPrecondition) as used:
            agent.secrets.delete(SecretRef(uuid=made.uuid))
        assert used.value.metadata["users"] == "domain web"
    finally:
        virsh(module_host, "undefine", "web")
    assert agent.secrets.delete(SecretRef(uuid=made.uuid)).changed


MIB = 1 << 20


def image_info(host: EmbeddedHost, name: str) -> dict[str, object]:
    done = subprocess.run(
        ["qemu-img", "info", "--output=json", str(host.pools_dir / "vms" / name)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout)
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
def no_volumes(agent: poolfleet.AgentClient, module_host: EmbeddedHost) -> Iterator[None]:
    yield
    for left in (module_host.pools_dir / "vms").iterdir():
        left.unlink()
    agent.pools.refresh("vms")


@pytest.mark.parametrize(
    ("volume_format", "private", "named"), [("raw", True, "uuid"), ("raw", False, "usage"), ("qcow2", False, "uuid")]
)
def test_a_volume_is_encrypted_with_a_secret_set_through_the_agent(
    agent: poolfleet.AgentClient,
    module_host: EmbeddedHost,
    no_volumes: None,
    volume_format: str,
    private: bool,
    named: str,
) -> None:
    path = str(module_host.pools_dir / "vms/v")
    made = secret_of(agent.secrets.set(SecretSpec("volume", path, private=private), "correct horse"))
    by_uuid = SecretRef(uuid=made.uuid)
    spec = encrypted(volume_format, by_uuid if named == "uuid" else SecretRef(usage_type="volume", usage_id=path))
    volume = agent.volumes.create("vms", spec).result
    assert isinstance(volume, Volume)
    assert (volume.format, volume.encryption, volume.capacity_bytes) == (volume_format, "luks", 4 * MIB)
    info = image_info(module_host, "v")
    assert info["format"] == ("luks" if volume_format == "raw" else "qcow2")
    assert info["encrypted"]
    assert opens_with(module_host, "v", "correct horse")
    assert not opens_with(module_host, "v", "battery staple")
    assert not agent.volumes.create("vms", spec).changed
    agent.pools.refresh("vms")
    # libvirt finds the secret again by the path, and so it stays known who uses it.
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        agent.secrets.delete(by_uuid)
    assert (used.value.reason, used.value.metadata["users"]) == ("SECRET_IN_USE", "volume vms/v")
    agent.volumes.delete("vms", "v")
    assert agent.secrets.delete(by_uuid).changed


def test_an_unencrypted_volume_of_that_name_differs(agent: poolfleet.AgentClient, no_volumes: None) -> None:
    agent.secrets.set(SecretSpec("volume", "k"), "x")
    agent.volumes.create("vms", VolumeSpec("v", capacity_bytes=4 * MIB, format="qcow2"))
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.volumes.create("vms", encrypted("qcow2", SecretRef(usage_type="volume", usage_id="k")))
    assert exists.value.metadata["fields"] == "encryption.format"


def test_a_secret_that_cannot_be_a_passphrase_is_refused(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, no_volumes: None
) -> None:
    with pytest.raises(poolfleet.NotFound) as missing:
        agent.volumes.create("vms", encrypted("raw", SecretRef(usage_type="volume", usage_id="none")))
    assert missing.value.reason == "SECRET_NOT_FOUND"
    ceph = secret_of(agent.secrets.set(SecretSpec("ceph", "k"), "x"))
    with pytest.raises(poolfleet.FailedPrecondition) as other_usage:
        agent.volumes.create("vms", encrypted("raw", SecretRef(uuid=ceph.uuid)))
    assert other_usage.value.reason == "SECRET_NOT_USABLE"
    binary = secret_of(agent.secrets.set(SecretSpec("volume", "k"), b"\xff\xfe"))
    for volume_format in ("raw", "qcow2"):
        with pytest.raises(poolfleet.FailedPrecondition) as no_text:
            agent.volumes.create("vms", encrypted(volume_format, SecretRef(uuid=binary.uuid)))
        assert no_text.value.reason == "SECRET_NOT_USABLE"
    virsh(
        module_host,
        "secret-define",
        "/dev/stdin",
        document="<secret><usage type='volume'><volume>e</volume></usage></secret>",
    )
    with pytest.raises(poolfleet.FailedPrecondition) as empty:
        agent.volumes.create("vms", encrypted("raw", SecretRef(usage_type="volume", usage_id="e")))
    assert empty.value.reason == "SECRET_NOT_USABLE"
    assert list((module_host.pools_dir / "vms").iterdir()) == []


def test_what_libvirt_no_longer_encrypts_is_not_supported(agent: poolfleet.AgentClient, no_volumes: None) -> None:
    made = secret_of(agent.secrets.set(SecretSpec("volume", "k"), "x"))
    encryption = VolumeEncryption(secret=SecretRef(uuid=made.uuid), format="default")
    with pytest.raises(poolfleet.Unsupported):
        agent.volumes.create("vms", VolumeSpec("v", capacity_bytes=MIB, format="qcow2", encryption=encryption))


@pytest.fixture
def storage_host(host_folder: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    """A host whose agent speaks to libvirt's storage driver, which knows no secrets."""
    new = EmbeddedHost("h", host_folder)
    uri = new.libvirtd.uri.replace("qemu:", "storage:", 1)
    new = EmbeddedHost("h", host_folder, settings={"libvirt": {"storage_uri": uri}})
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


def test_beside_the_storage_driver_the_secret_driver_is_asked(storage_host: EmbeddedHost) -> None:
    with poolfleet.AgentClient(storage_host.agent.target) as client:
        made = secret_of(client.secrets.set(SecretSpec("ceph", "a", private=False), "x"))
        assert value_of(storage_host, made.uuid) == b"x"
        assert [secret.uuid for secret in client.secrets.list()] == [made.uuid]
        client.secrets.delete(SecretRef(uuid=made.uuid))
        client.pools.ensure(PoolSpec.dir("vms", target=str(storage_host.pools_dir / "vms")))
        client.secrets.set(SecretSpec("volume", "k"), "x")
        assert client.volumes.create("vms", encrypted("qcow2", SecretRef(usage_type="volume", usage_id="k"))).changed


@pytest.mark.parametrize("uri", ["test:///default", "storage:///system?socket=/nowhere"])
async def test_without_a_driver_for_secrets_it_is_told_what_to_install(
    uri: str, libvirtd: EmbeddedLibvirtd, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The storage's own connection is there, and its daemon has no secrets.
    connected = "test:///default" if uri.startswith("test") else libvirtd.uri.replace("qemu:", "storage:", 1)
    libvirt = Libvirt(HypervisorSettings(storage_uri=connected, domain_uris=(), call_timeout_s=10.0))
    monkeypatch.setattr(libvirt.secrets, "_storage_uri", lambda: uri)
    await libvirt.start()
    try:
        async with asyncio.timeout(30):
            while not libvirt.facts().connected:
                await asyncio.sleep(0.01)
        with pytest.raises(ModelError) as refused:
            await libvirt.secrets.list()
        assert refused.value.reason is Reason.NOT_SUPPORTED_HERE
        assert "virtsecretd" in refused.value.message
    finally:
        await libvirt.close()


def test_an_agent_that_observes_lists_secrets_and_sets_none(host_folder: Path, libvirtd: EmbeddedLibvirtd) -> None:
    observing = EmbeddedHost("h", host_folder, settings={"mode": "observe"})
    observing.libvirtd.learn_emulators_from(libvirtd)
    with observing, poolfleet.AgentClient(observing.agent.target) as client:
        assert list(client.secrets.list()) == []
        with pytest.raises(poolfleet.FailedPrecondition) as refused:
            client.secrets.set(SecretSpec("ceph", "a"), "x")
        assert refused.value.reason == "OBSERVE_ONLY"
        assert virsh(observing, "secret-list") == ""


def test_a_pool_is_ensured_with_its_secret(agent: poolfleet.AgentClient, module_host: EmbeddedHost) -> None:
    spec = PoolSpec.from_xml(POOL.format(secret="usage='chap'"))
    secret = SecretWithValue(SecretSpec("iscsi", "chap"), "hunter2")
    try:
        made = agent.pools.ensure(spec, start=False, autostart=False, secret=secret)
        assert made.changes == ("secret", "defined")
        [known] = agent.secrets.list()
        assert value_of(module_host, known.uuid) == b"hunter2"
        other = SecretWithValue(secret.spec, "correct horse")
        assert agent.pools.ensure(spec, start=False, autostart=False, secret=other).changes == ()
        assert value_of(module_host, known.uuid) == b"correct horse"
    finally:
        agent.pools.undefine("far")


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
