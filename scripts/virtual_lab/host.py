"""A host of a lab: Debian's libvirtd, and poolfleet-agent by the unit that the project ships."""

from __future__ import annotations

import shlex
import urllib.request
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from poolfleet import TLS, Aborted, AgentClient, PoolfleetError
from scripts.embedded.process import NotReadyError, wait_until
from scripts.virtual_lab.machine import COMMAND_LIMIT_S, Completed, Machine
from scripts.virtual_lab.network import AGENT_PORT, METRICS_PORT
from scripts.virtual_lab.payload import SETTINGS, UNIT

READY_LIMIT_S = 180.0
# An agent takes its time here.
CALL_LIMIT_S = 60.0
METRICS_LIMIT_S = 60.0
CLEARED_LIMIT_S = 180.0
LOADED_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the agent's process takes of its host."""

    threads: int
    descriptors: int
    children: int
    memory_bytes: int


class Host(Machine):
    """A machine whose agent is reached from outside, with mutual TLS."""

    @property
    def target(self) -> str:
        """The address of its agent for a client."""
        return f"127.0.0.1:{self.ports[AGENT_PORT]}"

    @property
    def controller_tls(self) -> TLS:
        """What a controller shows to its agent."""
        return self._keys.controller

    def agent(self, *, timeout_s: float = CALL_LIMIT_S) -> AgentClient:
        """A client of its agent, for the caller to close."""
        return AgentClient(self.target, tls=self.controller_tls, timeout_s=timeout_s, name=self.name)

    def wait_agent(self, *, limit_s: float = READY_LIMIT_S) -> None:
        """Return when its agent answers and knows its host; raises NotReadyError with the end of its log."""
        with self.agent() as client:
            try:
                wait_until(lambda: _loaded(client), limit_s=limit_s, what=f"the agent of {self.name} answers")
            except NotReadyError as error:
                raise NotReadyError(f"{error}:\n{self.agent_log()[-3000:]}") from error

    def restart_agent(self) -> None:
        """Restart it as a person would, and wait until it answers."""
        self.ssh("systemctl restart poolfleet-agent", timeout_s=READY_LIMIT_S)
        self.wait_agent()

    def renew(self, code: Path) -> None:
        """Have its agent run what payload.collect_for_renewal put into `code`; returns when it answers.

        That outlives a boot of the machine, as all that is on its disks.
        """
        self.take_in(code)
        self.upgrade_agent()
        self.wait_agent()

    def take_in(self, code: Path) -> None:
        """Put what payload.collect_for_renewal made beside what its agent runs."""
        self.ssh("rm -rf /lab/code.new /lab/code.old")
        self.send_folder(code, "/lab/code.new")

    def upgrade_agent(self) -> None:
        """Stop its agent, and have what was taken in run in its place; it need not answer yet."""
        lines = (
            "systemctl stop poolfleet-agent",
            "mv /lab/code /lab/code.old && mv /lab/code.new /lab/code",
            f"mv /lab/code/{UNIT} /lab/code/{SETTINGS} /lab/",
            f"install -m 644 /lab/{UNIT} /etc/systemd/system/ && systemctl daemon-reload",
            "systemctl start --no-block poolfleet-agent",
        )
        self.ssh(" && ".join(lines), timeout_s=READY_LIMIT_S)

    def agent_log(self) -> str:
        """What it wrote since the machine's last boot."""
        return self.ssh("journalctl --boot --no-pager --output cat --unit poolfleet-agent")

    def metrics(self) -> str:
        """Its metrics, in Prometheus' text form."""
        url = f"http://127.0.0.1:{self.ports[METRICS_PORT]}/metrics"
        with urllib.request.urlopen(url, timeout=METRICS_LIMIT_S) as answer:
            text: str = answer.read().decode()
        return text

    def usage(self) -> Usage:
        """What its agent takes of it now."""
        self_of = "systemctl show --property MainPID --value poolfleet-agent"
        told = self.ssh(
            f"cd /proc/$({self_of}) && ls task | wc -l && ls fd | wc -l && cat task/*/children | wc -w"
            " && awk '/^VmRSS/ {print $2}' status"
        )
        threads, descriptors, children, memory_kib = (int(word) for word in told.split())
        return Usage(threads=threads, descriptors=descriptors, children=children, memory_bytes=memory_kib * 1024)

    def virsh(self, *words: str, timeout_s: float = COMMAND_LIMIT_S) -> str:
        """What virsh said; raises CommandError, and TimeoutExpired as of `ssh` where it hangs."""
        return self.ssh(f"virsh {shlex.join(words)}", timeout_s=timeout_s)

    def virsh_within(self, limit_s: float, *words: str) -> Completed | None:
        """How virsh ended; None where it did not end within `limit_s` seconds, and was killed in the machine."""
        done = self.ssh_any(f"timeout -k 1 {limit_s:g} virsh {shlex.join(words)}", timeout_s=limit_s + 60)
        return None if done.status in (124, 137) else done

    def define_guest(self, name: str, *paths: str) -> None:
        """Have its libvirt know a guest whose disks are these files; it never runs.

        It has no emulator, without which `virsh define` refuses. What is stored libvirt loads all the same, as on a
        host whose emulator was removed.
        """
        disks = "".join(
            f"<disk type='file'><driver name='qemu' type='raw'/><source file='{path}'/>"
            f"<target dev='vd{letter}'/></disk>"
            for letter, path in zip("abcdefgh", paths, strict=False)
        )
        document = (
            f"<domain type='qemu'><name>{name}</name><uuid>{uuid.uuid4()}</uuid><memory>65536</memory>"
            f"<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disks}</devices></domain>"
        )
        self.ssh(f"cat >/etc/libvirt/qemu/{name}.xml && systemctl reload libvirtd", stdin=document)
        wait_until(lambda: name in self.guests(), limit_s=LOADED_LIMIT_S, what=f"{self.name} has loaded {name}")

    def guests(self) -> list[str]:
        """The names of its guests."""
        return self.virsh("list", "--all", "--name").split()

    def mounts(self) -> list[str]:
        """The targets of its network mounts."""
        # Not findmnt, which would ask each of them.
        return self.ssh("awk '$3 ~ /^nfs[4]?$|^cifs$|glusterfs/ {print $2}' /proc/mounts").split()

    def clear(self) -> None:
        """Leave no pool, and no network mount, whatever a test did; needs a server that answers."""
        with self.agent(timeout_s=CLEARED_LIMIT_S) as client:
            for pool in list(client.pools.list()):
                # An inactive one too: the supervisor may just be at a start of it, of which an attempt takes its time.
                wait_until(
                    partial(_stopped, client, pool.name), limit_s=CLEARED_LIMIT_S, what=f"{pool.name} is stopped"
                )
                client.pools.undefine(pool.name, allow_missing=True)
        for target in reversed(self.mounts()):
            self.ssh(f"umount -f -l {shlex.quote(target)}")


def _stopped(client: AgentClient, pool: str) -> bool:
    try:
        client.pools.stop(pool, allow_in_use=True)
    except Aborted:
        return False
    return True


def _loaded(client: AgentClient) -> bool:
    try:
        return client.get().registry_loaded
    except PoolfleetError:
        return False
