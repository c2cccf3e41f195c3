"""Keys of one lab: ssh's for all machines, and certificates with which agents and controller know each other."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme

from poolfleet import TLS


@dataclass(frozen=True, slots=True)
class Keys:
    """Where a lab's keys lie; nothing but `make_keys` makes them."""

    folder: Path

    @property
    def ssh_identity(self) -> Path:
        """The private key that all machines let in."""
        return self.folder / "identity"

    @property
    def ssh_host_key(self) -> Path:
        """The private key by which all machines are known."""
        return self.folder / "host_key"

    @property
    def known_hosts(self) -> Path:
        """The same for ssh, whatever port a machine has."""
        return self.folder / "known_hosts"

    @property
    def controller(self) -> TLS:
        """What a client of the agents shows."""
        return TLS(ca=self.folder / "ca.pem", cert=self.folder / "controller.pem", key=self.folder / "controller.key")

    def agent(self, host: str) -> tuple[Path, Path]:
        """Certificate and key of a host's agent."""
        return self.folder / f"{host}.pem", self.folder / f"{host}.key"


def make_keys(folder: Path, hosts: Sequence[str]) -> Keys:
    """Make them all in a new folder."""
    folder.mkdir(mode=0o700)
    keys = Keys(folder)
    for file in (keys.ssh_identity, keys.ssh_host_key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", file], check=True)
    keys.known_hosts.write_text(f"lab {public(keys.ssh_host_key)}")
    authority = trustme.CA(organization_name="poolfleet lab")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    controller = authority.issue_cert("controller.lab", common_name="controller")
    _write(controller, keys.controller.cert, keys.controller.key)
    for host in hosts:
        _write(authority.issue_cert("127.0.0.1", f"{host}.lab", common_name=host), *keys.agent(host))
    return keys


def public(private: Path) -> str:
    """The public half of an ssh key, one line."""
    return private.with_suffix(".pub").read_text()


def _write(issued: trustme.LeafCert, cert: Path, key: Path) -> None:
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    cert.unlink(missing_ok=True)
    for part in issued.cert_chain_pems:
        part.write_to_path(cert, append=True)
