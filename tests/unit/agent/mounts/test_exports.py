"""What a server exports: its own list; without one what its root shows, which nobody else sees mounted."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.ports import Export
from poolfleet_agent.mounts import exports, nfs_rpc, server_root
from poolfleet_agent.mounts.exports import ExportLister
from poolfleet_agent.mounts.mountinfo import read_mount_table
from poolfleet_agent.mounts.resolve import Resolver
from poolfleet_agent.mounts.server_root import mountable
from poolfleet_agent.processes.child import Children
from scripts.embedded.free_port import free_port
from tests.unit.agent.mounts.fake_server import MOUNT, NFS, RPCBIND, FakeServer, mute_port

PATIENT_S = 20.0
"""For whom there is an answer to be had, however busy the machine is."""
SOON_S = 30.0
"""Wide for who does without one, far below what hangs."""
HOST = "127.0.0.1"


@pytest.fixture
def lister(children: Children, tmp_path: Path) -> ExportLister:
    return ExportLister(children, Resolver(children), tmp_path / "root", ask_timeout_s=PATIENT_S)


async def test_the_server_s_own_list_has_paths_and_clients(
    lister: ExportLister, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = {RPCBIND: (2, 4), MOUNT: (1, 3)}
    async with FakeServer(programs, exports=[("/srv/a", ["10.0.0.0/8", "kvm*"]), ("/srv/b", [])]) as server:
        server.registered[MOUNT, "tcp"] = server.port
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        assert await lister.listed(HOST) == (Export("/srv/a", ("10.0.0.0/8", "kvm*")), Export("/srv/b", ()))


async def test_a_server_without_a_list_says_nothing_and_soon(
    lister: ExportLister, monkeypatch: pytest.MonkeyPatch
) -> None:
    lister._ask_timeout_s = 1.0
    started_s = time.monotonic()
    monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", free_port())
    assert await lister.listed(HOST) is None
    with mute_port() as port:
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", port)
        assert await lister.listed(HOST) is None
    async with FakeServer({RPCBIND: (2, 4), NFS: (4, 4)}) as server:
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        assert await lister.listed(HOST) is None
    assert time.monotonic() - started_s < SOON_S


async def test_a_name_that_is_not_known_is_no_server_without_a_list(children: Children, tmp_path: Path) -> None:
    unknown = ("sh", "-c", "echo ! unknown Name or service not known")
    resolver = Resolver(children, program=unknown, timeout_s=PATIENT_S)
    with pytest.raises(MountError) as failed:
        await ExportLister(children, resolver, tmp_path, ask_timeout_s=PATIENT_S).listed("nfs1")
    assert failed.value.failure is MountFailure.NAME_UNKNOWN


def folders(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).mkdir(parents=True)


def test_folders_that_only_lead_to_one_are_passed_over(tmp_path: Path) -> None:
    folders(tmp_path, "srv/empty", "srv/files/below", "srv/disk/lost+found", "way/to/it")
    (tmp_path / "srv/files/disk.raw").touch()
    assert list(mountable(str(tmp_path))) == ["/srv/disk", "/srv/empty", "/srv/files", "/way/to/it"]


def test_a_root_with_files_is_itself_what_can_be_mounted(tmp_path: Path) -> None:
    (tmp_path / "disk.raw").touch()
    assert list(mountable(str(tmp_path))) == ["/"]


def test_a_look_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_root, "DEEPEST", 2)
    folders(tmp_path, "1/2/3/4")
    assert list(mountable(str(tmp_path))) == ["/1/2"]
    monkeypatch.setattr(server_root, "MOST_FOLDERS", 3)
    folders(tmp_path, *(f"many/{number}" for number in range(4)))
    assert list(mountable(str(tmp_path))) == ["/1/2", "/many"]


def test_so_many_folders_are_looked_into_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_root, "MOST_FOLDERS", 3)
    folders(tmp_path, "a/1", "b/1", "c/1")
    # The root, a and its folder are the three.
    assert list(mountable(str(tmp_path))) == ["/a/1", "/b", "/c"]


if os.geteuid() == 0:

    def with_mount(lister: ExportLister, tmp_path: Path, script: str) -> Path:
        """Have this run in place of mount, with `$target` and its words in the file that is returned."""
        program = tmp_path / "mount"
        words = tmp_path / "words"
        program.write_text(f'#!/bin/sh\necho "$@" > {words}\nfor target; do :; done\n{script}\n')
        program.chmod(0o755)
        lister._mount = (str(program),)
        return words

    def seen(tmp_path: Path) -> list[str]:
        return [entry.target for entry in read_mount_table().entries if entry.target.startswith(str(tmp_path))]

    async def test_the_root_is_looked_at_and_nobody_sees_it_mounted(lister: ExportLister, tmp_path: Path) -> None:
        words = with_mount(
            lister,
            tmp_path,
            f"""
            mount -t tmpfs none "$target" && mkdir -p "$target/srv/disk" "$target/srv/iso" &&
            mount -t tmpfs none "$target/srv/disk" && mkdir "$target/srv/disk/only" &&
            cp /proc/self/mountinfo {tmp_path}/mountinfo
            """,
        )
        # Another file system is no way to one.
        assert set(await lister.below_root(HOST, 20490)) == {"/srv/disk", "/srv/iso"}
        assert f" {tmp_path}/root/srv/disk " in (tmp_path / "mountinfo").read_text()
        assert words.read_text().split() == [
            *("-t", "nfs", "-o"),
            "nodev,nosuid,noexec,nfsvers=4,ro,nosharecache,soft,timeo=20,retrans=1,port=20490,retry=0",
            *("--", f"{HOST}:/", f"{tmp_path}/root"),
        ]
        assert not seen(tmp_path)
        assert not list((tmp_path / "root").iterdir())

    async def test_where_each_way_is_a_file_system_plain_folders_are_in_an_export(
        lister: ExportLister, tmp_path: Path
    ) -> None:
        # As the kernel's server shows these exports: /srv/nfs/data, /srv/iso with its folders, /srv/all and one in it.
        ways = ["", "/srv", "/srv/nfs", "/srv/nfs/data", "/srv/iso", "/srv/all", "/srv/all/own"]
        script = [f'mkdir -p "$target{way}" && mount -t tmpfs none "$target{way}" || exit 1' for way in ways]
        script.append('cd "$target/srv" && mkdir iso/a iso/b all/plain')
        with_mount(lister, tmp_path, "\n".join(script))
        assert set(await lister.below_root(HOST)) == {"/srv/all", "/srv/all/own", "/srv/iso", "/srv/nfs/data"}

    async def test_a_mount_that_fails_is_told_of_as_any_other(lister: ExportLister, tmp_path: Path) -> None:
        said = "mount.nfs: access denied by server while mounting 127.0.0.1:/"
        with_mount(lister, tmp_path, f"echo {said} >&2; exit 32")
        with pytest.raises(MountError) as failed:
            await lister.below_root(HOST)
        assert (failed.value.failure, failed.value.message) == (MountFailure.ACCESS_DENIED, said)

    async def test_a_root_that_hangs_is_given_up_and_gone(
        children: Children, lister: ExportLister, tmp_path: Path
    ) -> None:
        lister._look_timeout_s = 1.0
        with_mount(lister, tmp_path, 'mount -t tmpfs none "$target" && exec sleep 1000')
        with pytest.raises(MountError) as failed:
            await lister.below_root(HOST)
        assert failed.value.failure is MountFailure.TIMED_OUT
        assert not seen(tmp_path)
        assert children.stuck_count == 0

    async def test_an_agent_without_the_rights_says_so(
        lister: ExportLister, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(exports, "LOOK", ("setpriv", "--bounding-set", "-sys_admin", *exports.LOOK))
        with_mount(lister, tmp_path, "exit 0")
        with pytest.raises(MountError) as failed:
            await lister.below_root(HOST)
        assert failed.value.failure is MountFailure.NOT_PRIVILEGED
        assert "namespace" in failed.value.message

    async def test_where_mounts_are_shared_it_is_not_seen_either(
        lister: ExportLister, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outside = f'"$@"; status=$?; cp /proc/self/mountinfo {tmp_path}/outside; exit $status'
        shared = ("unshare", "--mount", "--propagation", "shared", "sh", "-c", outside, "sh")
        monkeypatch.setattr(exports, "LOOK", (*shared, *exports.LOOK))
        with_mount(lister, tmp_path, 'mount -t tmpfs none "$target"')
        assert await lister.below_root(HOST) == ("/",)
        mounts = (tmp_path / "outside").read_text()
        assert " shared:" in mounts
        assert f"{tmp_path}/root" not in mounts
