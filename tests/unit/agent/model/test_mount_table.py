"""Whether a pool's share is on its target: by export path and address, never by how somebody spelt the server."""

from __future__ import annotations

import itertools

import pytest

from poolfleet_agent.model.mount_table import MountEntry, MountTable, Proof, normal_address, prove, prove_made
from poolfleet_agent.model.pool_source import NetfsSource

TARGET = "/mnt/vm_data"


def entry(
    source: str,
    *options: str,
    target: str = TARGET,
    root: str = "/",
    fs_type: str = "nfs4",
    mount_id: int = 2,
    parent_id: int = 1,
) -> MountEntry:
    return MountEntry(
        mount_id=mount_id,
        parent_id=parent_id,
        device="0:50",
        root=root,
        target=target,
        fs_type=fs_type,
        source=source,
        options=("rw",),
        super_options=("rw", *options),
    )


ROOT = entry("/dev/sda1", target="/", fs_type="ext4", mount_id=1, parent_id=0)


def proven(
    mounted: MountEntry,
    *addresses: str,
    host: str = "nfs1",
    path: str = "/srv/vm_data",
    source_format: str = "nfs",
) -> Proof:
    source = NetfsSource(host=host, path=path, format=source_format)
    return prove(MountTable((ROOT, mounted)), TARGET, source, addresses)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("nfs1:/srv/vm_data", ["addr=10.0.0.1"]),
        ("alias.example.net:/srv/vm_data", ["addr=10.0.0.1"]),
        ("10.0.0.1:/srv/vm_data", ["addr=10.0.0.1"]),
        ("[fd00::1]:/srv/vm_data", ["addr=fd00::1"]),
        ("[FD00:0::1]:/srv/vm_data", ["addr=fd00:0:0::1"]),
        ("alias:/srv/vm_data/", ["addr=::ffff:10.0.0.1"]),
        ("alias://srv//vm_data", ["addr=10.0.0.1"]),
        ("nfs1:/srv/vm_data", []),
        ("NFS1.:/srv/vm_data", []),
    ],
)
def test_any_spelling_of_the_server_is_right(source: str, options: list[str]) -> None:
    assert proven(entry(source, *options), "10.0.0.1", "fd00::1") is Proof.RIGHT


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("nfs1:/srv/other", ["addr=10.0.0.1"]),
        ("nfs1:/srv", ["addr=10.0.0.1"]),
        ("nfs1:/srv/vm_data/below", ["addr=10.0.0.1"]),
        ("nfs1:/srv/vm_data", ["addr=10.0.0.2"]),
        ("nfs2:/srv/vm_data", []),
        ("nfs1:/", ["addr=10.0.0.1"]),
    ],
)
def test_another_export_or_server_is_wrong(source: str, options: list[str]) -> None:
    assert proven(entry(source, *options), "10.0.0.1") is Proof.WRONG_SHARE


def test_an_address_that_the_kernel_knew_the_server_by_counts_where_it_was_recorded() -> None:
    mounted = entry("[::1]:/srv/vm_data", "addr=::1")
    assert proven(mounted, "127.0.0.1") is Proof.WRONG_SHARE
    assert proven(mounted, "127.0.0.1", "::1") is Proof.RIGHT


def test_an_export_below_fsid_0_is_named_in_the_source_and_in_the_root_too() -> None:
    mounted = entry("nfs1:/srv/vm_data", "addr=10.0.0.1", root="/srv/vm_data")
    assert mounted.export == "/srv/vm_data"
    assert proven(mounted, "10.0.0.1") is Proof.RIGHT


def test_a_server_whose_root_is_the_share() -> None:
    assert proven(entry("nfs1:/", "addr=10.0.0.1"), "10.0.0.1", path="/") is Proof.RIGHT


def test_a_folder_of_the_share_bound_to_the_target_is_another_share() -> None:
    bound = entry("nfs1:/srv/vm_data/below", "addr=10.0.0.1", root="/below")
    assert proven(bound, "10.0.0.1") is Proof.WRONG_SHARE
    stand_in = entry("nfs1:/srv/vm_data", root="/below", fs_type="tmpfs")
    assert stand_in.export == "/srv/vm_data/below"
    assert proven(stand_in) is Proof.WRONG_SHARE


def test_a_path_may_look_like_a_source() -> None:
    assert entry("nfs1:/a:/b").export == "/a:/b"
    assert entry("[fd00::1]:/a:/b").address == "fd00::1"
    assert entry("fd00::1:/a").address == "fd00::1"


@pytest.mark.parametrize(
    ("source", "path", "options", "proof"),
    [
        ("//nfs1/Images", "images", [], Proof.RIGHT),
        ("//NFS1/images/", "/images", [], Proof.RIGHT),
        ("//alias/images", "images", ["addr=10.0.0.1"], Proof.RIGHT),
        ("//nfs1/images/sub", "images/sub", ["addr=10.0.0.1"], Proof.RIGHT),
        ("//nfs1/images", "images/sub", ["addr=10.0.0.1"], Proof.WRONG_SHARE),
        ("//nfs1/images", "images", ["addr=10.0.0.9"], Proof.WRONG_SHARE),
        ("//nfs1/other", "images", [], Proof.WRONG_SHARE),
    ],
)
def test_shares_of_windows_are_proven_in_the_same_way(source: str, path: str, options: list[str], proof: Proof) -> None:
    mounted = entry(source, *options, fs_type="cifs")
    assert proven(mounted, "10.0.0.1", path=path, source_format="cifs") is proof


@pytest.mark.parametrize(
    ("fs_type", "options", "enforced"),
    [("cifs", [], True), ("smb3", ["vers=3.1.1"], True), ("cifs", ["nobrl"], False), ("nfs4", [], False)],
)
def test_smb_enforces_the_locks_that_are_sent_to_it(fs_type: str, options: list[str], enforced: bool) -> None:
    assert entry("//nfs1/images", *options, fs_type=fs_type).enforces_locks is enforced


def test_nothing_on_the_target_or_something_local() -> None:
    nfs = NetfsSource(host="nfs1", path="/srv/vm_data")
    assert prove(MountTable((ROOT,)), TARGET, nfs, ()) is Proof.UNMOUNTED
    below = entry("nfs1:/srv/vm_data", target=TARGET + "/below")
    assert prove(MountTable((ROOT, below)), TARGET, nfs, ()) is Proof.UNMOUNTED
    disk = entry("/dev/sdb1", fs_type="ext4")
    assert prove(MountTable((ROOT, disk)), TARGET, nfs, ()) is Proof.WRONG_SHARE


def test_of_several_on_one_target_the_top_one_counts_in_whatever_order_they_stand() -> None:
    lower, top = entry("nfs1:/a", mount_id=5), entry("nfs1:/b", mount_id=3, parent_id=5)
    for entries in itertools.permutations((ROOT, lower, top)):
        table = MountTable(entries)
        assert table.on(TARGET) == top
        assert table.holding(TARGET + "/file") == top
        assert set(table.all_on(TARGET + "/")) == {lower, top}


def test_what_a_later_mount_hides_is_not_there() -> None:
    hidden = entry("nfs1:/srv/vm_data", target="/mnt/a/b")
    over = entry("/dev/sdb1", target="/mnt/a", fs_type="ext4", mount_id=3)
    table = MountTable((ROOT, hidden, over))
    assert table.on("/mnt/a/b") is None
    assert table.holding("/mnt/a/b/file") == over
    assert table.network() == (hidden,)


def test_a_chroot_does_not_list_what_it_stands_on() -> None:
    share = entry("nfs1:/srv/vm_data", parent_id=77)
    assert MountTable((share,)).on(TARGET) == share
    assert MountTable((share,)).holding("/etc") is None


def test_stand_ins_count_as_network_mounts() -> None:
    assert entry("nfs1:/export", fs_type="tmpfs").network
    assert entry("//nfs1/share", fs_type="tmpfs").network
    assert not entry("tmpfs", fs_type="tmpfs").network
    assert not entry("/dev/mapper/a:b", fs_type="ext4").network


def test_addresses_have_one_spelling() -> None:
    assert normal_address("[FE80::0:1%eth0]") == "fe80::1"
    assert normal_address("::ffff:10.0.0.1") == "10.0.0.1"
    assert normal_address("NFS1.Example.net.") == "nfs1.example.net"


def made(*new: MountEntry, before: tuple[MountEntry, ...] = ()) -> Proof:
    source = NetfsSource(host="nfs1", path="/srv/vm_data")
    tables = MountTable((ROOT, *before)), MountTable((ROOT, *before, *new))
    return prove_made(*tables, TARGET, source, ["10.0.0.1"])


def test_a_mount_of_our_own_counts_by_its_export_whatever_address_the_kernel_knows_its_server_by() -> None:
    assert made(entry("10.0.0.9:/srv/vm_data", "addr=10.0.0.9")) is Proof.RIGHT
    assert made(entry("10.0.0.9:/srv/other", "addr=10.0.0.9")) is Proof.WRONG_SHARE
    assert made() is Proof.UNMOUNTED


def test_it_is_our_own_only_if_it_alone_is_new_there() -> None:
    lower = entry("nfs7:/srv/vm_data", "addr=10.0.0.7", mount_id=5)
    top = entry("10.0.0.9:/srv/vm_data", "addr=10.0.0.9", mount_id=6, parent_id=5)
    assert made(lower, top) is Proof.WRONG_SHARE
    assert made(top, before=(lower,)) is Proof.RIGHT
    assert made(before=(lower,)) is Proof.WRONG_SHARE
