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
    same_source,
    volume_differences,
)
from poolfleet_agent.model.pool import DirSource, NetfsSource, Permissions, PoolDefinition
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption, VolumeFacts
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


def test_one_source_is_one_storage_whatever_the_pool_is_called() -> None:
    assert same_source(replace(BARE, name="q", target_path="/elsewhere"), NFS)
    assert not same_source(replace(BARE, source=source(path="/export/below")), NFS)
    here = PoolDefinition(name="a", type="dir", source=DirSource(), target_path="/srv/a")
    assert same_source(replace(here, name="b", target_path="/srv//a/"), here)
    assert not same_source(replace(here, target_path=None), here)
    assert not same_source(here, NFS)


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


def test_a_volume_without_backing_store_is_not_one_with_it() -> None:
    asked = VolumeDefinition(name="v", backing_store=BackingStore(path="/b"))
    assert volume_differences(asked, replace(HAVE, backing_store=None)) == ("backing_store.path",)


def test_of_encryption_the_format_is_compared_and_never_the_secret() -> None:
    encryption = VolumeEncryption(format="luks", secret=SecretRef(usage_type="volume", usage_id="a"))
    asked = VolumeDefinition(name="v", encryption=encryption)
    have = replace(HAVE, encryption="luks", secret=SecretRef(usage_type="volume", usage_id="b"))
    assert volume_differences(asked, have) == ()
    assert volume_differences(asked, HAVE) == ("encryption.format",)
