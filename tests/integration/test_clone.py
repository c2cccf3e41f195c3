"""Clones on a real libvirtd: in a pool and across pools, in other formats, linked; what is refused, what is left."""

from __future__ import annotations

import asyncio
import os
import stat
import struct
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import poolfleet
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
CANCELLED_WITHIN_S = 2.0


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
    assert (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (
        os.geteuid(),
        os.getegid(),
        0o600,
    )
    assert not (await client.volumes.clone("a", "src", spec, target_pool=target_pool)).changed
    assert "new" in names(host, target_pool or "a")
    assert not [name for name in (*names(host), *names(host, "b")) if name.startswith(".")]
    assert "new" in run("virsh", "-c", host.libvirtd.uri, "vol-list", target_pool or "a")


async def test_a_linked_clone_lies_on_its_source_and_takes_next_to_nothing(
    client: AgentClient, host: EmbeddedHost
) -> None:
    source = await sparse_source(client, host)
    spec = CloneSpec("new", linked=True, capacity_bytes=2 * CAPACITY)
    clone = made(await client.volumes.clone("a", "src", spec, target_pool="b"))
    assert clone.backing_store == BackingStore(path=str(source), format="raw")
    assert (clone.format, clone.capacity_bytes) == ("qcow2", 2 * CAPACITY)
    path = path_of(host, "new", "b")
    assert path.stat().st_blocks * 512 < MIB
    assert not (await client.volumes.clone("a", "src", spec, target_pool="b")).changed
    with pytest.raises(FailedPrecondition) as used:
        await client.volumes.delete("a", "src")
    assert used.value.reason == "VOLUME_IN_USE"
    # A copy of what lies on another holds all of it, and lies on nothing.
    whole = made(await client.volumes.clone("b", "new", CloneSpec("whole", format="raw")))
    assert whole.backing_store is None
    run("qemu-io", "-r", "-f", "raw", "-c", f"read {OFFSET} {len(DATA)}", str(path_of(host, "whole", "b")))
    with path_of(host, "whole", "b").open("rb") as file:
        file.seek(OFFSET)
        assert file.read(len(DATA)) == DATA
    assert os.path.getsize(path_of(host, "whole", "b")) == 2 * CAPACITY


async def test_a_volume_of_no_whole_sectors_is_copied_to_the_byte(client: AgentClient, host: EmbeddedHost) -> None:
    path_of(host, "src").write_bytes(DATA[:1500])
    await client.pools.refresh("a")
    await client.volumes.clone("a", "src", CloneSpec("new"))
    assert path_of(host, "new").read_bytes() == DATA[:1500]


async def test_a_volume_of_that_name_that_differs_is_refused_with_the_fields(
    client: AgentClient, host: EmbeddedHost
) -> None:
    await sparse_source(client, host)
    await client.volumes.create("a", VolumeSpec("new", capacity_bytes=MIB, format="qcow2"))
    before = path_of(host, "new").read_bytes()
    with pytest.raises(AlreadyExists) as refused:
        await client.volumes.clone("a", "src", CloneSpec("new"))
    assert (refused.value.reason, refused.value.metadata["fields"]) == ("VOLUME_EXISTS", "format,capacity_bytes")
    assert path_of(host, "new").read_bytes() == before


async def test_a_file_that_libvirt_has_not_seen_is_not_overwritten(client: AgentClient, host: EmbeddedHost) -> None:
    await sparse_source(client, host)
    path_of(host, "new").write_bytes(b"a neighbour's bytes")
    with pytest.raises(AlreadyExists):
        await client.volumes.clone("a", "src", CloneSpec("new"))
    assert path_of(host, "new").read_bytes() == b"a neighbour's bytes"


@pytest.mark.parametrize(
    ("source", "spec", "refusal", "reason"),
    [
        ("none", CloneSpec("new"), poolfleet.NotFound, "VOLUME_NOT_FOUND"),
        ("src", CloneSpec("src"), InvalidArgument, "INVALID_FIELD"),
        ("src", CloneSpec(".new"), InvalidArgument, "INVALID_FIELD"),
        ("src", CloneSpec("new", capacity_bytes=MIB), InvalidArgument, "INVALID_FIELD"),
        ("src", CloneSpec("new", format="raw", linked=True), InvalidArgument, "INVALID_FIELD"),
        ("src", CloneSpec("new", format="floppy"), Unsupported, "NOT_SUPPORTED_HERE"),
    ],
    ids=["no source", "itself", "a hidden name", "too small", "linked and raw", "an unknown format"],
)
async def test_what_cannot_be_is_refused_and_makes_nothing(
    client: AgentClient,
    host: EmbeddedHost,
    source: str,
    spec: CloneSpec,
    refusal: type[poolfleet.PoolfleetError],
    reason: str,
) -> None:
    await sparse_source(client, host)
    with pytest.raises(refusal) as refused:
        await client.volumes.clone("a", source, spec)
    assert refused.value.reason == reason
    assert names(host) == ["src"]


async def test_what_only_validates_says_what_would_be_and_makes_nothing(
    client: AgentClient, host: EmbeddedHost
) -> None:
    await sparse_source(client, host)
    said = await client.volumes.clone("a", "src", CloneSpec("new"), validate_only=True)
    assert (said.id, said.changed) == ("", True)
    assert names(host) == ["src"]
    await client.volumes.clone("a", "src", CloneSpec("new"))
    assert not (await client.volumes.clone("a", "src", CloneSpec("new"), validate_only=True)).changed


async def test_the_same_request_id_clones_once(client: AgentClient, host: EmbeddedHost) -> None:
    await sparse_source(client, host)
    request_id = str(uuid.uuid4())
    first = await client.volumes.clone("a", "src", CloneSpec("new"), request_id=request_id)
    again = await client.volumes.clone("a", "src", CloneSpec("new"), request_id=request_id)
    assert (again.id, again.changed) == (first.id, True)


async def test_a_source_of_another_etag_than_was_seen_is_not_cloned(client: AgentClient, host: EmbeddedHost) -> None:
    await sparse_source(client, host)
    with pytest.raises(poolfleet.Aborted) as refused:
        await client.volumes.clone("a", "src", CloneSpec("new"), etag="another")
    assert refused.value.reason == "ETAG_MISMATCH"


@pytest.mark.parametrize("linked", [False, True], ids=["copied", "linked"])
async def test_no_header_leads_to_a_file_that_is_not_allowed(
    client: AgentClient, host: EmbeddedHost, linked: bool
) -> None:
    secret = host.root / "secret"
    secret.write_bytes(b"secret" * 1000)
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(path_of(host, "src")), "1M")
    await client.pools.refresh("a")
    with pytest.raises(InvalidArgument) as refused:
        await client.volumes.clone("a", "src", CloneSpec("new", linked=linked))
    assert refused.value.reason == "PATH_NOT_ALLOWED"


@pytest.mark.parametrize(
    "backing",
    [
        'json:{{"driver":"raw","file":{{"driver":"file","filename":"{}"}}}}',
        'json:{{"driver":"quorum","vote-threshold":1,"children":[{{"driver":"file","filename":"{}"}}]}}',
        "fat:{}",
    ],
)
async def test_what_a_header_names_in_another_way_than_by_a_path_is_refused(
    client: AgentClient, host: EmbeddedHost, backing: str
) -> None:
    folder = path_of(host, "src").parent
    name = backing.format(folder / "base")
    (folder / "base").write_bytes(bytes(MIB))
    path_of(host, "src").write_bytes(header_that_names(name.encode()))
    await client.pools.refresh("a")
    with pytest.raises(Unsupported) as refused:
        await client.volumes.clone("a", "src", CloneSpec("new"))
    assert refused.value.reason == "NOT_SUPPORTED_HERE"


def header_that_names(backing: bytes) -> bytes:
    return (struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 72, len(backing), 16, MIB).ljust(72, b"\0") + backing).ljust(
        1 << 17, b"\0"
    )


async def test_a_source_that_another_program_writes_to_is_refused_unless_that_is_allowed(
    client: AgentClient, host: EmbeddedHost
) -> None:
    await sparse_source(client, host, form="qcow2")
    writer = await asyncio.create_subprocess_exec(
        "qemu-io", "-f", "qcow2", str(path_of(host, "src")), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    try:
        writer.stdin.write(b"length\n")
        async with asyncio.timeout(LIMIT_S):
            await writer.stdout.readuntil(b"64 MiB")
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.clone("a", "src", CloneSpec("new"))
        assert refused.value.reason == "VOLUME_IN_USE"
        assert names(host) == ["src"]
        assert (await client.volumes.clone("a", "src", CloneSpec("new"), allow_in_use=True)).changed
    finally:
        writer.stdin.close()
        await writer.wait()


async def test_a_source_is_held_while_it_is_copied_and_may_be_cloned_twice_at_once(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    slow.hold("before")
    clones = [await client.volumes.clone("a", "src", CloneSpec(name), wait=False) for name in ("one", "two")]
    assert [clone.state for clone in clones] == [OperationState.RUNNING, OperationState.PENDING]
    for refused_call in (client.volumes.delete("a", "src"), client.pools.stop("a")):
        with pytest.raises(poolfleet.Aborted) as refused:
            await refused_call
        assert refused.value.reason == "OPERATION_IN_PROGRESS"
    slow.let_go()
    for clone in clones:
        assert (await client.operations.wait(clone.id, timeout_s=LIMIT_S)).changed
    assert names(host) == ["one", "src", "two"]


async def test_a_cancelled_clone_stops_at_once_and_leaves_nothing(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    going = await client.volumes.clone("a", "src", CloneSpec("new"), wait=False, request_id=str(uuid.uuid4()))
    await client.operations.wait(going.id, timeout_s=LIMIT_S)
    await client.volumes.delete("a", "new")
    slow.hold("after", "convert")
    going = await client.volumes.clone("a", "src", CloneSpec("new"), wait=False)
    await asyncio.to_thread(slow.wait_standing)
    assert names(host) == [f".poolfleet-new.{going.id}", ".poolfleet-reserve.new", "src"]
    assert going.cancellable
    async with asyncio.timeout(CANCELLED_WITHIN_S):
        await client.operations.cancel(going.id)
        with pytest.raises(Cancelled):
            await client.operations.wait(going.id, timeout_s=LIMIT_S)
    assert names(host) == ["src"]
    slow.let_go()
    assert (await client.volumes.clone("a", "src", CloneSpec("new"))).changed


async def test_a_long_clone_tells_its_progress_in_bytes(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    slow.hold("after", "convert")
    going = await client.volumes.clone("a", "src", CloneSpec("new", format="qcow2"), wait=False)

    async def progressed() -> bool:
        seen = (await client.operations.get(going.id)).progress
        return seen is not None and seen.total_bytes is not None and seen.done_bytes == seen.total_bytes >= len(DATA)

    await eventually(progressed, limit_s=LIMIT_S, what="all bytes are told to be there")
    slow.let_go()
    assert (await client.operations.wait(going.id, timeout_s=LIMIT_S)).changed


async def test_an_agent_that_was_killed_leaves_neither_files_nor_programs(
    client: AgentClient, host: EmbeddedHost, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    _, slow = slow_host
    await sparse_source(client, host)
    slow.hold("after", "convert")
    going = await client.volumes.clone("a", "src", CloneSpec("new"), wait=False)
    await asyncio.to_thread(slow.wait_standing)
    assert f".poolfleet-new.{going.id}" in names(host)
    await asyncio.to_thread(host.agent.kill9)

    async def has_ended() -> bool:
        return not slow.running

    await eventually(has_ended, limit_s=LIMIT_S, what="what the agent ran has ended with it")
    slow.let_go()
    await asyncio.to_thread(host.agent.start)

    async def nothing_is_left() -> bool:
        return names(host) == ["src"]

    await eventually(nothing_is_left, limit_s=LIMIT_S, what="what was left is removed")
    ended = await client.operations.get(going.id)
    assert ended.error is not None
    assert ended.error.reason == "AGENT_RESTARTED"
    assert (await client.volumes.clone("a", "src", CloneSpec("new"))).changed


async def test_libvirts_own_document_is_libvirts_to_copy(client: AgentClient, host: EmbeddedHost) -> None:
    source = await sparse_source(client, host)
    target = "<target><format type='qcow2'/><compat>0.10</compat></target>"
    xml = f"<volume><name>new</name><capacity>1</capacity>{target}</volume>"
    done = await client.volumes.clone("a", "src", CloneSpec.from_xml(xml), target_pool="b")
    clone = made(done)
    assert not done.cancellable
    assert (clone.format, clone.compat, clone.capacity_bytes) == ("qcow2", "0.10", CAPACITY)
    assert_same(source, "raw", path_of(host, "new", "b"), "qcow2")
    assert not (await client.volumes.clone("a", "src", CloneSpec.from_xml(xml), target_pool="b")).changed


async def test_a_clone_is_what_virshs_is(client: AgentClient, host: EmbeddedHost) -> None:
    await sparse_source(client, host)
    run("virsh", "-c", host.libvirtd.uri, "vol-clone", "src", "theirs", "--pool", "a")
    await client.volumes.clone("a", "src", CloneSpec("ours"))
    theirs, ours = [await client.volumes.get("a", name, max_staleness_s=0) for name in ("theirs", "ours")]
    assert (ours.format, ours.capacity_bytes, ours.permissions) == (
        theirs.format,
        theirs.capacity_bytes,
        theirs.permissions,
    )
    assert_same(path_of(host, "theirs"), "raw", path_of(host, "ours"), "raw")


async def test_capacity_and_mode_are_as_asked_for(client: AgentClient, host: EmbeddedHost) -> None:
    await sparse_source(client, host)
    spec = CloneSpec("new", capacity_bytes=CAPACITY + 1500, permissions=Permissions(mode=0o640))
    assert made(await client.volumes.clone("a", "src", spec)).capacity_bytes == CAPACITY + 1500
    facts = path_of(host, "new").stat()
    assert (stat.S_IMODE(facts.st_mode), facts.st_size) == (0o640, CAPACITY + 1500)
    assert not (await client.volumes.clone("a", "src", spec)).changed


if os.geteuid() == 0:

    @pytest.fixture
    async def small_pool(client: AgentClient, host: EmbeddedHost) -> AsyncIterator[Path]:
        """A pool on a file system of 8 MiB."""
        target = host.pools_dir / "small"
        target.mkdir()
        namespace = ["nsenter", "-t", str(host.libvirtd.pid), "-m", "--"]
        run(*namespace, "mount", "-t", "tmpfs", "-o", "size=8m", "small", str(target))
        await client.pools.ensure(PoolSpec.dir("small", target=str(target)))
        yield Path(f"/proc/{host.libvirtd.pid}/root{target}")
        await client.pools.stop("small")
        run(*namespace, "umount", str(target))

    async def test_an_owner_is_as_asked_for(client: AgentClient, host: EmbeddedHost) -> None:
        await sparse_source(client, host)
        spec = CloneSpec("new", permissions=Permissions(owner=1234, group=4321))
        assert (await client.volumes.clone("a", "src", spec)).changed
        facts = path_of(host, "new").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (1234, 4321, 0o600)
        assert not (await client.volumes.clone("a", "src", spec)).changed

    async def test_what_would_not_fit_is_refused_before_anything_is_written(
        client: AgentClient, small_pool: Path, host: EmbeddedHost
    ) -> None:
        path_of(host, "src").write_bytes(os.urandom(12 * MIB))
        await client.pools.refresh("a")
        with pytest.raises(ResourceExhausted) as refused:
            await client.volumes.clone("a", "src", CloneSpec("new"), target_pool="small")
        assert refused.value.reason == "NO_SPACE"
        assert list(small_pool.iterdir()) == []
        # What is empty in the source needs no space.
        await client.volumes.create("a", VolumeSpec("large", capacity_bytes=100 * MIB))
        assert (await client.volumes.clone("a", "large", CloneSpec("new"), target_pool="small")).changed
