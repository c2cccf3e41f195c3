"""Real hosts for the integration tests: a libvirtd of its own, alone or with a poolfleet-agent beside it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet import AgentClient, PoolSpec, SecretRef
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.nfs_server import NullNfsServer
from tests.raw_agent import RawAgent, raw_agent
from tests.slow_qemu_img import SlowQemuImg


@pytest.fixture(scope="session")
def short_dir() -> Iterator[Path]:
    """A folder whose path is short enough for sockets, which pytest's own are not; removed in the end."""
    with tempfile.TemporaryDirectory(prefix="pf-", dir="/tmp") as folder:
        path = Path(folder)
        # What libvirt runs as another user must reach what lies below.
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="session")
def libvirtd(short_dir: Path) -> Iterator[EmbeddedLibvirtd]:
    """One libvirtd for all tests that leave it running and clean up what they define; it knows its emulators."""
    with EmbeddedLibvirtd(short_dir / "l") as daemon:
        subprocess.run(["virsh", "--connect", daemon.uri, "version"], check=True, stdout=subprocess.DEVNULL, timeout=60)
        yield daemon


@pytest.fixture
def host_folder(short_dir: Path) -> Iterator[Path]:
    """A folder for one test, in which hosts may have their sockets, and which other users reach."""
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="h") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def host(host_folder: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    """A fresh host with its agent, for one test, which may do anything to it."""
    new = EmbeddedHost("h", host_folder, shared=host_folder / "shared")
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


@pytest.fixture
def server() -> Iterator[NullNfsServer]:
    """A server that answers NFS, and holds nothing: what is mounted from it is a stand-in's."""
    with NullNfsServer() as running:
        yield running


@pytest.fixture
async def agent(host: EmbeddedHost) -> AsyncIterator[RawAgent]:
    """The agent of the host, by the bare contract."""
    async with raw_agent(host.agent.target) as agent:
        yield agent


@pytest.fixture
def slow_host(
    host_folder: Path, libvirtd: EmbeddedLibvirtd, request: pytest.FixtureRequest
) -> Iterator[tuple[EmbeddedHost, SlowQemuImg]]:
    """A fresh host whose libvirt creates qcow2 volumes as slowly as a test wants; its agent drains for two seconds, or
    for as many as the test says by an indirect parameter.
    """
    new = EmbeddedHost("h", host_folder, settings={"limits": {"drain_s": getattr(request, "param", 2)}})
    new.libvirtd.learn_emulators_from(libvirtd)
    slow = SlowQemuImg(new)
    with new:
        yield new, slow
        slow.let_go()


@pytest.fixture(scope="module")
def keeping_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    """A host for a module's tests of secrets, with its agent and the pool `vms`."""
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="k") as folder:
        new = EmbeddedHost("h", Path(folder))
        new.libvirtd.learn_emulators_from(libvirtd)
        SlowQemuImg(new)  # encrypts quickly
        with new, AgentClient(new.agent.target) as client:
            client.pools.ensure(PoolSpec.dir("vms", target=str(new.pools_dir / "vms")))
            yield new


@pytest.fixture
def keeper(keeping_host: EmbeddedHost) -> Iterator[AgentClient]:
    """The agent of that host, whose secrets are forgotten after each test."""
    with AgentClient(keeping_host.agent.target) as client:
        yield client
        for left in list(client.secrets.list()):
            client.secrets.delete(SecretRef(uuid=left.uuid), allow_in_use=True)
