"""One real libvirtd of its own, reached by a socket in its folder: system as root, session as anybody else."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.embedded.process import NotReadyError, Process, wait_until
from scripts.embedded.standin import NetfsStandIn
from scripts.embedded.surroundings import surroundings

START_LIMIT_S = 90.0
STOP_LIMIT_S = 10.0

# A UNIX socket's path has at most 107 bytes, and libvirt appends up to 51 of its own below a session's home.
LONGEST_ROOT_BYTES = 56

# libvirt's remote protocol: length, program, version, procedure AUTH_LIST, type CALL, serial, status OK.
_AUTH_LIST = struct.pack(">7I", 28, 0x20008086, 1, 66, 0, 0, 0)


class EmbeddedLibvirtd:
    """A libvirtd that keeps all it has under `root`; what it has defined is there again after `restart()`.

    `root` is made where it is missing and is the caller's to remove, after `stop()`. As a context manager it runs
    within the block. With a `share` (root only) it can start netfs pools of that source.
    """

    def __init__(self, root: Path, *, host_uuid: uuid.UUID | None = None, share: NetfsStandIn | None = None) -> None:
        if len(os.fsencode(root)) > LONGEST_ROOT_BYTES or not root.is_absolute():
            raise ValueError(f"{root}: must be absolute, and at most {LONGEST_ROOT_BYTES} bytes long for its sockets")
        self.root = root
        self.host_uuid = host_uuid or uuid.uuid5(uuid.NAMESPACE_URL, root.as_uri())
        self.socket = root / "sock/libvirt-sock"
        self.log = root / "libvirtd.log"
        self.surroundings = surroundings(root, share)
        self._process = Process(root / "libvirtd.pid")

    @property
    def uri(self) -> str:
        """How to connect, from inside and outside."""
        return f"qemu:///{self.surroundings.scheme}?socket={self.socket}"

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it answers; raises NotReadyError with the end of its log, leaving nothing."""
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            self.surroundings.start()
            self._start_daemon()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and all else that runs in its surroundings, and wait for it; mounts go with their namespace."""
        self._process.stop(limit_s=STOP_LIMIT_S)
        self.surroundings.stop()

    def restart(self) -> None:
        """Start it again, after an end of whatever kind: the host around it, with its mounts, has stayed."""
        self._process.stop(limit_s=STOP_LIMIT_S)
        self._start_daemon()

    def kill9(self) -> None:
        """End it as a crash does; the rest of the host stays."""
        self._process.kill9()

    def sigstop(self) -> None:
        """Let it hang: sockets accept, nothing answers."""
        self._process.send(signal.SIGSTOP)

    def sigcont(self) -> None:
        """Let it go on."""
        self._process.send(signal.SIGCONT)

    def answers(self, timeout_s: float = 1.0) -> bool:
        """Whether it replies to a message of libvirt's protocol; that it accepts a connection says little."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(self.socket))
            connection.sendall(_AUTH_LIST)
            return len(connection.recv(4096)) > 0
        return False

    def learn_emulators_from(self, other: EmbeddedLibvirtd) -> None:
        """Take over what another host found out about the emulators, which takes seconds; before `start()`."""
        if other.surroundings.capabilities_cache.is_dir():
            target = self.surroundings.capabilities_cache
            shutil.copytree(other.surroundings.capabilities_cache, target, dirs_exist_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_daemon(self) -> None:
        self.socket.parent.mkdir(exist_ok=True)
        config = self.root / "libvirtd.conf"
        config.write_text(self._configuration())
        program = shutil.which("libvirtd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if program is None:
            raise FileNotFoundError("libvirtd is not installed (Debian: libvirt-daemon libvirt-daemon-system)")
        # No --timeout: it would leave when no connection is held, although a pool is active.
        argv = [program, f"--config={config}", f"--pid-file={self.root / 'libvirtd.lock'}"]
        self._process.start(self.surroundings.command(argv), env=self.surroundings.env, log=self.log)
        wait_until(self._ended_or_answers, limit_s=START_LIMIT_S, what="libvirtd answers")
        if self.pid is None:
            raise NotReadyError(f"libvirtd ended: {self.log.read_text()[-2000:]}")

    def _ended_or_answers(self) -> bool:
        return self.pid is None or self.answers()

    def _configuration(self) -> str:
        return f"""\
listen_tls = 0
listen_tcp = 0
unix_sock_dir = "{self.socket.parent}"
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
unix_sock_admin_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{self.host_uuid}"
log_outputs = "3:stderr"
"""
