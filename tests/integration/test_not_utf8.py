"""A file whose name is not UTF-8, which libvirt lists and cannot be asked for, takes nothing from its pool."""

from __future__ import annotations

import os

import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1.pool_service_pb2 import GetPoolRequest, ListPoolsRequest, RefreshPoolRequest, StopPoolRequest
from poolfleet.v1.volume_service_pb2 import DeleteVolumeRequest, GetVolumeRequest, ListVolumesRequest
from scripts.embedded.host import EmbeddedHost
from tests.made_pools import folder, raw_volume, start_dir_pool
from tests.raw_agent import RawAgent

NAME = b"caf\xe9.raw"
ESCAPED = "caf\\xe9.raw"


@pytest.fixture
async def pool(host: EmbeddedHost, agent: RawAgent) -> bytes:
    """Path of such a file, in a pool with two other volumes."""
    await start_dir_pool(host, agent, "p", "a", "z")
    path = os.path.join(os.fsencode(folder(host, "p")), NAME)
    with open(path, "wb") as file:
        file.write(b"x" * 4096)
    await agent.done(RefreshPoolRequest(pool="p"))
    return path


async def names(agent: RawAgent, *, fresh: bool) -> list[str]:
    asked = ListVolumesRequest(pool="p", max_staleness=Duration() if fresh else None)
    answer = await agent.ask(asked)
    assert not answer.unread_pools
    return [volume.name for volume in answer.volumes]


@pytest.mark.usefixtures("pool")
async def test_the_pool_says_how_many_and_which_and_lists_the_others(agent: RawAgent) -> None:
    pool = (await agent.ask(GetPoolRequest(pool="p"))).pool
    assert pool.unaddressable_count == 1
    assert list(pool.unaddressable_names) == [ESCAPED]
    assert pool.volume_count == 2
    assert [pool.name for pool in (await agent.ask(ListPoolsRequest())).pools] == ["p"]
    assert await names(agent, fresh=False) == ["a", "z"]
    assert await names(agent, fresh=True) == ["a", "z"]
    assert (await agent.ask(GetVolumeRequest(pool="p", volume="a", max_staleness=Duration()))).volume.name == "a"


async def test_the_pool_can_be_worked_with_and_forgets_the_file_when_it_is_gone(agent: RawAgent, pool: bytes) -> None:
    await agent.done(raw_volume("p", "new"))
    await agent.done(DeleteVolumeRequest(pool="p", volume="a"))
    assert await names(agent, fresh=True) == ["new", "z"]
    assert (await agent.ask(GetPoolRequest(pool="p"))).pool.unaddressable_count == 1
    # Its escaped name is for people to read: it is nobody's name.
    assert (await agent.refusal(GetVolumeRequest(pool="p", volume=ESCAPED))).reason == "VOLUME_NOT_FOUND"
    os.unlink(pool)
    await agent.done(RefreshPoolRequest(pool="p"))
    seen = (await agent.ask(GetPoolRequest(pool="p"))).pool
    assert (seen.unaddressable_count, list(seen.unaddressable_names)) == (0, [])
    assert (await agent.done(StopPoolRequest(pool="p"))).changed
