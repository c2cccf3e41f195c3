"""A host for all tests of a module, with the pool `vms`, which is empty before each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import PoolSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.slow_qemu_img import SlowQemuImg


@pytest.fixture(scope="module")
def module_host(request: pytest.FixtureRequest, short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost(request.path.stem.removeprefix("test_"), short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    SlowQemuImg(new)  # encrypts quickly
    with new:
        yield new


@pytest.fixture(scope="module")
def agent(module_host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(module_host.agent.target) as client:
        client.pools.ensure(PoolSpec.dir("vms", target=str(module_host.pools_dir / "vms")))
        yield client


@pytest.fixture
def folder(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> Iterator[Path]:
    """The pool's folder; what a test leaves there is removed, and libvirt told."""
    path = module_host.pools_dir / "vms"
    yield path
    for file in path.iterdir():
        file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
    agent.pools.refresh("vms")
