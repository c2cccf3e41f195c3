"""Clones on a real libvirtd: in a pool and across pools, in other formats, linked, by libvirt."""

from __future__ import annotations

import os
import stat
import uuid
from typing import Any

import pytest

from poolfleet import (
    CloneSpec,
    FailedPrecondition,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from poolfleet.types.volume import BackingStore, Permissions
from scripts.embedded.host import EmbeddedHost
from tests.integration.clones.sources import (
    CAPACITY,
    DATA,
    MIB,
    OFFSET,
    assert_same,
    made,
    names,
    path_of,
    run,
    sparse_source,
)


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


async def test_capacity_and_mode_are_as_asked_for(client: AgentClient, host: EmbeddedHost) -> None:
    await sparse_source(client, host)
    spec = CloneSpec("new", capacity_bytes=CAPACITY + 1500, permissions=Permissions(mode=0o640))
    assert made(await client.volumes.clone("a", "src", spec)).capacity_bytes == CAPACITY + 1500
    facts = path_of(host, "new").stat()
    assert (stat.S_IMODE(facts.st_mode), facts.st_size) == (0o640, CAPACITY + 1500)
    assert not (await client.volumes.clone("a", "src", spec)).changed


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


@pytest.mark.parametrize(
    "stated",
    [{"compat": "0.10"}, {"compat": "1.1", "features": ("lazy_refcounts",), "cluster_size_bytes": 131072}],
    ids=["old", "new"],
)
async def test_a_qcow2_clone_is_laid_out_as_its_source_is_and_as_virshs_is(
    client: AgentClient, host: EmbeddedHost, stated: dict[str, Any]
) -> None:
    await client.volumes.create("a", VolumeSpec("src", capacity_bytes=CAPACITY, format="qcow2", **stated))
    await client.pools.refresh("a")
    run("virsh", "-c", host.libvirtd.uri, "vol-clone", "src", "theirs", "--pool", "a")
    await client.volumes.clone("a", "src", CloneSpec("ours"))
    await client.pools.refresh("a")
    source, theirs, ours = [
        await client.volumes.get("a", name, max_staleness_s=0) for name in ("src", "theirs", "ours")
    ]
    for volume in (theirs, ours):
        assert (volume.compat, volume.features, volume.cluster_size_bytes) == (
            source.compat,
            source.features,
            source.cluster_size_bytes,
        )


if os.geteuid() == 0:

    async def test_an_owner_is_as_asked_for(client: AgentClient, host: EmbeddedHost) -> None:
        await sparse_source(client, host)
        spec = CloneSpec("new", permissions=Permissions(owner=1234, group=4321))
        assert (await client.volumes.clone("a", "src", spec)).changed
        facts = path_of(host, "new").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (1234, 4321, 0o600)
        assert not (await client.volumes.clone("a", "src", spec)).changed
