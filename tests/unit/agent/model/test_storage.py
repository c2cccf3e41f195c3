"""Which storage lies behind a pool: the same on every host that sees it, and never another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.pool import PoolDefinition, Storage, StorageIdSource
from poolfleet_agent.model.pool_source import (
    DirSource,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    NetfsSource,
    RbdSource,
    SourceHost,
)
from poolfleet_agent.model.storage import (
    ConfiguredStorage,
    TargetSeen,
    has_servers_inodes,
    marker_id,
    share_filesystem_id,
    storage_of,
)
from poolfleet_agent.mounts.mountinfo import parse_mountinfo

DIR = PoolDefinition(name="p", type="dir", source=DirSource(), target_path="/srv/link")
LOCAL = TargetSeen(real_path="/srv/real", filesystem_id="uuid:1")
IQN = "iqn.2020-01.com.example:x"
MARKER = "0f5c9d4e-7b07-4c0c-8a51-0d7b5d7a4b11"


def netfs(host: str = "NFS.example.com", path: str = "/export/", source_format: str | None = None) -> PoolDefinition:
    source = NetfsSource(host=host, path=path, format=source_format)
    return PoolDefinition(name="p", type="netfs", source=source, target_path="/mnt/p")


def mounted(line: str) -> MountEntry:
    return parse_mountinfo(f"36 25 0:48 {line}\n".encode()).entries[0]


def nfs(source: str, options: str = "", *, root: str = "/", target: str = "/mnt/p", kind: str = "nfs4") -> MountEntry:
    return mounted(f"{root} {target} rw,relatime - {kind} {source} rw,vers=4.2{options}")


def identify(
    definition: PoolDefinition, target: TargetSeen = LOCAL, *configured: ConfiguredStorage, before: Any = None
) -> Storage:
    found = storage_of(definition, target, agent_id="agent", configured=configured, before=before)
    assert found is not None
    return found


def names(storage: Storage) -> set[str]:
    return {storage.id, *storage.aliases}


@pytest.mark.parametrize(
    ("definition", "entry"),
    [
        (DIR, ConfiguredStorage(id="c", path="/srv/real/")),
        (DIR, ConfiguredStorage(id="c", path="/srv/link")),
        (netfs("nfs", "/export"), ConfiguredStorage(id="c", source="nfs:/export/")),
        (netfs("[FD00::1]", "/export"), ConfiguredStorage(id="c", source="[fd00:0::1]:/export")),
        (netfs("nfs", "share", "cifs"), ConfiguredStorage(id="c", source="nfs:share")),
    ],
    ids=["real path", "path as written", "source", "IPv6", "cifs"],
)
def test_a_configured_id_comes_first(definition: Any, entry: Any) -> None:
    target = TargetSeen(real_path="/srv/real", filesystem_id="uuid:1", marker=MARKER)
    found = identify(definition, target, ConfiguredStorage(id="other", path="/elsewhere"), entry)
    assert (found.id, found.source) == ("c", StorageIdSource.CONFIGURED)


def test_a_source_of_the_configuration_is_found_under_any_spelling() -> None:
    target = TargetSeen(real_path="/mnt/p", mount=nfs("10.0.0.5:/export", ",addr=10.0.0.5"))
    found = identify(DIR, target, ConfiguredStorage(id="c", source="10.0.0.5:/export"))
    assert (found.id, found.aliases) == ("c", ("nfs:10.0.0.5/export",))


def test_a_marker_comes_before_what_is_derived() -> None:
    target = TargetSeen(real_path="/srv/real", filesystem_id="uuid:1", marker=MARKER)
    found = identify(DIR, target)
    assert found == Storage(id=MARKER, source=StorageIdSource.MARKER, aliases=("host:agent:uuid:1:/srv/real",))


def test_a_local_folder_is_this_agents_by_file_system_and_real_path() -> None:
    assert identify(DIR) == Storage(id="host:agent:uuid:1:/srv/real", source=StorageIdSource.DERIVED)


def test_a_folder_of_which_too_little_is_known_has_no_id() -> None:
    assert storage_of(DIR, TargetSeen(real_path="/srv/real"), agent_id="agent") is None


@pytest.mark.parametrize(
    ("definition", "storage_id"),
    [
        (netfs(), "nfs:nfs.example.com/export"),
        (netfs("nfs.example.com."), "nfs:nfs.example.com/export"),
        (netfs(path="//export//"), "nfs:nfs.example.com/export"),
        (netfs(path="/"), "nfs:nfs.example.com/"),
        (netfs("[FD00:0::1]"), "nfs:[fd00::1]/export"),
        (netfs(source_format="nfs"), "nfs:nfs.example.com/export"),
        (netfs(source_format="cifs", path="Share"), "cifs:nfs.example.com/share"),
        (netfs(source_format="glusterfs", path="/vol"), "gluster:nfs.example.com/vol"),
    ],
)
def test_a_share_is_known_by_its_server_and_path_however_they_are_written(definition: Any, storage_id: Any) -> None:
    found = identify(definition, TargetSeen())
    assert (found.id, found.source, found.aliases) == (storage_id, StorageIdSource.DERIVED, ())


@pytest.mark.parametrize(
    ("kind", "source", "ids"),
    [
        ("gluster", GlusterSource(hosts=(SourceHost(name="G1"),), name="vol", path="/dir/"), {"gluster:g1/vol/dir"}),
        ("gluster", GlusterSource(hosts=(SourceHost(name="g1"),), path="/"), {"gluster:g1/p"}),
        (
            "rbd",
            RbdSource(hosts=(SourceHost(name="mon2", port=3300), SourceHost(name="mon1")), name="vms"),
            {"rbd:mon1/vms", "rbd:mon2/vms"},
        ),
        ("iscsi", IscsiSource(host=SourceHost(name="san"), device=IQN), {f"iscsi:san/{IQN}"}),
        (
            "iscsi-direct",
            IscsiDirectSource(host=SourceHost(name="san"), device=IQN, initiator="iqn.2020-01.com.example:me"),
            {f"iscsi:san/{IQN}"},
        ),
    ],
)
def test_other_network_pools_are_known_by_their_source(kind: Any, source: Any, ids: Any) -> None:
    definition = PoolDefinition(name="p", type=kind, source=source)
    assert names(identify(definition, TargetSeen())) == ids


def test_a_mounted_share_is_called_by_its_address_and_knows_every_spelling() -> None:
    target = TargetSeen(
        real_path="/mnt/p",
        mount=nfs("nfs-second:/export", ",addr=10.0.0.5"),
        addresses={"nfs.example.com": ["10.0.0.6", "10.0.0.5"], "nfs-second": ["10.0.0.6"]},
    )
    found = identify(netfs(), target)
    assert found.id == "nfs:10.0.0.5/export"
    assert set(found.aliases) == {"nfs:nfs-second/export", "nfs:10.0.0.6/export", "nfs:nfs.example.com/export"}


def test_a_share_that_is_not_mounted_is_called_by_its_lowest_address() -> None:
    addresses: Mapping[str, Sequence[str]] = {"nfs.example.com": ["fd00::1", "10.0.0.20", "10.0.0.6"]}
    found = identify(netfs(), TargetSeen(addresses=addresses))
    assert found.id == "nfs:10.0.0.6/export"
    assert found.aliases == ("nfs:10.0.0.20/export", "nfs:[fd00::1]/export", "nfs:nfs.example.com/export")


def test_a_share_keeps_its_id_while_it_is_not_mounted() -> None:
    addresses: Mapping[str, Sequence[str]] = {"nfs.example.com": ["10.0.0.6", "10.0.0.7"]}
    before = Storage(id="nfs:10.0.0.7/export", source=StorageIdSource.DERIVED)
    assert identify(netfs(), TargetSeen(addresses=addresses), before=before).id == "nfs:10.0.0.7/export"
    moved: Mapping[str, Sequence[str]] = {"nfs.example.com": ["10.0.0.9"]}
    assert identify(netfs(), TargetSeen(addresses=moved), before=before).id == "nfs:10.0.0.9/export"


SEEN = [
    pytest.param(nfs("10.0.0.5:/export", ",addr=10.0.0.5"), "nfs:10.0.0.5/export", id="address"),
    pytest.param(nfs("Filer:/export/", ",addr=10.0.0.5"), "nfs:10.0.0.5/export", id="name and trailing slash"),
    pytest.param(nfs("filer:/export", ",addr=10.0.0.5", kind="nfs"), "nfs:10.0.0.5/export", id="version 3"),
    pytest.param(nfs("[::ffff:10.0.0.5]:/export"), "nfs:10.0.0.5/export", id="IPv4 written as IPv6"),
    pytest.param(nfs("[fd00:0::1]:/export", ",addr=fd00::1"), "nfs:[fd00::1]/export", id="IPv6"),
    pytest.param(nfs("filer:/", ",addr=10.0.0.5"), "nfs:10.0.0.5/", id="root of version 4"),
    pytest.param(
        nfs("filer:/export", ",addr=10.0.0.5", root="/export"), "nfs:10.0.0.5/export", id="below the root of version 4"
    ),
    pytest.param(nfs("filer:/export", kind="tmpfs"), "nfs:filer/export", id="no address told"),
    pytest.param(nfs("//Filer/Share", ",addr=10.0.0.5", kind="cifs"), "cifs:10.0.0.5/share", id="cifs"),
    pytest.param(nfs("g1:/vol", kind="fuse.glusterfs"), "gluster:g1/vol", id="gluster"),
    pytest.param(nfs("g1:vol", kind="fuse.glusterfs"), "gluster:g1/vol", id="gluster without slash"),
    pytest.param(nfs("10.0.0.2,10.0.0.1:6789:/vms", kind="ceph"), "ceph:10.0.0.1/vms", id="ceph monitors"),
    pytest.param(nfs("u@3f.vms=/", kind="ceph"), "ceph:3f.vms/", id="ceph by cluster"),
]


@pytest.mark.parametrize(("mount", "storage_id"), SEEN)
def test_a_folder_on_a_mount_of_others_has_the_identity_of_its_share(mount: MountEntry, storage_id: Any) -> None:
    assert identify(DIR, TargetSeen(real_path="/mnt/p", mount=mount)).id == storage_id
    below = identify(DIR, TargetSeen(real_path="/mnt/p/a/b", mount=mount))
    assert below.id == f"{storage_id.rstrip('/')}/a/b"


def test_a_pool_of_netfs_and_a_folder_on_the_same_share_have_one_id() -> None:
    mount = nfs("filer:/export", ",addr=10.0.0.5")
    assert (
        identify(netfs("filer", "/export"), TargetSeen(real_path="/mnt/p", mount=mount)).id
        == identify(DIR, TargetSeen(real_path="/mnt/p", mount=mount)).id
    )


def test_folders_on_one_share_are_one_disk() -> None:
    mount = nfs("filer:/export", ",addr=10.0.0.5")
    assert share_filesystem_id(mount, "agent") == "nfs:10.0.0.5/export"


@pytest.mark.parametrize(
    "mount",
    [
        nfs("user@filer:/export", kind="fuse.sshfs"),
        nfs("remote:/export", kind="fuse.rclone"),
        nfs("share", kind="9p"),
        nfs("/dev/sdb1", kind="ocfs2"),
    ],
    ids=["sshfs", "rclone", "9p", "ocfs2"],
)
def test_a_source_that_may_mean_another_storage_on_another_host_is_this_agents(mount: MountEntry) -> None:
    target = TargetSeen(real_path="/mnt/p/a", mount=mount)
    assert identify(DIR, target).id == f"host:agent:{mount.fs_type}:{mount.source}:/mnt/p/a"
    assert share_filesystem_id(mount, "agent").startswith("host:agent:")


@pytest.mark.parametrize(
    ("mount", "told"),
    [
        (None, True),
        (nfs("filer:/export"), True),
        (nfs("//filer/share", ",serverino", kind="cifs"), True),
        (nfs("//filer/share", kind="cifs"), False),
        (nfs("u@filer:/export", kind="fuse.sshfs"), False),
        (nfs("share", kind="9p"), False),
    ],
)
def test_inodes_that_each_host_makes_up_tell_nothing(mount: Any, told: Any) -> None:
    assert has_servers_inodes(mount) is told


@pytest.mark.parametrize("content", [MARKER.encode(), MARKER.upper().encode() + b"\n"])
def test_a_marker_is_a_uuid(content: bytes) -> None:
    assert marker_id(content) == MARKER


@pytest.mark.parametrize("content", [b"", b"vmdata", MARKER.encode()[:-1], MARKER.encode() + b"x", b"\xff" * 36])
def test_anything_else_is_no_marker(content: bytes) -> None:
    assert marker_id(content) is None
