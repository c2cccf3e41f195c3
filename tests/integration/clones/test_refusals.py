"""Clones that are refused, and make nothing."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import (
    AlreadyExists,
    CloneSpec,
    FailedPrecondition,
    InvalidArgument,
    PoolSpec,
    ResourceExhausted,
    Unsupported,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from scripts.embedded.host import EmbeddedHost
from tests.integration.clones.sources import (
    LIMIT_S,
    MIB,
    assert_same,
    names,
    path_of,
    run,
    sparse_source,
)
from tests.netfs_pool import unmount


def header_that_names(backing: bytes) -> bytes:
    return (struct.pack(">4sIQIIQ", b"QFI\xfb", 2, 72, len(backing), 16, MIB).ljust(72, b"\0") + backing).ljust(
        1 << 17, b"\0"
    )


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
        await asyncio.to_thread(unmount, host, target)

    @pytest.fixture
    def running_guest(client: AgentClient, host: EmbeddedHost) -> Iterator[Callable[[Path], None]]:
        """Starts a guest, paused, with a qcow2 disk; it is gone in the end."""
        virsh = ["virsh", "-c", host.libvirtd.uri]

        def start(disk: Path) -> None:
            xml = (
                "<domain type='qemu'><name>web</name><memory>65536</memory>"
                "<os><type arch='x86_64'>hvm</type></os><devices><disk type='file' device='disk'>"
                f"<driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>"
                "</devices></domain>"
            )
            document = host.root / "guest.xml"
            document.write_text(xml)
            run(*virsh, "create", "--paused", str(document))

        yield start
        run(*virsh, "destroy", "web")

    async def test_a_source_that_a_running_guest_writes_to_is_refused_unless_that_is_allowed(
        client: AgentClient, host: EmbeddedHost, running_guest: Callable[[Path], None]
    ) -> None:
        running_guest(await sparse_source(client, host, form="qcow2"))
        for spec in (CloneSpec("new"), CloneSpec("new", linked=True)):
            with pytest.raises(FailedPrecondition) as refused:
                await client.volumes.clone("a", "src", spec)
            assert refused.value.reason == "VOLUME_IN_USE"
            assert "domain web" in refused.value.metadata["users"]
        assert names(host) == ["src"]
        assert (await client.volumes.clone("a", "src", CloneSpec("new"), allow_in_use=True)).changed

    async def test_what_a_running_guest_only_reads_is_cloned(
        client: AgentClient, host: EmbeddedHost, running_guest: Callable[[Path], None]
    ) -> None:
        source = await sparse_source(client, host, form="qcow2")
        await client.volumes.clone("a", "src", CloneSpec("top", linked=True))
        running_guest(path_of(host, "top"))
        assert (await client.volumes.clone("a", "src", CloneSpec("new"))).changed
        assert_same(source, "qcow2", path_of(host, "new"), "qcow2")

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
