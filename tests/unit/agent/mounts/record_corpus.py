"""Records what mount programs say when they fail, as entries of corpus/: run as a program, by root, with Python alone.

`record_corpus.py here` records again all that needs no NFS in the kernel and no server (HERE below), on a machine with
mount.nfs and mount.cifs (Debian: nfs-common, cifs-utils); nothing leaves the machine.
`record_corpus.py one NAME KIND SITUATION COMMAND…` records one command, for what needs a server: its standard error,
beside KIND (of model.mount_failure), which is the person's word for what the situation is.
Each command finds the folder /mnt/vm_data and the file /mnt/file, in a mount namespace of its own; in the SITUATION
`no-resolver` it has a resolver that is not there. Entries that nobody has recorded yet say where they are from.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
TARGET = "/mnt/vm_data"
LIMIT_S = 300

_INSIDE = """\
mount -t tmpfs tmpfs /mnt && mkdir /mnt/vm_data && touch /mnt/file
if [ "$1" = no-resolver ]; then
    echo nameserver 127.0.0.9 >/mnt/resolv.conf && mount --bind /mnt/resolv.conf /etc/resolv.conf
fi
shift
exec "$@"
"""


def _nfs(options: str = "retry=0", *, source: str = "127.0.0.1:/export", target: str = TARGET) -> list[str]:
    return ["mount.nfs", source, target, "-o", options]


def _cifs(options: str = "guest", *, source: str = "//127.0.0.1/share", target: str = TARGET) -> list[str]:
    return ["mount.cifs", source, target, "-o", options]


NOBODY = ["setpriv", "--reuid=65534", "--clear-groups"]

HERE: dict[str, tuple[str, str, list[str]]] = {
    "nfs-name-unknown": ("NAME_UNKNOWN", "no such name", _nfs(source="no-such-name.invalid:/export")),
    "nfs-name-temporary": ("SERVER_BUSY", "no-resolver", _nfs(source="nfs.example.net:/export")),
    "nfs-refused-v3": ("CONNECTION_REFUSED", "no rpcbind there", _nfs("retry=0,nfsvers=3,nolock")),
    "nfs-refused-v3-ports": ("CONNECTION_REFUSED", "none there", _nfs("retry=0,nfsvers=3,nolock,port=1,mountport=1")),
    "nfs-refused-ipv6": ("CONNECTION_REFUSED", "no rpcbind", _nfs("retry=0,nfsvers=3,nolock", source="[::1]:/export")),
    "nfs-no-statd": ("RPC_NOT_REGISTERED", "our own rpc.statd does not run", _nfs("retry=0,nfsvers=3")),
    "nfs-target-missing": ("TARGET_MISSING", "no target", _nfs(target="/mnt/missing")),
    "nfs-target-file": ("TARGET_MISSING", "the target is a file", _nfs(target="/mnt/file")),
    "nfs-version-2": ("NOT_SUPPORTED", "a version that is no more", _nfs("retry=0,nfsvers=2")),
    "nfs-protocol": ("NOT_SUPPORTED", "no such transport", _nfs("retry=0,nfsvers=4,proto=tcp9")),
    "nfs-option-value": ("BAD_OPTION", "an odd version", _nfs("retry=0,nfsvers=x")),
    "nfs-no-path": ("BAD_OPTION", "a source without a path", _nfs(source="127.0.0.1")),
    "nfs-bracket": ("BAD_OPTION", "an IPv6 address with one bracket", _nfs(source="[::1:/export")),
    "nfs-not-root": ("NOT_PRIVILEGED", "an ordinary user", [*NOBODY, *_nfs()]),
    "mount-not-root": ("NOT_PRIVILEGED", "an ordinary user", [*NOBODY, "mount", "-t", "tmpfs", "x", TARGET]),
    "mount-target-missing": ("TARGET_MISSING", "no target", ["mount", "-t", "tmpfs", "x", "/mnt/missing"]),
    "mount-no-helper": ("HELPER_MISSING", "a kernel and a host without it", ["mount", "-t", "nfsx", "h:/e", TARGET]),
    "mount-bad-option": (
        "HELPER_MISSING",
        "what the kernel refuses, without a helper",
        ["mount", "-t", "tmpfs", "-o", "x=1", "x", TARGET],
    ),
    "cifs-name-unknown": ("NAME_UNKNOWN", "no such name", _cifs(source="//no-such-name.invalid/share")),
    "cifs-target-missing": ("TARGET_MISSING", "no target", _cifs(target="/mnt/missing")),
    "cifs-credentials": ("BAD_OPTION", "no file of credentials", _cifs("credentials=/mnt/missing")),
    "cifs-no-share": ("BAD_OPTION", "a source that is none", _cifs(source="127.0.0.1/share")),
}


def record(name: str, kind: str, situation: str, command: list[str]) -> None:
    """Run a command that has to fail, and write its entry."""
    inside = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _INSIDE, "sh", situation, *command]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    finished = subprocess.run(inside, env=environment, stderr=subprocess.PIPE, timeout=LIMIT_S, check=False)
    if finished.returncode == 0:
        sys.exit(f"{name}: {' '.join(command)} did not fail")
    lines = [
        f"# kind: {kind}",
        f"# how: recorded, on {platform.freedesktop_os_release()['PRETTY_NAME']}, {platform.machine()}",
        f"# situation: {situation}",
        f"# command: {' '.join(command)}",
        f"# status: {finished.returncode}",
        finished.stderr.decode(),
    ]
    (CORPUS / f"{name}.txt").write_text("\n".join(lines))


if __name__ == "__main__":
    if sys.argv[1:] == ["here"]:
        for name, entry in HERE.items():
            record(name, *entry)
    else:
        one, name, kind, situation, *command = sys.argv[1:]
        if one != "one" or not command:
            sys.exit(__doc__)
        record(name, kind, situation, command)
