"""Pools of every type by virsh's options: asked for typed, as the XML that --print-xml shows, and shown again."""

from __future__ import annotations

import shlex

import pytest

from poolfleet.agent.convert.outgoing import pool_spec
from poolfleet.types.pool_source import FcHostAdapter, SourceAuth
from poolfleet.types.pool_spec import PoolSpec
from poolfleet.types.volume import Permissions
from poolfleet.v1 import pool_pb2
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.model.compare import pool_differences
from poolfleet_agent.services.convert.pools import definition_from
from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.living_agent import LivingAgent

IQN, ME = "iqn.2013-06.com.example:pool", "iqn.2013-06.com.example:me"
FC = FcHostAdapter(wwnn="20000000c9831b4b", wwpn="10000000c9831b4b", parent="scsi_host5")

TYPES = [
    ("--type dir --target /srv/p --no-cow --mode 0711", None),
    ("--type netfs --source-host nfs --source-path /e --target /srv/p", None),
    (
        "--type fs --source-dev /dev/sdb1 --source-format ext4 --target /srv/p --mount-option noatime --mode 0711",
        PoolSpec.fs(
            "p",
            device="/dev/sdb1",
            format="ext4",
            target="/srv/p",
            options=["noatime"],
            permissions=Permissions(mode=0o711),
        ),
    ),
    (
        "--type logical --source-name vg0 --source-dev /dev/sdb --source-dev /dev/sdc",
        PoolSpec.logical("p", source_name="vg0", devices=["/dev/sdb", "/dev/sdc"]),
    ),
    ("--type disk --source-dev /dev/sdb --source-format gpt", PoolSpec.disk("p", device="/dev/sdb", format="gpt")),
    (
        f"--type iscsi --source-host san:3261 --source-dev {IQN} --source-initiator {ME}"
        " --auth-username admin --secret-usage san",
        PoolSpec.iscsi(
            "p",
            host="san:3261",
            device=IQN,
            initiator=ME,
            auth=SourceAuth(username="admin", secret_usage="san"),
        ),
    ),
    (
        f"--type iscsi-direct --source-host [fd00::1] --source-dev {IQN} --source-initiator {ME}",
        PoolSpec.iscsi_direct("p", host="[fd00::1]", device=IQN, initiator=ME),
    ),
    ("--type scsi --adapter-name scsi_host1", PoolSpec.scsi("p", adapter="scsi_host1")),
    (
        f"--type scsi --adapter-wwnn {FC.wwnn} --adapter-wwpn {FC.wwpn} --adapter-parent scsi_host5",
        PoolSpec.scsi("p", adapter=FC),
    ),
    ("--type mpath", PoolSpec.mpath("p")),
    (
        "--type rbd --source-host mon1 --source-host mon2:6789 --source-name vms --auth-username admin"
        " --secret-uuid 2ec115d7-3a88-3ceb-bc12-0ac909a6fd87 --config-option client_mount_timeout=45",
        PoolSpec.rbd(
            "p",
            hosts=["mon1", "mon2:6789"],
            source_name="vms",
            auth=SourceAuth(username="admin", secret_uuid="2ec115d7-3a88-3ceb-bc12-0ac909a6fd87"),
            config_options={"client_mount_timeout": "45"},
        ),
    ),
    (
        "--type gluster --source-host g1 --source-host g2 --source-name vol --source-path /images",
        PoolSpec.gluster("p", hosts=["g1", "g2"], source_name="vol", path="/images"),
    ),
    (
        "--type zfs --source-name tank --source-dev /dev/sdb",
        PoolSpec.zfs("p", source_name="tank", devices=["/dev/sdb"]),
    ),
    (
        "--type vstorage --source-name cluster --target /mnt/p",
        PoolSpec.vstorage("p", source_name="cluster", target="/mnt/p"),
    ),
]


@pytest.mark.parametrize(("options", "spec"), TYPES, ids=[shlex.split(options)[1] for options, _ in TYPES])
async def test_options_make_the_typed_form_that_is_the_same_as_the_xml(
    agent: LivingAgent, poolfleet: Terminal, options: str, spec: PoolSpec | None
) -> None:
    words = ("pool", "define", "p", *shlex.split(options))
    ran = await poolfleet(*words)
    assert ran.code == 0, ran.err
    sent = agent.sent("DefinePool")[-1].spec
    if spec is not None:
        assert sent == pool_spec(spec)
    by_xml = LibvirtDocuments().parse_pool((await poolfleet(*words, "--print-xml")).out)
    # libvirt takes a share without a format for `auto`, and we mean NFS.
    assert set(pool_differences(by_xml, definition_from(sent))) == set()
    assert set(pool_differences(definition_from(sent), by_xml)) <= {"source.format"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--type fs --target /srv/p", "a pool of type fs needs --source-dev"),
        ("--type fs --source-dev /dev/sdb1", "a pool of type fs needs --target"),
        ("--type iscsi --source-dev x", "a pool of type iscsi needs --source-host"),
        ("--type iscsi-direct --source-host san", "a pool of type iscsi-direct needs --source-dev and --source-init"),
        ("--type iscsi --source-host a --source-host b --source-dev x", "takes one --source-host"),
        ("--type scsi", "a pool of type scsi needs --adapter-name"),
        ("--type scsi --adapter-wwnn 20000000c9831b4b", "--adapter-wwnn and --adapter-wwpn"),
        (f"--type scsi --adapter-name h --adapter-wwnn {FC.wwnn} --adapter-wwpn {FC.wwpn}", "--adapter-name, or"),
        (f"--type scsi --adapter-name h --adapter-wwnn {FC.wwnn} --print-xml", "--adapter-name, or"),
        ("--type scsi --adapter-wwnn 20000000c9831b4b --print-xml", "--adapter-wwnn and --adapter-wwpn"),
        ("--type rbd --source-host mon1", "a pool of type rbd needs --source-name"),
        ("--type rbd --source-host m --source-name v --secret-usage x", "who logs in?"),
        ("--type rbd --source-host m --source-name v --config-option x", "write NAME=VALUE"),
    ],
)
async def test_what_a_type_needs_is_said_before_anybody_is_asked(
    agent: LivingAgent, poolfleet: Terminal, options: str, complaint: str
) -> None:
    ran = await poolfleet("pool", "define", "p", *shlex.split(options))
    assert ran.code == 2
    assert complaint in ran.err
    assert "DefinePool" not in agent.called


SHOWN = [
    (
        pool_pb2.Pool(fs=pool_pb2.FsSource(device="/dev/sdb1", format="ext4")),
        ["Source /dev/sdb1", "Format ext4"],
    ),
    (
        pool_pb2.Pool(logical=pool_pb2.LogicalSource(name="vg0", devices=["/dev/sdb", "/dev/sdc"], format="lvm2")),
        ["Source vg0", "Format lvm2", "Devices /dev/sdb,/dev/sdc"],
    ),
    (
        pool_pb2.Pool(disk=pool_pb2.DiskSource(device="/dev/sdb", part_separator=True), vendor="Acme", product="one"),
        ["Source /dev/sdb", "Part separator yes", "Device of Acme one"],
    ),
    (
        pool_pb2.Pool(
            iscsi=pool_pb2.IscsiSource(
                host=pool_pb2.SourceHost(name="san", port=3260),
                device=IQN,
                initiator=ME,
                auth=pool_pb2.SourceAuth(type="chap", username="admin", secret_usage="san"),
            )
        ),
        [f"Source san:3260:{IQN}", f"Initiator {ME}", "Logs in as admin (chap), secret usage san"],
    ),
    (
        pool_pb2.Pool(scsi=pool_pb2.ScsiSource(fc_host=pool_pb2.FcHostAdapter(wwnn="a", wwpn="b", managed=False))),
        ["Source a:b", "Adapter fc_host wwnn=a wwpn=b managed=no"],
    ),
    (
        pool_pb2.Pool(
            scsi=pool_pb2.ScsiSource(scsi_host=pool_pb2.ScsiHostAdapter(parent_address="0000:00:1f.2", unique_id=1))
        ),
        ["Source 0000:00:1f.2#1", "Adapter scsi_host parent_address=0000:00:1f.2 unique_id=1"],
    ),
    (
        pool_pb2.Pool(
            rbd=pool_pb2.RbdSource(
                name="vms",
                hosts=[pool_pb2.SourceHost(name="mon1"), pool_pb2.SourceHost(name="mon2", port=6789)],
                config_options=[pool_pb2.RbdSource.ConfigOption(name="a", value="1")],
                volume_allocation="capacity",
            )
        ),
        ["Source mon1,mon2:6789:vms", "Ceph options a=1", "Allocation capacity"],
    ),
    (
        pool_pb2.Pool(gluster=pool_pb2.GlusterSource(hosts=[pool_pb2.SourceHost(name="g1")], path="/images")),
        ["Source g1:p/images"],
    ),
    (pool_pb2.Pool(zfs=pool_pb2.ZfsSource(devices=["/dev/sdb"])), ["Source p", "Devices /dev/sdb"]),
    (pool_pb2.Pool(mpath=pool_pb2.MpathSource()), ["Source /srv/p"]),
    (
        pool_pb2.Pool(dir=pool_pb2.DirSource(), features=pool_pb2.PoolFeatures(cow=False)),
        ["Source /srv/p", "Copy on write no"],
    ),
]


@pytest.mark.parametrize(("pool", "lines"), SHOWN)
async def test_a_pool_shows_where_its_volumes_come_from(
    agent: LivingAgent, poolfleet: Terminal, pool: pool_pb2.Pool, lines: list[str]
) -> None:
    agent.has_pool("p").MergeFrom(pool)
    shown = [" ".join(line.split()) for line in (await poolfleet("pool", "show", "p")).lines]
    assert [line for line in lines if line not in shown] == [], shown


async def test_an_update_puts_options_in_the_place_of_what_the_source_has(
    agent: LivingAgent, poolfleet: Terminal
) -> None:
    monitors = [pool_pb2.SourceHost(name="mon1"), pool_pb2.SourceHost(name="mon2", port=6789)]
    rbd = pool_pb2.RbdSource(name="vms", hosts=monitors, volume_allocation="capacity")
    agent.has_pool("p", type="rbd").MergeFrom(pool_pb2.Pool(rbd=rbd))
    ran = await poolfleet("pool", "update", "p", "--source-host", "mon3:3300", "--source-host", "mon1", "--no-cow")
    assert ran.code == 0, ran.err
    sent = agent.sent("UpdatePool")[-1]
    assert list(sent.update_mask.paths) == ["spec.source", "spec.features"]
    moved = [pool_pb2.SourceHost(name="mon3", port=3300), pool_pb2.SourceHost(name="mon1")]
    assert sent.update.spec.rbd == pool_pb2.RbdSource(name="vms", hosts=moved, volume_allocation="capacity")
    ran = await poolfleet("pool", "update", "p", "--source-dev", "/dev/sdb")
    assert (ran.code, "a pool of type rbd has no --source-dev" in ran.err) == (1, True)
    agent.pools["p"].ClearField("source")
    ran = await poolfleet("pool", "update", "p", "--source-name", "other")
    assert (ran.code, "has no typed source" in ran.err) == (1, True)
