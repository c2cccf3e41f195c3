"""Clones on a real libvirtd: within a pool and across pools, in other formats, linked; what is refused, and what is left."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet import (
    AlreadyExists,
    Cancelled,
    CloneSpec,
    FailedPrecondition,
    InvalidArgument,
    PoolSpec,
    ResourceExhausted,
    Unsupported,
    Volume,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from poolfleet.types.operation import Operation, OperationState
from poolfleet.types.volume import BackingStore, Permissions
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.raw_agent import eventually
from tests.slow_qemu_img import SlowQemuImg

LIMIT_S = 60.0
MIB = 1 << 20
DATA = os.urandom(3 * MIB)
OFFSET = 5 * MIB
CAPACITY = 64 * MIB


@pytest.fixture(scope="module")
def slow_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[tuple[EmbeddedHost, SlowQemuImg]]:
    host = EmbeddedHost("clones", short_dir, settings={"limits": {"max_jobs": 1}})
    host.libvirtd.learn_emulators_from(libvirtd)
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


def path_of(host: EmbeddedHost, name: str, pool: str = "a") -> Path:
    return host.pools_dir / pool / name


def names(host: EmbeddedHost, pool: str = "a") -> list[str]:
    return sorted(path.name for path in (host.pools_dir / pool).iterdir())


def info(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(run("qemu-img", "info", "--output=json", "--", str(path)))
    return found


def run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout


def assert_same(one: Path, one_format: str, other: Path, other_format: str) -> None:
    run("qemu-img", "compare", "-f", one_format, "-F", other_format, "--", str(one), str(other))


async def sparse_source(client: AgentClient, host: EmbeddedHost, name: str = "src", form: str = "raw") -> Path:
    """A volume of 64 MiB, 3 of which hold something."""
    path = path_of(host, name)
    await client.volumes.create("a", VolumeSpec(name, capacity_bytes=CAPACITY, allocation_bytes=0, format=form))
    if form == "raw":
        with path.open("r+b") as file:
            file.seek(OFFSET)
            file.write(DATA)
    else:
        (host.root / "data").write_bytes(DATA)
        run("qemu-io", "-f", form, "-c", f"write -s {host.root}/data {OFFSET} {len(DATA)}", str(path))
    return path


def made(operation: Operation) -> Volume:
    assert operation.changed
    assert isinstance(operation.result, Volume)
    return operation.result


@pytest.mark.parametrize("target_pool", ["", "b"], ids=["in its pool", "in another pool"])
@pytest.mark.parametrize(
    ("source_format", "target_format"),
    [
        ("raw", ""), ("raw", "qcow2"), ("qcow2", ""), ("qcow2", "raw"),
        ("raw", "qcow"), ("raw", "qed"), ("raw", "vmdk"), ("raw", "vdi"), ("raw", "vpc"),
    ],
)  # fmt: skip
async def test_a_clone_holds_what_its_source_does_and_what_is_empty_stays_so(
    client: AgentClient, host: EmbeddedHost, source_format: str, target_format: str, target_pool: str
) -> None:
    source = await sparse_source(client, host, form=source_format)
    spec = CloneSpec("new", format=target_format)
    clone = made(await client.volumes.clone("a", "src", spec, target_pool=target_pool))
    expected = target_format or source_format
    path = path_of(host, "new", target_pool or "a")
    assert (clone.format, clone.capacity_bytes, clone.path) == (expected, CAPACITY, str(path))
    assert_same(source, source_format, path, expected)
    assert path.stat().st_blocks * 512 < 2 * len(DATA)
    assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (0, 0, 0o600)
    assert not (await client.volumes.clone("a", "src", spec, target_pool=target_pool)).changed
    assert "new" in names(host, target_pool or "a")
    assert not [name for name in (*names(host), *names(host, "b")) if name.startswith(".")]
    assert "new" in run("virsh", "-c", host.libvirtd.uri, "vol-list", target_pool or "a")
