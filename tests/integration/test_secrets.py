"""Secrets on a real libvirtd: set, listed without their values, replaced, deleted, and guarded while they are used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import (
    PoolSpec,
    SecretRef,
    SecretSpec,
    SecretWithValue,
)
from poolfleet_agent.hypervisor import HypervisorSettings, Libvirt
from poolfleet_agent.model.errors import ModelError, Reason
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.secrets_by_virsh import secret_of, value_of
from tests.virsh import virsh

POOL = """<pool type='iscsi'><name>far</name>
<source><host name='san.test'/><device path='iqn.2030-01.test:t'/>
<auth type='chap' username='u'><secret {secret}/></auth></source>
<target><path>/dev/disk/by-path</path></target></pool>"""


@pytest.mark.parametrize("usage_type", ["volume", "ceph", "iscsi", "tls", "vtpm"])
def test_a_secret_of_each_usage_is_as_libvirt_shows_it(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost, usage_type: str
) -> None:
    spec = SecretSpec(usage_type, "a & b", description="for <tests>")
    operation = keeper.secrets.set(spec, b"\0 bytes \xff")
    made = secret_of(operation)
    assert (operation.changed, operation.secret, operation.pool) == (True, f"{usage_type}:a & b", "")
    assert (made.usage_type, made.usage_id, made.description) == (usage_type, "a & b", "for <tests>")
    assert (made.private, made.ephemeral) == (False, False)
    assert virsh(keeping_host, "secret-list").split(maxsplit=2) == [made.uuid, usage_type, "a & b"]
    assert value_of(keeping_host, made.uuid) == b"\0 bytes \xff"
    assert [listed.uuid for listed in keeper.secrets.list()] == [made.uuid]
    keeper.secrets.delete(SecretRef(usage_type=usage_type, usage_id="a & b"))
    assert virsh(keeping_host, "secret-list") == ""


def test_a_value_is_replaced_and_what_is_not_stated_stays(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost
) -> None:
    first = secret_of(keeper.secrets.set(SecretSpec("ceph", "client.a", description="first", private=False), "one"))
    second = secret_of(keeper.secrets.set(SecretSpec("ceph", "client.a"), "two"))
    assert second == first
    assert value_of(keeping_host, first.uuid) == b"two"
    third = secret_of(keeper.secrets.set(SecretSpec("ceph", "client.a", description="third"), "three"))
    assert (third.uuid, third.description) == (first.uuid, "third")
    assert third.etag != first.etag
    assert value_of(keeping_host, first.uuid) == b"three"


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        ({"private": True}, "private"),
        ({"ephemeral": True}, "ephemeral"),
        ({"uuid": "11111111-2222-3333-4444-555555555555"}, "uuid"),
    ],
)
def test_what_only_another_secret_could_be_is_refused(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost, stated: dict[str, object], field: str
) -> None:
    made = secret_of(keeper.secrets.set(SecretSpec("volume", "/a"), "kept"))
    with pytest.raises(poolfleet.AlreadyExists) as refused:
        keeper.secrets.set(SecretSpec("volume", "/a", **stated), "lost")  # type: ignore[arg-type]
    assert (refused.value.reason, refused.value.metadata["fields"]) == ("SECRET_EXISTS", field)
    assert value_of(keeping_host, made.uuid) == b"kept"


def test_a_uuid_that_is_another_secrets_is_refused(keeper: poolfleet.AgentClient) -> None:
    made = secret_of(keeper.secrets.set(SecretSpec("volume", "/a"), "x"))
    with pytest.raises(poolfleet.AlreadyExists) as refused:
        keeper.secrets.set(SecretSpec("volume", "/b", uuid=made.uuid), "x")
    assert refused.value.metadata["fields"] == "usage"
    assert len(list(keeper.secrets.list())) == 1


def test_flags_and_uuid_are_as_asked(keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost) -> None:
    uuid = "11111111-2222-3333-4444-555555555555"
    made = secret_of(keeper.secrets.set(SecretSpec("tls", "key", uuid=uuid, private=True, ephemeral=True), "x"))
    assert (made.uuid, made.private, made.ephemeral) == (uuid, True, True)
    assert "ephemeral='yes' private='yes'" in virsh(keeping_host, "secret-dumpxml", uuid)


def test_lists_are_paged_ordered_and_filtered(keeper: poolfleet.AgentClient) -> None:
    for usage_type, usage_id in (("volume", "/b"), ("ceph", "z"), ("volume", "/a"), ("iscsi", "t")):
        keeper.secrets.set(SecretSpec(usage_type, usage_id), "x")
    listed = [(secret.usage_type, secret.usage_id) for secret in keeper.secrets.list(page_size=3)]
    assert listed == [("ceph", "z"), ("iscsi", "t"), ("volume", "/a"), ("volume", "/b")]
    assert [secret.usage_id for secret in keeper.secrets.list(usage_types=["ceph", "iscsi"])] == ["z", "t"]


def test_the_absent_is_not_found_unless_it_may_be_missing(keeper: poolfleet.AgentClient) -> None:
    for ref in (SecretRef(usage_type="ceph", usage_id="none"), SecretRef(uuid="11111111-2222-3333-4444-555555555555")):
        with pytest.raises(poolfleet.NotFound) as missing:
            keeper.secrets.delete(ref)
        assert missing.value.reason == "SECRET_NOT_FOUND"
        assert not keeper.secrets.delete(ref, allow_missing=True).changed


def test_an_etag_covers_the_secret(keeper: poolfleet.AgentClient) -> None:
    ref, spec = SecretRef(usage_type="ceph", usage_id="a"), SecretSpec("ceph", "a")
    made = secret_of(keeper.secrets.set(spec, "x"))
    keeper.secrets.set(SecretSpec("ceph", "a", description="changed"), "y", etag=made.etag)
    with pytest.raises(poolfleet.Aborted) as mismatch:
        keeper.secrets.set(spec, "z", etag=made.etag)
    assert mismatch.value.reason == "ETAG_MISMATCH"
    with pytest.raises(poolfleet.Aborted):
        keeper.secrets.delete(ref, etag=made.etag)


def test_only_validated_nothing_changes(keeper: poolfleet.AgentClient) -> None:
    assert keeper.secrets.set(SecretSpec("ceph", "a"), "x", validate_only=True).changed
    assert list(keeper.secrets.list()) == []
    keeper.secrets.set(SecretSpec("ceph", "a"), "x")
    assert keeper.secrets.delete(SecretRef(usage_type="ceph", usage_id="a"), validate_only=True).changed
    assert len(list(keeper.secrets.list())) == 1


@pytest.mark.parametrize("named", ["uuid", "usage"])
def test_a_secret_that_a_pool_refers_to_is_not_deleted(keeper: poolfleet.AgentClient, named: str) -> None:
    made = secret_of(keeper.secrets.set(SecretSpec("iscsi", "chap"), "x"))
    other = secret_of(keeper.secrets.set(SecretSpec("volume", "chap"), "x"))
    secret = f"uuid='{made.uuid}'" if named == "uuid" else "usage='chap'"
    keeper.pools.define(PoolSpec.from_xml(POOL.format(secret=secret)))
    try:
        with pytest.raises(poolfleet.FailedPrecondition) as used:
            keeper.secrets.delete(SecretRef(uuid=made.uuid))
        assert (used.value.reason, used.value.metadata["users"]) == ("SECRET_IN_USE", "pool far")
        assert keeper.secrets.delete(SecretRef(uuid=other.uuid)).changed
        assert keeper.secrets.delete(SecretRef(uuid=made.uuid), allow_in_use=True).changed
    finally:
        keeper.pools.undefine("far")


@pytest.mark.parametrize("named", ["uuid='11111111-2222-3333-4444-555555555555'", "usage='chap'"])
def test_a_pool_whose_secret_is_not_there_is_defined_and_not_started(keeper: poolfleet.AgentClient, named: str) -> None:
    spec = PoolSpec.from_xml(POOL.format(secret=named))
    # Of another usage it is another secret.
    keeper.secrets.set(SecretSpec("ceph", "chap"), "x")
    with pytest.raises(poolfleet.FailedPrecondition) as refused:
        keeper.pools.define(spec, transient=True)
    assert refused.value.reason == "SECRET_NOT_USABLE"
    keeper.pools.define(spec)
    try:
        with pytest.raises(poolfleet.FailedPrecondition) as refused:
            keeper.pools.start("far")
        assert refused.value.reason == "SECRET_NOT_USABLE"
        assert ("11111111" if "uuid" in named else "iscsi:chap") in refused.value.metadata["secret"]
        uuid = "11111111-2222-3333-4444-555555555555" if "uuid" in named else ""
        keeper.secrets.set(SecretSpec("iscsi", "chap", uuid=uuid), "hunter2")
        # No server is there; that is what is told now.
        with pytest.raises(poolfleet.PoolfleetError) as failed:
            keeper.pools.start("far")
        assert "SECRET" not in failed.value.reason
    finally:
        keeper.pools.undefine("far")


def test_a_secret_that_a_guest_refers_to_is_not_deleted(
    keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost
) -> None:
    made = secret_of(keeper.secrets.set(SecretSpec("volume", "/srv/web.img"), "x"))
    disk = (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/web.img'>"
        "<encryption format='luks'><secret type='passphrase' usage='/srv/web.img'/></encryption></source>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    virsh(
        keeping_host,
        "define",
        "/dev/stdin",
        document="<domain type='qemu'><name>web</name><memory>65536</memory>"
        f"<os><type arch='x86_64'>hvm</type></os><devices>{disk}</devices></domain>",
    )
    try:
        with pytest.raises(poolfleet.FailedPrecondition) as used:
            keeper.secrets.delete(SecretRef(uuid=made.uuid))
        assert used.value.metadata["users"] == "domain web"
    finally:
        virsh(keeping_host, "undefine", "web")
    assert keeper.secrets.delete(SecretRef(uuid=made.uuid)).changed


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


def test_a_pool_is_ensured_with_its_secret(keeper: poolfleet.AgentClient, keeping_host: EmbeddedHost) -> None:
    spec = PoolSpec.from_xml(POOL.format(secret="usage='chap'"))
    secret = SecretWithValue(SecretSpec("iscsi", "chap"), "hunter2")
    try:
        made = keeper.pools.ensure(spec, start=False, autostart=False, secret=secret)
        assert made.changes == ("secret", "defined")
        [known] = keeper.secrets.list()
        assert value_of(keeping_host, known.uuid) == b"hunter2"
        other = SecretWithValue(secret.spec, "correct horse")
        assert keeper.pools.ensure(spec, start=False, autostart=False, secret=other).changes == ()
        assert value_of(keeping_host, known.uuid) == b"correct horse"
    finally:
        keeper.pools.undefine("far")
