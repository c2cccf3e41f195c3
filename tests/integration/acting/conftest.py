"""Three hosts for all tests of a module: two have one storage, as pools of different names; the third has it not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from poolfleet import Fleet, Host, PoolSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.virsh import virsh

STORAGE = "shared-by-two"
POOLS = {"one": "vms", "two": "images"}


@dataclass(frozen=True)
class Hosts:
    """The hosts by their names, and the folder that `one` has as the pool `vms`, `two` as the pool `images`."""

    by_name: dict[str, EmbeddedHost]
    shared: Path

    def __getitem__(self, name: str) -> EmbeddedHost:
        return self.by_name[name]

    def fleet(self, *names: str) -> Fleet:
        hosts = [Host(name=name, target=self[name].agent.target) for name in names or self.by_name]
        return Fleet(hosts)

    def configure(self, name: str, storages: Mapping[Path, str]) -> None:
        """Restart an agent with other storage ids."""
        agent = self[name].agent
        agent.storages = storages
        agent.stop()
        agent.start()
        agent.wait_looked()

    def define_guest(
        self, host: str, name: str, source: Path | str | tuple[str, str], *, disk_format: str = "qcow2"
    ) -> None:
        """Define a guest whose disk is a path, or a pool's volume."""
        if isinstance(source, tuple):
            kind, attributes = "volume", f"pool='{source[0]}' volume='{source[1]}'"
        else:
            kind, attributes = "file", f"file='{source}'"
        disk = (
            f"<disk type='{kind}'><driver name='qemu' type='{disk_format}'/><source {attributes}/>"
            "<target dev='vda'/></disk>"
        )
        xml = (
            f"<domain type='qemu'><name>{name}</name><memory>65536</memory>"
            f"<os><type arch='{os.uname().machine}'>hvm</type></os><devices>{disk}</devices></domain>"
        )
        virsh(self[host], "define", "/dev/stdin", document=xml)


@pytest.fixture(scope="module")
def agent_settings() -> Mapping[str, Any]:
    """More of the agents' configuration; a module may have a fixture of this name for its own."""
    return {}


@pytest.fixture(scope="module")
def module_hosts(
    short_dir: Path, libvirtd: EmbeddedLibvirtd, agent_settings: Mapping[str, Any], request: pytest.FixtureRequest
) -> Iterator[Hosts]:
    root = short_dir / request.path.stem.removeprefix("test_")[:8]
    shared = root / "shared"
    shared.mkdir(parents=True)
    root.chmod(0o755)
    with ExitStack() as stack:
        hosts = {}
        for name in ("one", "two", "three"):
            host = EmbeddedHost(name, root, shared=shared, storages={shared: STORAGE}, settings=agent_settings)
            host.libvirtd.learn_emulators_from(libvirtd)
            hosts[name] = stack.enter_context(host)
        made = Hosts(hosts, shared)
        with made.fleet() as fleet:
            for name, pool in POOLS.items():
                fleet.client(name).pools.ensure(PoolSpec.dir(pool, target=str(shared)))
            for name, host in hosts.items():
                fleet.client(name).pools.ensure(PoolSpec.dir("local", target=str(host.pools_dir / "local")))
        yield made


@pytest.fixture
def hosts(module_hosts: Hosts) -> Iterator[Hosts]:
    """The hosts, up and empty again after each test."""
    yield module_hosts
    for host in module_hosts.by_name.values():
        if host.agent.pid is None:
            host.agent.start()
            host.agent.wait_looked()
        for guest in virsh(host, "list", "--all", "--name").split():
            virsh(host, "undefine", guest)
        for folder in (module_hosts.shared, host.pools_dir / "local"):
            for file in folder.iterdir():
                file.unlink()
    with module_hosts.fleet() as fleet:
        for name, pool in (*POOLS.items(), *((name, "local") for name in module_hosts.by_name)):
            client = fleet.client(name)
            client.set_maintenance(enabled=False)
            client.pools.start(pool)
            client.pools.refresh(pool)


@pytest.fixture
def fleet(hosts: Hosts) -> Iterator[Fleet]:
    with hosts.fleet() as fleet:
        yield fleet
