"""A machine's second disk, made at every start of a lab: who it is, its keys, and poolfleet's code as it is now."""

from __future__ import annotations

import compileall
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

from scripts.virtual_lab import network
from scripts.virtual_lab.keys import Keys, public
from scripts.virtual_lab.recipe import CHECKOUT, GUEST

DISK_BYTES = 64 * 1024**2
UNIT = "poolfleet-agent.service"
SETTINGS = "poolfleet-agent.toml"


def server_disk(disk: Path, keys: Keys) -> None:
    """Write the server's disk to the file `disk`."""
    with tempfile.TemporaryDirectory(dir=disk.parent) as folder:
        _common(Path(folder), keys, role="server", addresses=network.SERVER_ADDRESSES)
        _write(disk, Path(folder))


def host_disk(disk: Path, name: str, keys: Keys, code: Path) -> None:
    """Write a host's disk to the file `disk`; `code`: the folder that `collect_code` filled."""
    with tempfile.TemporaryDirectory(dir=disk.parent) as scratch:
        folder = Path(scratch)
        _common(folder, keys, role="host", addresses=network.host_addresses(name))
        shutil.copy(CHECKOUT / "deploy" / UNIT, folder)
        shutil.copytree(code, folder / "code")
        (folder / "tls").mkdir()
        for source, target in zip(
            (*keys.agent(name), keys.controller.ca), ("agent.pem", "agent.key", "ca.pem"), strict=True
        ):
            shutil.copy(source, folder / "tls" / target)
        _write(disk, folder)


def collect_code(folder: Path) -> None:
    """Copy poolfleet as it is in the checkout, compiled, into the new `folder`: what a wheel would have."""
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    for package in ("agent/poolfleet_agent", "client/poolfleet"):
        shutil.copytree(CHECKOUT / package, folder / Path(package).name, ignore=ignored)
    here = distribution("poolfleet")
    metadata = folder / f"poolfleet-{here.version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(here.read_text("METADATA") or "", encoding="utf-8")
    # Of use where the interpreter here is of the machines' version; they compile it again where it is not.
    compileall.compile_dir(folder, quiet=1, stripdir=str(folder), prependdir="/lab/code")


def collect_for_renewal(folder: Path) -> None:
    """As collect_code, with the agent's unit and settings beside it."""
    collect_code(folder)
    shutil.copy(CHECKOUT / "deploy" / UNIT, folder)
    shutil.copy(GUEST / "host" / SETTINGS, folder)


def _common(folder: Path, keys: Keys, *, role: str, addresses: Sequence[str]) -> None:
    for part in ("both", role):
        shutil.copytree(GUEST / part, folder, dirs_exist_ok=True)
    (folder / "hosts").write_text(network.HOSTS_FILE)
    _environment(
        folder / "machine.env",
        {"ROLE": role, "ADDRESSES": "\n".join(addresses), "SERVER_ADDRESS": network.SERVER_ADDRESS},
    )
    (folder / "keys").mkdir()
    shutil.copy(keys.ssh_host_key, folder / "keys/host_key")
    (folder / "keys/authorized_keys").write_text(public(keys.ssh_identity))


def _environment(file: Path, values: Mapping[str, str]) -> None:
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))


def _write(disk: Path, folder: Path) -> None:
    folder.chmod(0o755)
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    make = ["mkfs.ext4", "-q", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", str(folder), str(disk)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
