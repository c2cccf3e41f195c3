"""Whether what is asked for is what there is: only what the request states counts, as libvirt would write it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.compare import (
    clean_path,
    pending_fields,
    pool_differences,
    volume_differences,
)
from poolfleet_agent.model.pool import Permissions, PoolDefinition
from poolfleet_agent.model.pool_source import (
    DirSource,
    DiskSource,
    FcHostAdapter,
    LogicalSource,
    NetfsSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceAuth,
    SourceHost,
)
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption, VolumeFacts
from tests.pool_definitions import definitions
from tests.unit.agent.fake_host import volume_facts

NFS = PoolDefinition(
    name="p", type="netfs", uuid="u", source=NetfsSource(host="nfs.example.com", path="/export", format="nfs"),
    target_path="/mnt/p", target_permissions=Permissions(mode=0o755, owner=0, group=0),
    mount_options=("noatime",), protocol_version="4.2",
)  # fmt: skip
BARE = PoolDefinition(name="p", type="netfs", source=NetfsSource(host="nfs.example.com", path="/export"))


def source(**parts: str) -> NetfsSource:
    return NetfsSource(**{"host": "nfs.example.com", "path": "/export", "format": "nfs", **parts})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"uuid": "v"}, "uuid"),
        ({"source": source(host="other")}, "source.host"),
        ({"source": source(path="/exports")}, "source.path"),
        ({"source": source(format="cifs")}, "source.format"),
        ({"target_path": "/mnt/q"}, "target.path"),
        ({"target_permissions": Permissions(mode=0o700)}, "target.permissions.mode"),
        ({"target_permissions": Permissions(owner=1)}, "target.permissions.owner"),
        ({"target_permissions": Permissions(group=1)}, "target.permissions.group"),
        ({"target_permissions": Permissions(label="l")}, "target.permissions.label"),
        ({"mount_options": ()}, "mount.options"),
        ({"protocol_version": ""}, "mount.protocol_version"),
    ],
)
def test_each_stated_field_that_differs_is_named(changes: Any, field: Any) -> None:
    assert pool_differences(replace(NFS, **changes), NFS) == (field,)


def test_another_type_is_all_that_is_said_of_it() -> None:
    assert pool_differences(PoolDefinition(name="p", type="dir", target_path="/else"), NFS) == ("type",)


def test_what_is_not_stated_does_not_count() -> None:
    assert pool_differences(BARE, NFS) == ()
    assert pool_differences(replace(BARE, target_permissions=Permissions()), NFS) == ()


@pytest.mark.parametrize("target", ["/mnt/p", "/mnt//p", "/mnt/p/", "//mnt/p"])
def test_slashes_do_not_make_another_path(target: Any) -> None:
    assert pool_differences(replace(BARE, target_path=target), NFS) == ()


@given(st.lists(st.sampled_from(["a", "b", "", "c"]), max_size=6))
def test_a_clean_path_is_its_own_and_has_no_slash_too_many(parts: Any) -> None:
    cleaned = clean_path("/" + "/".join(parts))
    assert cleaned == "/" + "/".join(part for part in parts if part)
    assert clean_path(cleaned) == cleaned


def test_what_the_stored_definition_has_otherwise_is_pending_and_live_permissions_are_not() -> None:
    assert pending_fields(NFS, None) == ()
    assert pending_fields(NFS, replace(NFS, target_permissions=Permissions(mode=0))) == ()
    stored = replace(NFS, target_path="/mnt/q", mount_options=None, protocol_version=None)
    assert pending_fields(NFS, stored) == ("target.path", "mount.options", "mount.protocol_version")


RBD = PoolDefinition(
    name="p", type="rbd", cow=None,
    source=RbdSource(
        name="vms", hosts=(SourceHost(name="mon1", port=6789), SourceHost(name="mon2")),
        auth=SourceAuth(type="ceph", username="admin", secret_usage="vms"), config_options=(("a", "1"), ("b", "2")),
    ),
)  # fmt: skip
DISK = PoolDefinition(
    name="p", type="disk", source=DiskSource(device="/dev/sdb", format="gpt", part_separator=True), target_path="/dev",
    vendor="Acme", product="one",
)  # fmt: skip
SCSI = PoolDefinition(
    name="p", type="scsi",
    source=ScsiSource(adapter=FcHostAdapter(wwnn="a", wwpn="b", parent="scsi_host3", managed=True)),
)  # fmt: skip
DIR = PoolDefinition(name="p", type="dir", source=DirSource(), target_path="/srv/p", cow=False)


def asked(definition: PoolDefinition, **parts: Any) -> PoolDefinition:
    assert definition.source is not None
    return replace(definition, source=replace(definition.source, **parts))


@pytest.mark.parametrize(
    ("wanted", "have", "fields"),
    [
        (RBD, RBD, ()),
        (asked(RBD, hosts=(SourceHost(name="mon2"), SourceHost(name="mon1", port=6789))), RBD, ()),
        (asked(RBD, hosts=(SourceHost(name="mon1"),)), RBD, ("source.hosts",)),
        (asked(RBD, name="other"), RBD, ("source.name",)),
        (asked(RBD, auth=None, config_options=()), RBD, ()),
        (asked(RBD, auth=SourceAuth(type="ceph", username="me", secret_usage="vms")), RBD, ("source.auth.username",)),
        (
            asked(RBD, auth=SourceAuth(type="ceph", username="admin", secret_uuid="u")),
            RBD,
            ("source.auth.secret_uuid",),
        ),
        (RBD, asked(RBD, auth=None), ("source.auth",)),
        (asked(RBD, config_options=(("a", "2"),)), RBD, ("source.config_options",)),
        (asked(RBD, volume_allocation="capacity"), RBD, ("source.volume_allocation",)),
        # What libvirt ignores is no difference.
        (replace(RBD, target_path="/x", target_permissions=Permissions(mode=0o700)), RBD, ()),
        (asked(DISK, format=None, part_separator=None), DISK, ()),
        (asked(DISK, format="dos", part_separator=False), DISK, ("source.format", "source.part_separator")),
        (asked(DISK, device="/dev/sdc"), DISK, ("source.device",)),
        (replace(DISK, vendor="Other", product="two"), DISK, ("vendor", "product")),
        (asked(SCSI, adapter=ScsiHostAdapter(name="scsi_host3")), SCSI, ("source.adapter",)),
        (asked(SCSI, adapter=FcHostAdapter(wwnn="a", wwpn="b")), SCSI, ()),
        (
            asked(SCSI, adapter=FcHostAdapter(wwnn="a", wwpn="c", managed=False)),
            SCSI,
            ("source.adapter.wwpn", "source.adapter.managed"),
        ),
        (replace(DIR, cow=True), DIR, ("features.cow",)),
        (replace(DIR, cow=None), DIR, ()),
        # A pool whose document has no typed form is another one.
        (DISK, replace(DISK, source=None), ("source",)),
    ],
)
def test_sources_of_every_kind_are_compared_in_what_is_stated(wanted: Any, have: Any, fields: Any) -> None:
    assert pool_differences(wanted, have) == fields


@pytest.mark.parametrize("pool_type", ["logical", "zfs"])
def test_the_target_of_a_pool_that_has_its_own_is_not_compared(pool_type: str) -> None:
    have = PoolDefinition(name="p", type=pool_type, source=LogicalSource(name="vg"), target_path="/dev/vg")
    assert pool_differences(replace(have, target_path="/dev/other"), have) == ()


@given(definitions())
def test_every_definition_is_as_itself(definition: PoolDefinition) -> None:
    assert pool_differences(definition, definition) == ()


MIB = 1 << 20
HAVE: VolumeFacts = replace(
    volume_facts("p", "v", capacity_bytes=4096), format="qcow2", backing_store=BackingStore(path="/b", format="raw"),
    permissions=Permissions(mode=0o600, owner=0, group=0),
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({}, ()),
        ({"format": "qcow2", "capacity_bytes": 4096}, ()),
        ({"capacity_bytes": 3500}, ()),
        ({"capacity_bytes": 3000}, ("capacity_bytes",)),
        ({"format": "raw"}, ("format",)),
        ({"allocation_bytes": 1}, ()),
        ({"backing_store": BackingStore(path="//b")}, ()),
        ({"backing_store": BackingStore(path="/c")}, ("backing_store.path",)),
        ({"backing_store": BackingStore(path="/b", format="qcow2")}, ("backing_store.format",)),
        ({"permissions": Permissions(mode=0o600)}, ()),
        ({"permissions": Permissions(mode=0o644)}, ("permissions.mode",)),
    ],
)
def test_a_volume_is_compared_in_what_is_stated_after_libvirts_rounding(asked: Any, fields: Any) -> None:
    assert volume_differences(VolumeDefinition(name="v", **asked), HAVE) == fields


@pytest.mark.parametrize(
    ("asked_bytes", "fields"),
    [(5 * MIB, ()), (8 * MIB, ()), (4 * MIB, ("capacity_bytes",)), (9 * MIB, ("capacity_bytes",))],
)
def test_a_logical_volume_has_whole_extents(asked_bytes: int, fields: Any) -> None:
    have = replace(volume_facts("p", "v", capacity_bytes=8 * MIB), type="block", format="")
    asked = VolumeDefinition(name="v", capacity_bytes=asked_bytes)
    assert volume_differences(asked, have) == fields
    if asked_bytes == 5 * MIB:  # a partition has just what was asked for
        assert volume_differences(asked, replace(have, format="none")) == ("capacity_bytes",)


def test_a_volume_without_backing_store_is_not_one_with_it() -> None:
    asked = VolumeDefinition(name="v", backing_store=BackingStore(path="/b"))
    assert volume_differences(asked, replace(HAVE, backing_store=None)) == ("backing_store.path",)


def test_of_encryption_the_format_is_compared_and_never_the_secret() -> None:
    encryption = VolumeEncryption(format="luks", secret=SecretRef(usage_type="volume", usage_id="a"))
    asked = VolumeDefinition(name="v", encryption=encryption)
    have = replace(HAVE, encryption="luks", secret=SecretRef(usage_type="volume", usage_id="b"))
    assert volume_differences(asked, have) == ()
    assert volume_differences(asked, HAVE) == ("encryption.format",)
