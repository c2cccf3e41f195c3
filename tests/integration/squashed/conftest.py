"""A host with a share that squashes root; it needs root to be made."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet import FailedPrecondition, PoolSpec
from poolfleet.aio import AgentClient
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.squashed_share import SquashedShare
from tests.integration.squashed.far_share import KVM_GID, LIMIT_S, QEMU_UID
from tests.netfs_pool import netfs_pool
from tests.slow_qemu_img import SlowQemuImg


@pytest.fixture(scope="module")
def folder(short_dir: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="q") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(scope="module")
def server() -> Iterator[NullNfsServer]:
    with NullNfsServer() as running:
        yield running


@pytest.fixture(scope="module")
def share(folder: Path) -> Iterator[SquashedShare]:
    with SquashedShare(folder / "share", host="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def slow_host(
    folder: Path, share: SquashedShare, libvirtd: EmbeddedLibvirtd
) -> Iterator[tuple[EmbeddedHost, SlowQemuImg]]:
    host = EmbeddedHost("h", folder, share=share, settings={"limits": {"max_jobs": 1}})
    host.libvirtd.learn_emulators_from(libvirtd)
    slow = SlowQemuImg(host)
    with host:
        yield host, slow
        slow.let_go()


@pytest.fixture
def host(slow_host: tuple[EmbeddedHost, SlowQemuImg]) -> EmbeddedHost:
    return slow_host[0]


@pytest.fixture
def spec(host: EmbeddedHost, share: SquashedShare, server: NullNfsServer) -> PoolSpec:
    return netfs_pool("far", host, share, server)


@pytest.fixture
async def client(
    slow_host: tuple[EmbeddedHost, SlowQemuImg], share: SquashedShare, spec: PoolSpec
) -> AsyncIterator[AgentClient]:
    """The agent of a host that has the pool `far`, started, on a share of qemu's user."""
    host, slow = slow_host
    share.give(uid=QEMU_UID, gid=KVM_GID, mode=0o755)
    async with AgentClient(host.agent.target, timeout_s=LIMIT_S) as client:
        await client.pools.ensure(spec)
        yield client
        slow.let_go()
        share.give(uid=QEMU_UID, gid=KVM_GID, mode=0o755)
        # What was seen of it while it was closed would keep it from being stopped.
        for end in (client.pools.refresh, client.pools.stop):
            with contextlib.suppress(FailedPrecondition):
                await end("far")
        for left in share.files.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
