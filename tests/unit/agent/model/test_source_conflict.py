"""Whether two pools would take their volumes from one source: as libvirt finds it, and where libvirt does not look."""

from __future__ import annotations

import pytest
from hypothesis import given

from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.pool_source import (
    DirSource,
    DiskSource,
    FcHostAdapter,
    FsSource,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    LogicalSource,
    MpathSource,
    NetfsSource,
    PoolSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceHost,
    VstorageSource,
    ZfsSource,
)
from poolfleet_agent.model.source_conflict import same_source
from tests.pool_definitions import definitions

A, B = SourceHost(name="a"), SourceHost(name="b", port=6789)


def pool(kind: str, source: PoolSource | None, name: str = "p", target: str | None = None) -> PoolDefinition:
    return PoolDefinition(name=name, type=kind, source=source, target_path=target)


def scsi(adapter: ScsiHostAdapter | FcHostAdapter) -> PoolDefinition:
    return pool("scsi", ScsiSource(adapter=adapter))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (pool("dir", DirSource(), target="/srv/a"), pool("dir", DirSource(), target="/srv//a/"), True),
        (pool("dir", DirSource()), pool("dir", DirSource(), target="/srv/a"), False),
        (
            pool("netfs", NetfsSource(host="nfs", path="/e")),
            pool("netfs", NetfsSource(host="nfs", path="/e/"), target="/else"),
            True,
        ),
        (
            pool("netfs", NetfsSource(host="nfs", path="/e")),
            pool("netfs", NetfsSource(host="nfs", path="/e/below")),
            False,
        ),
        (pool("fs", FsSource(device="/dev/sdb1")), pool("fs", FsSource(device="/dev/sdb1")), True),
        (pool("fs", FsSource(device="/dev/sdb")), pool("disk", DiskSource(device="/dev/sdb")), True),
        (pool("disk", DiskSource(device="/dev/sdb")), pool("logical", LogicalSource(devices=("/dev/sdb",))), True),
        (pool("zfs", ZfsSource(devices=("/dev/sdb", "/dev/sdc"))), pool("disk", DiskSource(device="/dev/sdc")), True),
        (pool("fs", FsSource(device="/dev/sdb1")), pool("fs", FsSource(device="/dev/sdb2")), False),
        # Without a name of its own a volume group is called like the pool.
        (pool("logical", LogicalSource(), "vg"), pool("logical", LogicalSource(name="vg"), "q"), True),
        (pool("logical", LogicalSource(), "vg"), pool("logical", LogicalSource(name="vg2"), "vg2"), False),
        (pool("zfs", ZfsSource(name="tank")), pool("zfs", ZfsSource(name="tank")), True),
        (pool("zfs", ZfsSource(name="tank")), pool("logical", LogicalSource(name="tank")), False),
        (pool("vstorage", VstorageSource(name="c")), pool("vstorage", VstorageSource(name="c")), True),
        (pool("iscsi", IscsiSource(host=A, device="iqn")), pool("iscsi", IscsiSource(host=B, device="iqn")), True),
        (
            pool("iscsi", IscsiSource(host=A, device="iqn")),
            pool("iscsi", IscsiSource(host=A, device="iqn", initiator="me")),
            False,
        ),
        (
            pool("iscsi-direct", IscsiDirectSource(host=A, device="iqn", initiator="me")),
            pool("iscsi-direct", IscsiDirectSource(host=A, device="iqn", initiator="me")),
            True,
        ),
        (scsi(ScsiHostAdapter(name="host3")), scsi(ScsiHostAdapter(name="scsi_host3")), True),
        (scsi(ScsiHostAdapter(name="host3")), scsi(ScsiHostAdapter(name="host4")), False),
        (
            scsi(ScsiHostAdapter(parent_address="0000:00:1f.2", unique_id=1)),
            scsi(ScsiHostAdapter(parent_address="0000:00:1f.2", unique_id=2)),
            False,
        ),
        (
            scsi(FcHostAdapter(wwnn="20000000c9831b4b", wwpn="1")),
            scsi(FcHostAdapter(wwnn="20000000C9831B4B", wwpn="1")),
            True,
        ),
        (pool("mpath", MpathSource()), pool("mpath", MpathSource()), True),
        (pool("rbd", RbdSource(name="vms", hosts=(A, B))), pool("rbd", RbdSource(name="vms", hosts=(B,))), True),
        (pool("rbd", RbdSource(name="vms", hosts=(A,))), pool("rbd", RbdSource(name="vms", hosts=(B,))), False),
        (pool("rbd", RbdSource(name="vms", hosts=(A,))), pool("rbd", RbdSource(name="other", hosts=(A,))), False),
        (
            pool("gluster", GlusterSource(hosts=(A,), name="v")),
            pool("gluster", GlusterSource(hosts=(A,), name="v", path="/")),
            True,
        ),
        (
            pool("gluster", GlusterSource(hosts=(A,), name="v")),
            pool("gluster", GlusterSource(hosts=(A,), name="v", path="/d")),
            False,
        ),
        (pool("sheepdog", None), pool("sheepdog", None), False),
    ],
)
def test_one_source_is_one_storage_whatever_the_pool_is_called(
    one: PoolDefinition, other: PoolDefinition, same: bool
) -> None:
    assert same_source(one, other) is same
    assert same_source(other, one) is same


@given(definitions())
def test_a_pool_has_the_source_of_its_like_under_another_name(definition: PoolDefinition) -> None:
    known = definition.source is not None and (definition.type != "dir" or definition.target_path is not None)
    assert same_source(definition, definition) is known
