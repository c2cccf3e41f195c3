"""One virtual machine: its qemu process, and what can be done to and in it from outside."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.embedded.process import NotReadyError, Process, wait_until
from scripts.virtual_lab.image import Image
from scripts.virtual_lab.keys import Keys
from scripts.virtual_lab.network import SSH_PORT, way_in

MEMORY_MIB = 1024
# What the image starts that a machine of this role has no use for.
UNUSED = {
    "server": ("libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "virtlogd.socket"),
    "host": ("nfs-server.service", "nfs-mountd.service", "nfsdcld.service", "nfs-idmapd.service"),
}
BOOT_LIMIT_S = 900.0
# One try to get in; a machine that is there answers in a few seconds.
SSH_TRY_S = 20.0
MONITOR_LIMIT_S = 60.0
# A command that does its work in a second natively, on a machine that others keep busy.
COMMAND_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command in a machine ended."""

    status: int
    out: str
    err: str


class CommandError(RuntimeError):
    """A command in a machine failed; the message has what it wrote."""


class Machine:
    """The machine `name`, whose files lie in `folder`; `ports`: port of 127.0.0.1 by port in the machine."""

    def __init__(self, name: str, folder: Path, keys: Keys, ports: Mapping[int, int]) -> None:
        self.name = name
        self.ports = ports
        self.console = folder / f"{name}.console"
        self.payload = folder / f"{name}.disk"
        self._keys = keys
        self._log = folder / f"{name}.qemu"
        self._monitor = folder / f"{name}.monitor"
        self._master = folder / f"{name}.ssh"
        self._process = Process(folder / f"{name}.pid")

    @property
    def pid(self) -> int | None:
        """The process id of its qemu; None where it does not run."""
        return self._process.pid

    def start(self, image: Image, *, role: str, links: Sequence[str]) -> None:
        """Switch it on, without waiting for it; `links`: what qemu is told of the lab's network."""
        kernel = ["root=/dev/vda", "rw", "console=ttyS0", "net.ifnames=0", "mitigations=off", "nokaslr", "quiet"]
        # Nothing is given up on because the machine is slow.
        kernel += ["fsck.mode=skip", "systemd.default_timeout_start_sec=600", f"systemd.hostname={self.name}"]
        kernel += [f"systemd.mask={unit}" for unit in UNUSED[role]]
        # Of what a machine writes to its disks nothing outlives its process.
        disks = [("-drive", f"file={disk},format=raw,if=virtio,snapshot=on") for disk in (image.disk, self.payload)]
        argv = [
            *("qemu-system-x86_64", "-name", self.name, "-no-user-config", "-nodefaults", "-display", "none"),
            *("-machine", "pc", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(MEMORY_MIB)),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", " ".join(kernel)),
            *(word for disk in disks for word in disk),
            *("-device", "virtio-rng-pci", "-serial", f"file:{self.console}"),
            *("-qmp", f"unix:{self._monitor},server=on,wait=off"),
            *way_in(self.ports),
            *links,
        ]
        self._process.start(argv, log=self._log)

    def wait_booted(self, *, limit_s: float = BOOT_LIMIT_S) -> None:
        """Return when commands can be run in it; raises NotReadyError, with the end of what it said."""
        try:
            wait_until(self._answers_or_ended, limit_s=limit_s, what=f"{self.name} lets ssh in")
        except NotReadyError as error:
            raise NotReadyError(f"{error}; its console: {_end(self.console)}") from error
        if self.pid is None:
            raise NotReadyError(f"the qemu of {self.name} ended: {_end(self._log)}")

    def wait_settled(self) -> None:
        """As wait_booted where it was reset, and nobody has waited for it yet; else return at once."""
        if not self._master.exists():
            self.wait_booted()

    def ssh_command(self, *words: str) -> list[str]:
        """The command line that runs these words of its shell in the machine, or without any a shell for a person."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "15",
            "ControlPath": str(self._master),
            "HostKeyAlias": "lab",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self._keys.ssh_identity),
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self._keys.known_hosts),
        }
        told = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", *told, "-p", str(self.ports[SSH_PORT]), "root@127.0.0.1", *words]

    def ssh(self, command: str, *, timeout_s: float = COMMAND_LIMIT_S, stdin: str = "") -> str:
        """What `command`, for its shell, wrote to standard output.

        Raises CommandError where it failed, subprocess.TimeoutExpired where it did not end; it may go on in there then.
        """
        done = self.ssh_any(command, timeout_s=timeout_s, stdin=stdin)
        if done.status != 0:
            raise CommandError(f"{self.name}: `{command}` ended with {done.status}: {done.err or done.out}")
        return done.out

    def ssh_any(self, command: str, *, timeout_s: float = COMMAND_LIMIT_S, stdin: str = "") -> Completed:
        """Run it whatever comes of it; raises subprocess.TimeoutExpired."""
        argv = self.ssh_command(command)
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def send_folder(self, folder: Path, target: str, *, timeout_s: float = COMMAND_LIMIT_S) -> None:
        """Put what lies in `folder` into the folder `target` of the machine, which is made where it is not there.

        Raises CommandError.
        """
        packed = subprocess.run(["tar", "-C", str(folder), "-c", "."], check=True, stdout=subprocess.PIPE).stdout
        there = shlex.quote(target)
        argv = self.ssh_command(f"mkdir -p {there} && tar -C {there} --no-same-owner -x")
        done = subprocess.run(argv, input=packed, capture_output=True, timeout=timeout_s, check=False)
        if done.returncode != 0:
            raise CommandError(f"{self.name}: {target} was not written: {done.stderr.decode(errors='replace')}")

    def freeze(self) -> None:
        """Let nothing in it go on: to all others it falls silent."""
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        self._process.send(signal.SIGCONT)

    def reset(self) -> None:
        """Switch it off and on, as by a power cut; its disks stay as they are. Wait for it by `wait_booted`."""
        self._drop_ssh()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(MONITOR_LIMIT_S)
            connection.connect(str(self._monitor))
            answers = connection.makefile("rb")
            answers.readline()
            for command in ("qmp_capabilities", "system_reset"):
                connection.sendall(json.dumps({"execute": command}).encode())
                while "return" not in (answer := json.loads(answers.readline())):
                    if "error" in answer:
                        raise CommandError(f"{self.name}: qemu refused {command}: {answer['error']}")

    def stop(self) -> None:
        """Switch it off, and wait until it is gone."""
        self._drop_ssh()
        self._process.stop()

    def _open_ssh(self) -> bool:
        """Make the connection that all commands share, for each of its own would take seconds; whether it came about.

        A process of its own holds it, which must not inherit the pipes that a command is read by.
        """
        first, *rest = self.ssh_command()
        try:
            return _silently([first, "-MNf", *rest], limit_s=SSH_TRY_S) == 0
        except subprocess.TimeoutExpired:
            return False

    def _drop_ssh(self) -> None:
        if self._master.exists():
            first, *rest = self.ssh_command()
            _silently([first, "-O", "exit", *rest], limit_s=SSH_TRY_S)
            self._master.unlink(missing_ok=True)

    def _answers_or_ended(self) -> bool:
        return self.pid is None or self._open_ssh()


def _silently(argv: Sequence[str], *, limit_s: float) -> int:
    nowhere = subprocess.DEVNULL
    return subprocess.run(argv, check=False, stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=limit_s).returncode


def _end(file: Path) -> str:
    with file.open("rb") as handle:
        handle.seek(max(0, os.fstat(handle.fileno()).st_size - 2000))
        return handle.read().decode(errors="replace")
