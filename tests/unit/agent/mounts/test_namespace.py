"""Whether libvirt sees what the agent mounts: the listener on its socket tells, else process 1."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from poolfleet_agent.mounts.namespace import libvirt_sockets, shares_namespace_with_libvirt

LISTEN = """\
import socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("listens", flush=True)
sys.stdin.read()
"""


def as_process_1() -> bool:
    try:
        return os.readlink("/proc/self/ns/mnt") == os.readlink("/proc/1/ns/mnt")
    except PermissionError:
        return False


def answer_beside_a_listener(path: Path, *command: str) -> bool:
    argv = [*command, sys.executable, "-c", LISTEN, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == b"listens\n"
        answer = shares_namespace_with_libvirt([path.with_name("missing"), path])
        listener.communicate(timeout=60)
    return answer


def test_a_listener_in_our_namespace(tmp_path: Path) -> None:
    assert answer_beside_a_listener(tmp_path / "sock")


if os.geteuid() == 0:

    def test_a_listener_in_another_one(tmp_path: Path) -> None:
        assert not answer_beside_a_listener(tmp_path / "sock", "unshare", "--mount", "--propagation", "private")

    def test_a_listener_that_our_process_numbers_do_not_name(tmp_path: Path) -> None:
        outside = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]
        script = "import sys; from pathlib import Path; from poolfleet_agent.mounts.namespace import *\n"
        script += "print(shares_namespace_with_libvirt([Path(sys.argv[1])]))"
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "sock"))
            listening.listen()
            argv = [*outside, sys.executable, "-c", script, str(tmp_path / "sock")]
            said = subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout
        assert said == b"False\n"


@pytest.mark.parametrize("kind", ["missing", "dead", "full"])
def test_where_nobody_can_be_asked_process_1_counts(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as waiting:
        if kind != "missing":
            listening.bind(str(path))
        if kind == "full":
            listening.listen(0)
            waiting.connect(str(path))
        assert shares_namespace_with_libvirt([path]) == as_process_1()


@pytest.mark.parametrize(
    ("uri", "sockets"),
    [
        ("qemu:///system", ["/run/libvirt/virtqemud-sock", "/run/libvirt/libvirt-sock"]),
        ("storage:///system", ["/run/libvirt/virtstoraged-sock", "/run/libvirt/libvirt-sock"]),
        ("qemu:///session", ["/run/user/7/libvirt/virtqemud-sock", "/run/user/7/libvirt/libvirt-sock"]),
        ("qemu:///system?socket=/tmp/a%20b/libvirt-sock", ["/tmp/a b/libvirt-sock"]),
        ("qemu+unix:///system?socket=/x", ["/x"]),
        ("test:///default", []),
        ("qemu+ssh://root@host/system", []),
    ],
)
def test_where_libvirt_listens(uri: str, sockets: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert [str(path) for path in libvirt_sockets(uri)] == sockets
