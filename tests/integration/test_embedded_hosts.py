"""The hosts that the other tests stand on: apart from each other and from the machine's libvirt, and gone after."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.embedded.libvirtd import LONGEST_ROOT_BYTES, EmbeddedLibvirtd
from scripts.embedded.process import NotReadyError, Process, started_at_ticks, wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.integration.leftovers import processes_naming

IS_ROOT = os.geteuid() == 0
LIMIT_S = 60

DOMAIN = """\
<domain type='qemu'>
  <name>guest</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{path}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


def virsh(daemon: EmbeddedLibvirtd, *words: str) -> str:
    """What `virsh WORDS` prints on that host; fails the test where virsh fails."""
    done = subprocess.run(
        ["virsh", "--quiet", "--connect", daemon.uri, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def make_dir_pool(daemon: EmbeddedLibvirtd, name: str, target: Path) -> None:
    virsh(daemon, "pool-define-as", name, "dir", "--target", str(target))
    virsh(daemon, "pool-build", name)
    virsh(daemon, "pool-start", name)


def machines_own_libvirt() -> dict[str, float]:
    """The files of the libvirt that this user would use without us, with the time of their last change."""
    home = Path.home()
    folders = [Path("/etc/libvirt"), Path("/run/libvirt"), Path("/var/lib/libvirt"), Path("/var/cache/libvirt")]
    folders += [home / ".config/libvirt", home / ".cache/libvirt", Path(f"/run/user/{os.getuid()}/libvirt")]
    return {
        str(path): path.lstat().st_mtime for folder in folders for path in [folder, *folder.rglob("*")] if path.exists()
    }


@pytest.fixture(scope="module")
def pair(short_dir: Path) -> Iterator[tuple[EmbeddedLibvirtd, EmbeddedLibvirtd]]:
    with EmbeddedLibvirtd(short_dir / "a") as one, EmbeddedLibvirtd(short_dir / "b") as other:
        yield one, other


Pair = tuple[EmbeddedLibvirtd, EmbeddedLibvirtd]


def test_two_hosts_know_nothing_of_each_other(pair: Pair, short_dir: Path) -> None:
    one, other = pair
    make_dir_pool(one, "only_here", short_dir / "only_here")
    assert "only_here" in virsh(one, "pool-list", "--all")
    assert "only_here" not in virsh(other, "pool-list", "--all")
    assert one.host_uuid != other.host_uuid


def test_a_host_reports_its_own_uuid(pair: Pair) -> None:
    one, _ = pair
    assert str(one.host_uuid) in virsh(one, "capabilities")


def test_two_hosts_see_one_folder_and_a_guest_can_use_what_lies_in_it(pair: Pair, short_dir: Path) -> None:
    one, other = pair
    for daemon in pair:
        make_dir_pool(daemon, "shared", short_dir / "shared")
    virsh(one, "vol-create-as", "shared", "disk.qcow2", "1G", "--format", "qcow2")
    virsh(other, "pool-refresh", "shared")
    path = virsh(other, "vol-path", "disk.qcow2", "--pool", "shared")
    definition = short_dir / "guest.xml"
    definition.write_text(DOMAIN.format(path=path))
    virsh(other, "define", str(definition))
    assert path in virsh(other, "domblklist", "guest")
    assert "guest" not in virsh(one, "list", "--all")


def test_what_is_defined_and_active_is_there_again_after_a_crash(pair: Pair, short_dir: Path) -> None:
    one, _ = pair
    make_dir_pool(one, "stays", short_dir / "stays")
    one.kill9()
    assert one.pid is None
    assert not one.answers()
    one.restart()
    assert "stays" in virsh(one, "pool-list")


def test_a_stopped_host_accepts_and_does_not_answer(pair: Pair) -> None:
    one, other = pair
    one.sigstop()
    try:
        assert not one.answers()
        assert other.answers(timeout_s=LIMIT_S)
    finally:
        one.sigcont()
    assert one.answers(timeout_s=LIMIT_S)


def test_nothing_is_left_after_a_stop(short_dir: Path) -> None:
    root = short_dir / "gone"
    before = machines_own_libvirt()
    with EmbeddedLibvirtd(root) as daemon:
        make_dir_pool(daemon, "p", short_dir / "p")
        assert processes_naming(root)
        daemon.sigstop()
    assert processes_naming(root) == []
    assert daemon.surroundings.pids() == []
    assert str(root) not in Path("/proc/mounts").read_text()
    assert machines_own_libvirt() == before


def test_an_equal_object_stops_what_another_started(short_dir: Path) -> None:
    root = short_dir / "kept"
    EmbeddedLibvirtd(root).start()
    later = EmbeddedLibvirtd(root)
    assert later.answers(timeout_s=LIMIT_S)
    later.stop()
    assert not later.answers()
    assert processes_naming(root) == []


def test_a_failed_start_says_why_and_leaves_nothing(short_dir: Path) -> None:
    root = short_dir / "bad"
    (root / "libvirtd.lock").mkdir(parents=True)
    with pytest.raises(NotReadyError, match=r"libvirtd\.lock"):
        EmbeddedLibvirtd(root).start()
    assert processes_naming(root) == []


def test_a_folder_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes long"):
        EmbeddedLibvirtd(Path("/" + "x" * LONGEST_ROOT_BYTES))


def test_a_pid_that_was_given_to_another_process_is_not_touched(short_dir: Path) -> None:
    with subprocess.Popen(["sleep", str(LIMIT_S)]) as stranger:
        try:
            pid_file = short_dir / "reused.pid"
            pid_file.write_text(f"{stranger.pid} 1")
            process = Process(pid_file)
            assert process.pid is None
            process.stop()
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_process_that_ignores_the_request_to_end_is_killed(short_dir: Path) -> None:
    process = Process(short_dir / "deaf.pid")
    ready = short_dir / "deaf.ready"
    process.start(["sh", "-c", f"trap '' TERM; : >{ready}; exec sleep {LIMIT_S}"])
    wait_until(ready.exists, limit_s=LIMIT_S, what="the process ignores SIGTERM")
    pid = process.pid
    assert pid is not None
    process.stop(limit_s=0.2)
    assert started_at_ticks(pid) is None


if IS_ROOT:

    def test_hosts_share_what_a_netfs_pool_mounts(short_dir: Path) -> None:
        with (
            NetfsStandIn(short_dir / "nfs") as share,
            EmbeddedLibvirtd(short_dir / "n1", share=share) as one,
            EmbeddedLibvirtd(short_dir / "n2", share=share) as other,
        ):
            for daemon in (one, other):
                where = ["--source-host", share.host, "--source-path", share.path, "--target", f"{daemon.root}/mnt"]
                virsh(daemon, "pool-define-as", "vm_data", "netfs", *where)
                virsh(daemon, "pool-build", "vm_data")
                virsh(daemon, "pool-start", "vm_data")
                mounts = subprocess.check_output(daemon.surroundings.command(["cat", "/proc/mounts"]), text=True)
                assert f"{share.source} {daemon.root}/mnt " in mounts
            virsh(one, "vol-create-as", "vm_data", "disk.raw", "1M")
            virsh(other, "pool-refresh", "vm_data")
            assert "disk.raw" in virsh(other, "vol-list", "vm_data")
            one.kill9()
            one.restart()
            assert "disk.raw" in virsh(one, "vol-list", "vm_data")
            virsh(one, "pool-destroy", "vm_data")
            mounts = subprocess.check_output(one.surroundings.command(["cat", "/proc/mounts"]), text=True)
            assert f"{one.root}/mnt" not in mounts
        assert share.source not in Path("/proc/mounts").read_text()

    def test_another_share_is_refused_as_a_server_would(short_dir: Path) -> None:
        with NetfsStandIn(short_dir / "nfs2") as share, EmbeddedLibvirtd(short_dir / "n3", share=share) as daemon:
            where = ["--source-host", "other.test", "--source-path", "/export", "--target", f"{daemon.root}/mnt"]
            virsh(daemon, "pool-define-as", "vm_data", "netfs", *where)
            virsh(daemon, "pool-build", "vm_data")
            with pytest.raises(AssertionError, match=r"access denied by server while mounting other\.test:/export"):
                virsh(daemon, "pool-start", "vm_data")

else:

    def test_a_netfs_share_needs_root(short_dir: Path) -> None:
        with pytest.raises(ValueError, match="needs root"):
            EmbeddedLibvirtd(short_dir / "n", share=NetfsStandIn(short_dir / "nfs"))
