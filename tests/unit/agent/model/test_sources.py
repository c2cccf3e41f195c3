"""Which sources can be ones of their type: what is said there reaches programs, and must not pass for their options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
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
    SourceAuth,
    SourceHost,
    VstorageSource,
    ZfsSource,
)
from poolfleet_agent.model.sources import check_source

IQN = "iqn.2013-06.com.example:pool"
SAN = SourceHost(name="san.example.com", port=3260)
CHAP = SourceAuth(type="chap", username="admin", secret_usage="the one of the san")
FC = FcHostAdapter(wwnn="20000000c9831b4b", wwpn="10000000C9831B4B", parent="scsi_host5", managed=False)
NETFS = NetfsSource(host="nfs", path="/export", format="nfs")
FS = FsSource(device="/dev/vg/a b", format="hfs+")
LOGICAL = LogicalSource(name="vg0", devices=("/dev/sda1", "/dev/sdb1"), format="lvm2")
DISK = DiskSource(device="/dev/mapper/mpatha", format="gpt", part_separator=False)
ISCSI = IscsiSource(host=SAN, device=IQN, initiator=IQN, auth=CHAP)
DIRECT = IscsiDirectSource(host=SourceHost(name="fd00::1", port=3260), device=IQN, initiator=IQN)
SCSI = ScsiSource(adapter=FC)
BY_ADDRESS = ScsiSource(adapter=ScsiHostAdapter(parent_address="0000:00:1f.2", unique_id=1))
RBD = RbdSource(name="vms", hosts=(SAN, SourceHost(name="10.0.0.1")), config_options=(("client_mount_timeout", "45"),))
GLUSTER = GlusterSource(hosts=(SAN,), name="vol", path="/images")
ZFS = ZfsSource(name="tank/vms", devices=("ada1",))


@pytest.mark.parametrize(
    "source",
    [
        *(DirSource(), NETFS, FS, LOGICAL, LogicalSource(), DISK, ISCSI, DIRECT, SCSI, BY_ADDRESS, MpathSource()),
        *(RBD, GLUSTER, GlusterSource(hosts=(SAN,)), ZFS, VstorageSource()),
        ScsiSource(adapter=ScsiHostAdapter(name="scsi_host1")),
        # libvirt takes brackets for part of the name, where it needs none.
        replace(GLUSTER, hosts=(SourceHost(name="[fd00::1]"),)),
        NetfsSource(host="cifs", path="share", format="cifs"),
    ],
)
def test_what_libvirt_documents_passes(source: PoolSource) -> None:
    check_source(source)


@pytest.mark.parametrize(
    ("source", "parts", "field"),
    [
        (NETFS, {"host": ""}, "source.host"),
        (NETFS, {"host": "-oProxyCommand=x"}, "source.host"),
        (NETFS, {"path": "export"}, "source.path"),
        (NETFS, {"format": "ext4"}, "source.format"),
        (FS, {"device": ""}, "source.device"),
        (FS, {"device": "-L"}, "source.device"),
        (FS, {"device": "/dev/../etc/passwd"}, "source.device"),
        (FS, {"format": "-ext4"}, "source.format"),
        (FS, {"format": "ext4 -F"}, "source.format"),
        (LOGICAL, {"name": "--help"}, "source.name"),
        (LOGICAL, {"devices": ("/dev/sda", "-f")}, "source.devices"),
        (DISK, {"device": "a b"}, "source.device"),
        (ISCSI, {"host": SourceHost(name="")}, "source.host.name"),
        (ISCSI, {"host": SourceHost(name="san:3260")}, "source.host.name"),
        (ISCSI, {"host": SourceHost(name="fd00::1%eth0;x")}, "source.host.name"),
        (ISCSI, {"host": SourceHost(name="san", port=65536)}, "source.host.port"),
        (ISCSI, {"device": "-x"}, "source.device"),
        (ISCSI, {"initiator": "a\nb"}, "source.initiator"),
        (ISCSI, {"auth": replace(CHAP, username="")}, "source.auth.username"),
        (ISCSI, {"auth": replace(CHAP, secret_usage=None)}, "source.auth.secret"),
        (ISCSI, {"auth": replace(CHAP, secret_uuid="u")}, "source.auth.secret"),
        (ISCSI, {"auth": replace(CHAP, secret_usage="a\nb")}, "source.auth.secret_usage"),
        (DIRECT, {"initiator": ""}, "source.initiator"),
        (SCSI, {"adapter": None}, "source.adapter"),
        (SCSI, {"adapter": ScsiHostAdapter()}, "source.adapter"),
        (SCSI, {"adapter": ScsiHostAdapter(name="host1", parent_address="0000:00:1f.2")}, "source.adapter"),
        (SCSI, {"adapter": ScsiHostAdapter(name="-1")}, "source.adapter.name"),
        (SCSI, {"adapter": ScsiHostAdapter(parent_address="1f.2")}, "source.adapter.parent_address"),
        (SCSI, {"adapter": replace(FC, wwnn="20")}, "source.adapter.wwnn"),
        (SCSI, {"adapter": replace(FC, parent_fabric_wwn="x" * 16)}, "source.adapter.parent_fabric_wwn"),
        (SCSI, {"adapter": replace(FC, parent="-")}, "source.adapter.parent"),
        (RBD, {"hosts": ()}, "source.hosts"),
        (RBD, {"name": ""}, "source.name"),
        (RBD, {"config_options": (("-x", "1"),)}, "source.config_options.name"),
        (RBD, {"config_options": (("x", "1\n2"),)}, "source.config_options.value"),
        (RBD, {"volume_allocation": "never"}, "source.volume_allocation"),
        (GLUSTER, {"path": "images"}, "source.path"),
        (GLUSTER, {"hosts": (SourceHost(name="a b"),)}, "source.hosts.name"),
        (ZFS, {"name": "-o"}, "source.name"),
    ],
)
def test_what_could_pass_for_something_else_is_refused(source: Any, parts: Any, field: str) -> None:
    with pytest.raises(ModelError) as refused:
        check_source(replace(source, **parts))
    assert refused.value.reason is Reason.INVALID_FIELD
    assert refused.value.metadata["field"] == field
