"""Files that came from elsewhere than libvirt are volumes at the next look, and can be worked with as any others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1.pool_service_pb2 import GetPoolRequest
from poolfleet.v1.snapshot_pb2 import VIEW_FULL
from poolfleet.v1.volume_pb2 import VolumeSpec
from poolfleet.v1.volume_service_pb2 import (
    CreateVolumeRequest,
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    LookupVolumeRequest,
    ResizeVolumeRequest,
)
from scripts.embedded.host import EmbeddedHost
from tests.image_corpus import create, overlay_without_format
from tests.made_pools import MIB, folder, start_dir_pool
from tests.raw_agent import RawAgent


@pytest.fixture
async def here(host: EmbeddedHost, agent: RawAgent) -> Path:
    """The folder of a pool with one volume."""
    await start_dir_pool(host, agent, "p", "own")
    return folder(host, "p")


async def listed(agent: RawAgent) -> dict[str, int]:
    """Names and capacities, by a new look."""
    answer = await agent.ask(ListVolumesRequest(pool="p", max_staleness=Duration()))
    assert not answer.unread_pools
    return {volume.name: volume.capacity_bytes for volume in answer.volumes}


async def test_a_file_that_libvirt_has_not_seen_is_listed_and_read(agent: RawAgent, here: Path) -> None:
    create(here, "qcow2", "copied.qcow2")
    assert await listed(agent) == {"copied.qcow2": 8 * MIB, "own": MIB}
    for asked in (None, Duration()):
        answer = await agent.ask(GetVolumeRequest(pool="p", volume="copied.qcow2", max_staleness=asked))
        assert (answer.volume.format, answer.volume.capacity_bytes) == ("qcow2", 8 * MIB)
    full = await agent.ask(GetVolumeRequest(pool="p", volume="copied.qcow2", view=VIEW_FULL))
    assert full.volume.xml == "", "libvirt has no document of it yet"
    os.unlink(here / "copied.qcow2")
    refused = await agent.refusal(GetVolumeRequest(pool="p", volume="copied.qcow2", max_staleness=Duration()))
    assert refused.reason == "VOLUME_NOT_FOUND"
    assert await listed(agent) == {"own": MIB}


async def test_a_backing_file_of_no_stated_format_is_looked_at_only_on_allowed_paths(
    host: EmbeddedHost, agent: RawAgent, here: Path, tmp_path: Path
) -> None:
    (here.parent / "bases").mkdir()
    for place in (here.parent / "bases", tmp_path):
        create(place, "qcow2", "base")
        overlay_without_format(here / f"on-{place.name}", os.fsencode(place / "base"))
    await listed(agent)
    answer = await agent.ask(ListVolumesRequest(pool="p"))
    formats = {volume.name: volume.backing_store.format for volume in answer.volumes}
    assert (formats["on-bases"], formats[f"on-{tmp_path.name}"]) == ("qcow2", "raw")


async def test_a_name_that_only_a_file_has_is_found_without_a_look_at_the_pool(agent: RawAgent, here: Path) -> None:
    create(here, "qcow2", "copied.qcow2")
    assert (await agent.ask(GetVolumeRequest(pool="p", volume="copied.qcow2"))).volume.format == "qcow2"


@pytest.mark.parametrize("name", [".", "..", "../p/own", "pipe"])
async def test_what_is_no_file_of_the_folder_is_no_volume(agent: RawAgent, here: Path, name: str) -> None:
    os.mkfifo(here / "pipe", 0o000)
    refused = await agent.refusal(GetVolumeRequest(pool="p", volume=name))
    assert refused.reason == "VOLUME_NOT_FOUND"


async def test_a_volume_of_libvirts_that_became_something_else_is_none_any_more(agent: RawAgent, here: Path) -> None:
    (here / "own").unlink()
    os.mkfifo(here / "own")
    resized = ResizeVolumeRequest(pool="p", volume="own", capacity_bytes=2 * MIB)
    assert (await agent.refusal(resized)).reason == "VOLUME_NOT_FOUND"
    assert await listed(agent) == {}
    for request in (
        LookupVolumeRequest(path=str(here / "own")),
        GetVolumeRequest(pool="p", volume="own", view=VIEW_FULL),
        DeleteVolumeRequest(pool="p", volume="own"),
    ):
        assert (await agent.refusal(request)).reason == "VOLUME_NOT_FOUND"
    assert (here / "own").exists()


async def test_a_file_that_libvirt_has_not_seen_is_resized_and_deleted(agent: RawAgent, here: Path) -> None:
    create(here, "qcow2", "copied.qcow2")
    await agent.done(ResizeVolumeRequest(pool="p", volume="copied.qcow2", capacity_bytes=16 * MIB))
    assert await listed(agent) == {"copied.qcow2": 16 * MIB, "own": MIB}
    create(here, "qcow2", "another.qcow2")
    await agent.done(DeleteVolumeRequest(pool="p", volume="another.qcow2"))
    assert not (here / "another.qcow2").exists()
    assert await listed(agent) == {"copied.qcow2": 16 * MIB, "own": MIB}


async def test_a_name_that_a_file_has_is_taken(agent: RawAgent, here: Path) -> None:
    (here / "mine").write_bytes(b"something else")
    spec = VolumeSpec(name="mine", capacity_bytes=MIB)
    refused = await agent.refusal(CreateVolumeRequest(pool="p", spec=spec))
    assert refused.reason == "VOLUME_EXISTS"
    assert (here / "mine").read_bytes() == b"something else"


async def test_what_is_changed_behind_libvirt_is_seen_at_the_next_look(agent: RawAgent, here: Path) -> None:
    assert await listed(agent) == {"own": MIB}
    os.truncate(here / "own", 3 * MIB)
    assert await listed(agent) == {"own": 3 * MIB}
    create(here, "qcow2", "new")
    (here / "new").replace(here / "own")
    assert await listed(agent) == {"own": 8 * MIB}


@pytest.mark.timeout(300)
async def test_a_pool_of_more_volumes_than_libvirt_lists_is_listed_and_counted(agent: RawAgent, here: Path) -> None:
    names = [f"guest-{number:05}" for number in range(50_000)]
    for name in names:
        os.mknod(here / name)
    found: list[str] = []
    asked = ListVolumesRequest(pool="p", max_staleness=Duration(), page_size=5000)
    while True:
        answer = await agent.ask(asked, timeout_s=200.0)
        assert not answer.unread_pools
        found += [volume.name for volume in answer.volumes]
        if not answer.next_page_token:
            break
        asked.page_token = answer.next_page_token
    assert found == [*names, "own"]
    pool = (await agent.ask(GetPoolRequest(pool="p"))).pool
    assert (pool.volume_count, pool.provisioned_bytes) == (50_001, MIB)
