"""What mount programs say when a real server fails them, recorded in a lab for the corpus of the tests."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.machine import CommandError
from scripts.virtual_lab.recipe import CHECKOUT
from scripts.virtual_lab.server import Server

MOUNTS = CHECKOUT / "tests/unit/agent/mounts"
RECORDER = MOUNTS / "record_corpus.py"
TARGET = "/mnt/vm_data"
SHARE = "nfs.lab:/srv/nfs/vm_data"
BRIEFLY = "retry=0,soft,timeo=20,retrans=1"
NOBODY = "setpriv --reuid=65534 --clear-groups"
LIMIT_S = 400.0


@dataclass(frozen=True, slots=True)
class Situation:
    """One entry of the corpus: its name, its kind and why, the command, and what the server does meanwhile."""

    name: str
    kind: str
    why: str
    command: str
    server: Callable[[Server], None] | None = None


def _mount(options: str = "retry=0", source: str = SHARE) -> str:
    return f"mount.nfs {source} {TARGET} -o {options}"


def _cifs(share: str = "vm_data", *, server: str = "nfs.lab", options: str = "guest") -> str:
    return f"mount.cifs //{server}/{share} {TARGET} -o {options}"


def _twice(command: str) -> str:
    return f"sh -c '{command} && exec {command}'"


def _without_version_3(server: Server) -> None:
    server.ssh("printf '[nfsd]\\nvers3=n\\n' >/etc/nfs.conf.d/z.conf; systemctl restart nfs-server", timeout_s=LIMIT_S)


def _without_rpcbind(server: Server) -> None:
    server.ssh("systemctl stop rpcbind.socket rpcbind.service", timeout_s=LIMIT_S)


def _with_a_silent_rpcbind(server: Server) -> None:
    server.silent_on(111)


def _with_a_file(server: Server) -> None:
    server.ssh("touch /srv/nfs/vm_data/file")


SITUATIONS = (
    Situation(
        "nfs-access-denied",
        "ACCESS_DENIED",
        "an export that is missing",
        _mount("retry=0,nfsvers=3", "nfs.lab:/srv/missing"),
    ),
    Situation(
        "nfs-no-such-folder",
        "NO_SUCH_EXPORT",
        "a folder that is not below the export",
        _mount(source=f"{SHARE}/missing"),
    ),
    Situation(
        "nfs-no-folder", "NO_SUCH_EXPORT", "a file in place of a folder", _mount(source=f"{SHARE}/file"), _with_a_file
    ),
    Situation("nfs-no-route", "NO_ROUTE", "the server is off", _mount("retry=0,nfsvers=4.2", "10.77.0.99:/export")),
    Situation(
        "nfs-network-unreachable",
        "NETWORK_UNREACHABLE",
        "the host has no way there",
        _mount(source="10.88.0.1:/export"),
    ),
    Situation("nfs-option", "BAD_OPTION", "an option that is none", _mount("retry=0,no_such_option")),
    Situation(
        "nfs-refused",
        "CONNECTION_REFUSED",
        "nothing listens on port 2049",
        _mount("retry=0,nfsvers=4.2"),
        Server.refuse,
    ),
    Situation(
        "nfs-v3-refused",
        "CONNECTION_REFUSED",
        "version 3, nothing listens",
        _mount("retry=0,nfsvers=3"),
        Server.refuse,
    ),
    Situation("nfs-silent", "TIMED_OUT", "packets are dropped", _mount(f"{BRIEFLY},nfsvers=4.2"), Server.silent),
    Situation(
        "nfs-v3-silent",
        "TIMED_OUT",
        "version 3, packets are dropped",
        _mount(f"{BRIEFLY},nfsvers=3"),
        Server.silent,
    ),
    Situation(
        "nfs-v3-not-served",
        "NOT_SUPPORTED",
        "version 3, nfsd does not run: the words of a version that is not there",
        _mount("retry=0,nfsvers=3"),
        Server.stop_serving,
    ),
    Situation(
        "nfs-portmap-refused",
        "CONNECTION_REFUSED",
        "version 3, no rpcbind on the server",
        _mount("retry=0,nfsvers=3"),
        _without_rpcbind,
    ),
    Situation(
        "nfs-portmap-timed-out",
        "TIMED_OUT",
        "version 3, a silent rpcbind",
        _mount(f"{BRIEFLY},nfsvers=3"),
        _with_a_silent_rpcbind,
    ),
    Situation(
        "nfs-not-permitted",
        "NOT_PRIVILEGED",
        "root without the right to mount",
        f"setpriv --bounding-set -sys_admin {_mount()}",
    ),
    Situation("mount-already", "TARGET_BUSY", "the same source is there", _twice(f"mount /dev/vdb {TARGET}")),
    Situation("mount-target-file", "TARGET_MISSING", "the target is a file", "mount -t tmpfs tmpfs /mnt/file"),
    Situation("mount-only-root", "NOT_PRIVILEGED", "an ordinary user", f"{NOBODY} mount -t tmpfs tmpfs {TARGET}"),
    Situation(
        "nfs-fstab-options", "NOT_PRIVILEGED", "an ordinary user, as in a session daemon", f"{NOBODY} {_mount()}"
    ),
    Situation("cifs-login", "LOGIN_FAILED", "a share that is closed to guests", _cifs("closed")),
    Situation("cifs-no-such-share", "NO_SUCH_EXPORT", "a share that is missing", _cifs("missing")),
    Situation(
        "cifs-version", "NOT_SUPPORTED", "a version that the server does not have", _cifs(options="guest,vers=1.0")
    ),
    Situation("cifs-busy", "TARGET_BUSY", "the same share is there", _twice(_cifs())),
    Situation("cifs-no-route", "NO_ROUTE", "the server is off", _cifs(server="10.77.0.99")),
    Situation("cifs-refused", "CONNECTION_REFUSED", "nothing listens on port 445", _cifs(), Server.refuse),
    Situation("cifs-host-down", "TIMED_OUT", "packets are dropped", _cifs(), Server.silent),
    Situation(
        "nfs-version",
        "NOT_SUPPORTED",
        "the server does not have the version",
        _mount("retry=0,nfsvers=3"),
        _without_version_3,
    ),
)


def record_mount_texts(lab: Lab, tell: Callable[[str], None]) -> int:
    """Record all of them again into the checkout; how many did not fail as they should, which `tell` hears of."""
    host = lab.hosts[0]
    host.ssh("mkdir -p /root/recording/corpus && cat >/root/recording/record_corpus.py", stdin=RECORDER.read_text())
    lab.server.start_smb()
    missed = 0
    for situation in SITUATIONS:
        try:
            with _server_in(lab.server, situation):
                text = _record(host, situation)
        except CommandError as error:
            missed += 1
            tell(f"{situation.name}: {error}")
            continue
        (MOUNTS / "corpus" / f"{situation.name}.txt").write_text(text)
        tell(f"{situation.name}: {text.splitlines()[5]}")
    return missed


@contextmanager
def _server_in(server: Server, situation: Situation) -> Iterator[None]:
    if situation.server is None:
        yield
        return
    try:
        situation.server(server)
        yield
    finally:
        server.heal()
        server.ssh(
            "rm -f /etc/nfs.conf.d/z.conf /srv/nfs/vm_data/file;"
            " systemctl start rpcbind.socket; systemctl restart nfs-server",
            timeout_s=LIMIT_S,
        )


def _record(host: Host, situation: Situation) -> str:
    words = [situation.name, situation.kind, situation.why, *shlex.split(situation.command)]
    host.ssh(f"cd /root/recording && python3 record_corpus.py one {shlex.join(words)}", timeout_s=LIMIT_S)
    return host.ssh(f"cat /root/recording/corpus/{situation.name}.txt")
