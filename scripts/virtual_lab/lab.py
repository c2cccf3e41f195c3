"""A whole lab: one NFS server and its hosts, in one folder that is enough to find it again."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.embedded.process import NotReadyError, wait_until
from scripts.virtual_lab import network, payload
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.image import cached_image
from scripts.virtual_lab.keys import Keys, make_keys
from scripts.virtual_lab.machine import Machine
from scripts.virtual_lab.server import Server

LINK_LIMIT_S = 60.0
# A UNIX socket's path has at most 107 bytes; ssh adds some of its own to one.
LONGEST_ROOT = 70


class Lab:
    """The machines below `root`; `ports`: of 127.0.0.1, by machine and by port in it."""

    def __init__(self, root: Path, ports: Mapping[str, Mapping[int, int]]) -> None:
        self.root = root
        self.file = root / "fleet.toml"
        self._ports = ports
        self._keys = Keys(root / "keys")
        self.server = Server(network.SERVER, root, self._keys, ports[network.SERVER])
        self.hosts = [Host(name, root, self._keys, ports[name]) for name in network.HOSTS]
        self.machines: list[Machine] = [self.server, *self.hosts]

    @classmethod
    def new(cls, root: Path) -> Lab:
        """A lab that is not started yet, in an empty folder; raises ValueError where its path is too long."""
        if len(str(root)) > LONGEST_ROOT:
            raise ValueError(f"{root} is too long for sockets: choose a folder of at most {LONGEST_ROOT} bytes")
        return cls(root, network.free_ports(network.PORTS))

    @classmethod
    def found_in(cls, root: Path) -> Lab:
        """The lab that was started in this folder, by whomever; raises FileNotFoundError where there is none."""
        try:
            listed = json.loads((root / "ports.json").read_text())
        except FileNotFoundError:
            raise FileNotFoundError(f"no lab is up in {root}: scripts/lab up makes one") from None
        return cls(root, {name: {int(there): here for there, here in ports.items()} for name, ports in listed.items()})

    def machine(self, name: str) -> Machine:
        """The machine of that name; raises ValueError."""
        for machine in self.machines:
            if machine.name == name:
                return machine
        raise ValueError(f"there is no machine {name}: {', '.join(machine.name for machine in self.machines)}")

    def up(self, tell: Callable[[str], None]) -> None:
        """Start all machines and return when server and agents are ready; `tell` hears how far it is.

        Raises ImageError and NotReadyError; `down` is then still to be called.
        """
        image = cached_image(tell)
        began = time.monotonic()
        # First, so that whatever happens later can be ended by who finds the file.
        (self.root / "ports.json").write_text(json.dumps(self._ports))
        make_keys(self._keys.folder, network.HOSTS)
        self._make_payloads()
        links = [network.Link(self.root / f"{host.name}.link", number) for number, host in enumerate(self.hosts, 1)]
        self.server.start(image, role="server", links=[word for link in links for word in link.server_end()])
        for host, link in zip(self.hosts, links, strict=True):
            wait_until(link.path.exists, limit_s=LINK_LIMIT_S, what="the server's qemu opens its links")
            host.start(image, role="host", links=link.host_end())
        self.file.write_text(self._fleet_file(), encoding="utf-8")

        def report(what: str) -> None:
            tell(f"{what} after {time.monotonic() - began:.0f} s")

        with ThreadPoolExecutor(len(self.machines)) as pool:
            try:
                for ready in [pool.submit(_wait_ready, machine, report) for machine in self.machines]:
                    ready.result()
            except BaseException:
                # Or the others would be waited for until their limits.
                self._switch_off()
                raise

    def push(self) -> None:
        """Have the agents run the checkout's code as it is now, by the unit and the settings that are in it."""
        with tempfile.TemporaryDirectory(dir=self.root) as scratch, ThreadPoolExecutor(len(self.hosts)) as pool:
            code = Path(scratch, "code")
            payload.collect_for_renewal(code)
            for renewed in [pool.submit(host.renew, code) for host in self.hosts]:
                renewed.result()

    def down(self) -> None:
        """Switch every machine off and remove what lies in `root`; raises NotReadyError where one does not end."""
        if failures := self._switch_off():
            raise NotReadyError(f"not ended: {'; '.join(failures)}; what is known of them is still in {self.root}")
        shutil.rmtree(self.root)

    def _switch_off(self) -> list[str]:
        """End every machine; which of them did not, and why."""
        failures = []
        for machine in self.machines:
            try:
                machine.stop()
            except (OSError, RuntimeError) as error:
                failures.append(f"{machine.name}: {error}")
        return failures

    def _make_payloads(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.root) as scratch:
            code = Path(scratch, "code")
            payload.collect_code(code)
            payload.server_disk(self.server.payload, self._keys)
            for host in self.hosts:
                payload.host_disk(host.payload, host.name, self._keys, code)

    def _fleet_file(self) -> str:
        # A string is written in TOML as in JSON.
        tls = self._keys.controller
        files = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
        inline = ", ".join(f"{name} = {json.dumps(str(file.relative_to(self.root)))}" for name, file in files.items())
        lines = ["[defaults]", "timeout_s = 60", f"tls = {{ {inline} }}", ""]
        for host in self.hosts:
            lines += ["[[host]]", f"name = {json.dumps(host.name)}", f"target = {json.dumps(host.target)}", ""]
        return "\n".join(lines)


def _wait_ready(machine: Machine, report: Callable[[str], None]) -> None:
    machine.wait_booted()
    report(f"{machine.name}: booted")
    if isinstance(machine, Server):
        machine.wait_serving()
        report(f"{machine.name}: exports")
    elif isinstance(machine, Host):
        machine.wait_agent()
        report(f"{machine.name}: its agent answers")
