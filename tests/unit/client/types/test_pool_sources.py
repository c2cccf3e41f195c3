"""A pool of every type is described in one line, and the contract says it as it was described."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import pytest

from poolfleet import (
    FcHostAdapter,
    PoolMount,
    PoolSpec,
    PoolTarget,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    SourceAuth,
    SourceHost,
)
from poolfleet.agent.convert.outgoing import pool_spec
from poolfleet.agent.convert.pool_sources import source_of
from poolfleet.types.pool_source import PoolSource
from poolfleet.v1 import pool_pb2
from poolfleet.v1.pool_pb2 import PoolTarget as Target

IQN, ME = "iqn.2013-06.com.example:pool", "iqn.2013-06.com.example:me"
AUTH = SourceAuth(username="admin", secret_usage="vms")
BY_PATH = Target(path="/dev/disk/by-path")

SPECS: dict[str, tuple[PoolSpec, pool_pb2.PoolSpec]] = {
    "dir": (
        PoolSpec.dir("p", target="/srv/p"),
        pool_pb2.PoolSpec(dir=pool_pb2.DirSource(), target=Target(path="/srv/p")),
    ),
    "netfs": (
        PoolSpec.netfs("p", host="nfs", path="/e", target="/srv/p", format="cifs"),
        pool_pb2.PoolSpec(
            netfs=pool_pb2.NetfsSource(host="nfs", path="/e", format="cifs"), target=Target(path="/srv/p")
        ),
    ),
    "fs": (
        PoolSpec.fs("p", device="/dev/sdb1", format="ext4", target="/srv/p", options=["noatime"]),
        pool_pb2.PoolSpec(
            fs=pool_pb2.FsSource(device="/dev/sdb1", format="ext4"),
            target=Target(path="/srv/p"),
            mount=pool_pb2.PoolMount(options=["noatime"]),
        ),
    ),
    "logical": (
        PoolSpec.logical("p", source_name="vg0", devices=["/dev/sdb", "/dev/sdc"]),
        pool_pb2.PoolSpec(logical=pool_pb2.LogicalSource(name="vg0", devices=["/dev/sdb", "/dev/sdc"])),
    ),
    "disk": (
        PoolSpec.disk("p", device="/dev/mapper/mpatha", format="gpt", part_separator=False),
        pool_pb2.PoolSpec(
            disk=pool_pb2.DiskSource(device="/dev/mapper/mpatha", format="gpt", part_separator=False),
            target=Target(path="/dev"),
        ),
    ),
    "iscsi": (
        PoolSpec.iscsi("p", host="san:3260", device=IQN, auth=AUTH),
        pool_pb2.PoolSpec(
            iscsi=pool_pb2.IscsiSource(
                host=pool_pb2.SourceHost(name="san", port=3260),
                device=IQN,
                auth=pool_pb2.SourceAuth(username="admin", secret_usage="vms"),
            ),
            target=BY_PATH,
        ),
    ),
    "iscsi_direct": (
        PoolSpec.iscsi_direct("p", host="[fd00::1]", device=IQN, initiator=ME),
        pool_pb2.PoolSpec(
            iscsi_direct=pool_pb2.IscsiDirectSource(host=pool_pb2.SourceHost(name="fd00::1"), device=IQN, initiator=ME)
        ),
    ),
    "scsi": (
        PoolSpec.scsi("p", adapter="scsi_host1"),
        pool_pb2.PoolSpec(
            scsi=pool_pb2.ScsiSource(scsi_host=pool_pb2.ScsiHostAdapter(name="scsi_host1")), target=BY_PATH
        ),
    ),
    "mpath": (
        PoolSpec.mpath("p"),
        pool_pb2.PoolSpec(mpath=pool_pb2.MpathSource(), target=Target(path="/dev/mapper")),
    ),
    "rbd": (
        PoolSpec.rbd(
            "p",
            hosts=["[fd00::1]:6789", SourceHost("mon2")],
            source_name="vms",
            auth=SourceAuth(username="admin", secret_uuid="2ec115d7-3a88-3ceb-bc12-0ac909a6fd87", type="ceph"),
            config_options={"client_mount_timeout": "45"},
            volume_allocation="capacity",
        ),
        pool_pb2.PoolSpec(
            rbd=pool_pb2.RbdSource(
                name="vms",
                hosts=[pool_pb2.SourceHost(name="fd00::1", port=6789), pool_pb2.SourceHost(name="mon2")],
                auth=pool_pb2.SourceAuth(
                    type="ceph", username="admin", secret_uuid="2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"
                ),
                config_options=[pool_pb2.RbdSource.ConfigOption(name="client_mount_timeout", value="45")],
                volume_allocation="capacity",
            )
        ),
    ),
    "gluster": (
        PoolSpec.gluster("p", hosts=["g1", "g2"], source_name="vol", path="/images"),
        pool_pb2.PoolSpec(
            gluster=pool_pb2.GlusterSource(
                name="vol", hosts=[pool_pb2.SourceHost(name="g1"), pool_pb2.SourceHost(name="g2")], path="/images"
            )
        ),
    ),
    "zfs": (
        PoolSpec.zfs("p", source_name="tank", devices=["/dev/sdb"]),
        pool_pb2.PoolSpec(zfs=pool_pb2.ZfsSource(name="tank", devices=["/dev/sdb"])),
    ),
    "vstorage": (
        PoolSpec.vstorage("p", source_name="cluster", target="/mnt/p"),
        pool_pb2.PoolSpec(vstorage=pool_pb2.VstorageSource(name="cluster"), target=Target(path="/mnt/p")),
    ),
}


@pytest.mark.parametrize("kind", SPECS)
def test_a_spec_of_every_type_goes_out_as_it_was_described_and_comes_in_the_same(kind: str) -> None:
    spec, message = SPECS[kind]
    message.name = "p"
    assert pool_spec(spec) == message
    assert message.WhichOneof("source") == kind
    assert source_of(message) == spec.source


@pytest.mark.parametrize(
    "adapter",
    [
        FcHostAdapter(wwnn="20000000c9831b4b", wwpn="10000000c9831b4b", parent="scsi_host3", managed=False),
        FcHostAdapter(wwnn="20000000c9831b4b", wwpn="10000000c9831b4b", parent_wwnn="1", parent_wwpn="2"),
        FcHostAdapter(wwnn="20000000c9831b4b", wwpn="10000000c9831b4b", parent_fabric_wwn="3", managed=True),
        ScsiHostAdapter(parent_address="0000:00:1f.2", unique_id=2),
    ],
)
def test_adapters_of_all_kinds_go_both_ways(adapter: FcHostAdapter | ScsiHostAdapter) -> None:
    assert source_of(pool_spec(PoolSpec.scsi("p", adapter=adapter))) == ScsiSource(adapter=adapter)


def test_every_source_of_the_contract_has_its_class_with_the_same_fields() -> None:
    arms = pool_pb2.PoolSpec.DESCRIPTOR.oneofs_by_name["source"].fields
    by_name: dict[str, Any] = {kind.__name__: kind for kind in get_args(PoolSource)}
    assert {arm.message_type.name for arm in arms if arm.message_type} == by_name.keys()
    for arm in arms:
        assert arm.message_type is not None
        stated = {(field.containing_oneof or field).name.removeprefix("_") for field in arm.message_type.fields}
        assert stated == {field.name for field in fields(by_name[arm.message_type.name])}, arm.name


def test_a_source_of_a_later_agent_is_left_out() -> None:
    assert source_of(pool_pb2.Pool(name="p", type="cloud")) is None


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("mon1", SourceHost("mon1")),
        ("mon1:6789", SourceHost("mon1", port=6789)),
        ("[fd00::1]:6789", SourceHost("fd00::1", port=6789)),
        ("fd00::1", SourceHost("fd00::1")),
    ],
)
def test_a_server_is_read_from_a_word_and_written_as_one(text: str, host: SourceHost) -> None:
    assert SourceHost.parse(text) == host
    assert str(host) == text
    assert SourceHost.parse("[fd00::1]") == SourceHost("fd00::1")


def test_what_any_pool_may_state_goes_out_beside_the_source() -> None:
    spec = PoolSpec("p", target=PoolTarget(path="/srv/p"), mount=PoolMount(), cow=False, vendor="Acme", product="one")
    message = pool_spec(spec)
    assert (message.features.cow, message.features.HasField("cow")) == (False, True)
    assert (message.vendor, message.product) == ("Acme", "one")
    assert not pool_spec(PoolSpec("p")).HasField("features")


def test_options_of_rbd_keep_their_order() -> None:
    spec = PoolSpec.rbd("p", hosts=["mon1"], source_name="vms", config_options={"b": "1", "a": "2"})
    assert isinstance(spec.source, RbdSource)
    assert spec.source.config_options == (("b", "1"), ("a", "2"))
