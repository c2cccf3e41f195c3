"""A source whose file another host replaces, or lays on something else, while its clone waits for its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from poolfleet import Aborted, CloneSpec
from poolfleet.aio import AgentClient
from poolfleet.types.operation import Operation, OperationState
from scripts.embedded.host import EmbeddedHost
from tests.integration.clones.sources import (
    CAPACITY,
    LIMIT_S,
    MIB,
    assert_same,
    names,
    path_of,
    run,
    sparse_source,
)
from tests.raw_agent import eventually
from tests.slow_qemu_img import SlowQemuImg

SECRET = b"secret" * 1000


@asynccontextmanager
async def waiting(
    client: AgentClient, host: EmbeddedHost, slow: SlowQemuImg, source: str, *, linked: bool = False
) -> AsyncIterator[Operation]:
    """A clone that waits within the block, for its turn after another one."""
    await sparse_source(client, host, "other")
    slow.hold("before")
    first = await client.volumes.clone("a", "other", CloneSpec("first"), wait=False)
    await asyncio.to_thread(slow.wait_standing)
    clone = await client.volumes.clone("a", source, CloneSpec("new", linked=linked), wait=False)

    async def waits() -> bool:
        return (await client.operations.get(clone.id)).state is OperationState.PENDING

    await eventually(waits, limit_s=LIMIT_S, what="the clone waits for its turn")
    yield clone
    slow.let_go()
    await client.operations.wait(first.id, timeout_s=LIMIT_S)


def by_qcow2(path: Path) -> None:
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(CAPACITY))


def by_what_a_guest_wrote(path: Path) -> None:
    """A header whose data are those of a file that no pool has."""
    data = path.parent.parent.parent / "guests-data"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", str(path), "1M")
    data.write_bytes(SECRET.ljust(MIB, b"\0"))


@pytest.mark.parametrize("linked", [False, True], ids=["copied", "linked"])
@pytest.mark.parametrize(
    ("form", "replace"),
    [("raw", by_qcow2), ("qcow2", by_what_a_guest_wrote)],
    ids=["raw by qcow2", "qcow2 by what a guest wrote"],
)
async def test_what_replaces_it_is_not_read(
    client: AgentClient,
    slow_host: tuple[EmbeddedHost, SlowQemuImg],
    form: str,
    replace: Callable[[Path], None],
    linked: bool,
) -> None:
    host, slow = slow_host
    source = await sparse_source(client, host, "src", form)
    async with waiting(client, host, slow, "src", linked=linked) as clone:
        replace(path_of(host, ".another"))
        path_of(host, ".another").rename(source)
    await assert_refused(client, host, clone)


async def test_what_it_lies_on_by_now_is_not_read(
    client: AgentClient, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    host, slow = slow_host
    source = await sparse_source(client, host, "src", "qcow2")
    base = await sparse_source(client, host, "base")
    async with waiting(client, host, slow, "src") as clone:
        run("qemu-img", "rebase", "-u", "-F", "raw", "-b", str(base), str(source))
    await assert_refused(client, host, clone)


async def test_what_a_guest_wrote_to_its_disk_meanwhile_is_copied(
    client: AgentClient, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    host, slow = slow_host
    source = await sparse_source(client, host)
    async with waiting(client, host, slow, "src") as clone:
        with source.open("r+b") as file:
            file.write(b"QFI\xfb")
    assert (await client.operations.wait(clone.id, timeout_s=LIMIT_S)).changed
    assert_same(source, "raw", path_of(host, "new"), "raw")


async def assert_refused(client: AgentClient, host: EmbeddedHost, clone: Operation) -> None:
    with pytest.raises(Aborted) as refused:
        await client.operations.wait(clone.id, timeout_s=LIMIT_S)
    assert refused.value.reason == "ETAG_MISMATCH"
    assert [name for name in names(host) if "new" in name] == []
