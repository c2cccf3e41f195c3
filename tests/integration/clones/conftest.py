"""A host with two pools for clones, whose qemu-img is as slow as a test wants."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet import (
    PoolSpec,
)
from poolfleet.aio import AgentClient
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.integration.clones.sources import LIMIT_S
from tests.slow_qemu_img import SlowQemuImg


@pytest.fixture(scope="module")
def slow_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[tuple[EmbeddedHost, SlowQemuImg]]:
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="c") as made:
        Path(made).chmod(0o755)  # for guests
        host = EmbeddedHost("h", Path(made), settings={"limits": {"max_jobs": 1}})
        host.libvirtd.learn_emulators_from(libvirtd)
        # So that a guest can be started without libvirt's other daemons, and without systemd.
        (host.root / "etc").mkdir(parents=True)
        (host.root / "etc/qemu.conf").write_text(
            'stdio_handler = "file"\ncgroup_controllers = []\nsecurity_driver = "none"\nnamespaces = []\n'
        )
        slow = SlowQemuImg(host)
        with host:
            yield host, slow
            slow.let_go()


@pytest.fixture
def host(slow_host: tuple[EmbeddedHost, SlowQemuImg]) -> EmbeddedHost:
    return slow_host[0]


@pytest.fixture
async def client(slow_host: tuple[EmbeddedHost, SlowQemuImg]) -> AsyncIterator[AgentClient]:
    """The agent of a host with the pools `a` and `b`, started and empty."""
    host, slow = slow_host
    async with AgentClient(host.agent.target, timeout_s=LIMIT_S) as client:
        for pool in ("a", "b"):
            await client.pools.ensure(PoolSpec.dir(pool, target=str(host.pools_dir / pool)))
        yield client
        slow.let_go()
        for pool in ("a", "b"):
            for left in (host.pools_dir / pool).iterdir():
                left.unlink()
            await client.pools.refresh(pool)
