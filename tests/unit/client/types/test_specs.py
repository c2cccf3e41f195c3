"""Specs say what is asked for, and nothing that is not."""

from dataclasses import FrozenInstanceError

import pytest

from poolfleet import DirSource, NetfsSource, Permissions, PoolMount, PoolSpec, PoolTarget


def test_a_netfs_pool() -> None:
    spec = PoolSpec.netfs("vm_data", host="nfs.example.com", path="/path/to/share", target="/vm_data")
    assert spec.source == NetfsSource(host="nfs.example.com", path="/path/to/share", format="nfs")
    assert spec.target == PoolTarget(path="/vm_data", permissions=None)
    assert spec.mount is None


def test_mount_options_keep_their_order() -> None:
    spec = PoolSpec.netfs("a", host="h", path="/p", target="/t", options=["noatime", "hard"], protocol_version="4.2")
    assert spec.mount == PoolMount(options=("noatime", "hard"), protocol_version="4.2")


def test_a_dir_pool() -> None:
    spec = PoolSpec.dir("images", target="/images", permissions=Permissions(mode=0o711))
    assert (spec.source, spec.target) == (DirSource(), PoolTarget(path="/images", permissions=Permissions(mode=0o711)))


def test_specs_are_frozen() -> None:
    spec = PoolSpec.dir("images", target="/images")
    with pytest.raises(FrozenInstanceError):
        spec.name = "other"  # type: ignore[misc]
