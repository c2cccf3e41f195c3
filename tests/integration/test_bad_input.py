"""Bad input gets the documented code and reason, and changes nothing: in libvirt, on disk, on the record."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from poolfleet.v1 import operation_pb2
from poolfleet.v1.inventory_service_pb2 import ListDomainDisksRequest
from poolfleet.v1.operation_service_pb2 import (
    ListOperationsRequest,
    OperationFilter,
)
from poolfleet.v1.pool_pb2 import DirSource, PoolSpec, PoolTarget
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    DefinePoolRequest,
    ListPoolsRequest,
    PoolFilter,
    RefreshPoolRequest,
    StartPoolRequest,
)
from poolfleet.v1.volume_pb2 import VolumeSpec
from poolfleet.v1.volume_service_pb2 import (
    CreateVolumeRequest,
    ListVolumesRequest,
    VolumeFilter,
)
from scripts.contract_tables import error_tables
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.host_state import files_below, pools_by_libvirt
from tests.integration.bad_input.place import MIB, USED_ID, Place
from tests.integration.bad_input.pools import BAD_POOLS
from tests.integration.bad_input.requests import BAD_REQUESTS
from tests.integration.bad_input.secrets import BAD_SECRETS
from tests.integration.bad_input.volumes import BAD_VOLUMES, FOUND_BY_LIBVIRT
from tests.raw_agent import LIMIT_S, RawAgent, path_of, raw_agent, refused

CASES = BAD_POOLS | BAD_VOLUMES | BAD_SECRETS | BAD_REQUESTS
TABLES = error_tables()


@pytest.fixture(scope="module")
def place(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="b") as folder:
        Path(folder).chmod(0o755)
        host = EmbeddedHost("h", Path(folder))
        host.libvirtd.learn_emulators_from(libvirtd)
        place = Place(host)
        with host:
            asyncio.run(_furnish(place))
            yield place
            assert "Traceback" not in host.agent.log.read_text()


async def _furnish(place: Place) -> None:
    place.outside.mkdir()
    (place.outside / "secret.raw").write_bytes(b"secret" * 1000)
    place.way_out.symlink_to(place.outside)
    async with raw_agent(place.host.agent.target) as agent:
        for name in ("images", "idle"):
            target = place.pools / name
            spec = PoolSpec(name=name, dir=DirSource(), target=PoolTarget(path=str(target)))
            await agent.done(DefinePoolRequest(spec=spec))
            await agent.done(BuildPoolRequest(pool=name))
        (place.images / "folder").mkdir()
        (place.images / ".hidden").write_bytes(b"hidden")
        (place.images / "away.raw").symlink_to(place.outside / "secret.raw")
        (place.images / "far.raw").symlink_to(place.outside / "none.raw")
        (place.images / "dangling.raw").symlink_to("none.raw")
        await agent.done(StartPoolRequest(pool="images"))
        for name, volume_format in (("a.qcow2", "qcow2"), ("b.raw", "raw")):
            spec_of_volume = VolumeSpec(name=name, format=volume_format, capacity_bytes=8 * MIB)
            await agent.done(CreateVolumeRequest(pool="images", spec=spec_of_volume))
        await agent.done(RefreshPoolRequest(pool="images", request_id=USED_ID))
    os.mkfifo(place.images / "pipe")


@pytest.fixture
async def agent(place: Place) -> AsyncIterator[RawAgent]:
    async with raw_agent(place.host.agent.target) as agent:
        yield agent


async def _all_there_is(place: Place, agent: RawAgent) -> tuple[object, object, object]:
    pools = await asyncio.to_thread(pools_by_libvirt, place.host.libvirtd.uri)
    files = await asyncio.to_thread(lambda: [files_below(folder) for folder in (place.pools, place.outside)])
    return pools, files, await agent.operations()


@pytest.mark.parametrize("name", CASES)
async def test_it_is_refused_as_documented_and_nothing_changes(name: str, place: Place, agent: RawAgent) -> None:
    make, reason = CASES[name]
    request = make(place)
    before = await _all_there_is(place, agent)
    refusal = await agent.refusal(request)
    assert refusal.reason == reason, refusal
    assert (refusal.code, refusal.reason) in TABLES[path_of(request)].outcomes
    assert await _all_there_is(place, agent) == before


@pytest.mark.parametrize("name", FOUND_BY_LIBVIRT)
async def test_what_only_libvirt_can_refuse_fails_as_documented_and_nothing_changes(
    name: str, place: Place, agent: RawAgent
) -> None:
    make, reason = FOUND_BY_LIBVIRT[name]
    request = make(place)
    pools, files, _ = await _all_there_is(place, agent)
    operation = await agent.do(request)
    assert operation.state == operation_pb2.OPERATION_STATE_FAILED
    failure = refused(operation.error)
    assert failure.reason == reason, failure
    assert (failure.code, failure.reason) in TABLES[path_of(request)].outcomes
    assert (await _all_there_is(place, agent))[:2] == (pools, files)


TOKENS: dict[str, tuple[Message, Message]] = {
    "another filter of pools": (
        ListPoolsRequest(page_size=1),
        ListPoolsRequest(page_size=1, filter=PoolFilter(name_prefix="i")),
    ),
    "pools for operations": (ListPoolsRequest(page_size=1), ListOperationsRequest(page_size=1)),
    "one pool's volumes for all": (
        ListVolumesRequest(pool="images", page_size=1),
        ListVolumesRequest(page_size=1),
    ),
    "volumes for volumes and folders": (
        ListVolumesRequest(pool="images", page_size=1),
        ListVolumesRequest(pool="images", page_size=1, include_special=True),
    ),
    "another filter of volumes": (
        ListVolumesRequest(pool="images", page_size=1),
        ListVolumesRequest(pool="images", page_size=1, filter=VolumeFilter(formats=["raw"])),
    ),
    "another filter of operations": (
        ListOperationsRequest(page_size=1),
        ListOperationsRequest(page_size=1, filter=OperationFilter(pools=["images"])),
    ),
    "operations for disks": (ListOperationsRequest(page_size=1), ListDomainDisksRequest(page_size=1)),
}


@pytest.mark.parametrize("name", TOKENS)
async def test_a_token_of_another_list_or_filter_is_refused(name: str, agent: RawAgent) -> None:
    first, other = TOKENS[name]
    given = (await agent.ask(first)).next_page_token
    assert given
    again = type(first)()
    again.CopyFrom(first)
    again.page_token = given  # type: ignore[attr-defined]
    await agent.ask(again)
    asked = type(other)()
    asked.CopyFrom(other)
    asked.page_token = given  # type: ignore[attr-defined]
    refusal = await agent.refusal(asked)
    assert (refusal.code, refusal.reason) == ("INVALID_ARGUMENT", "TOKEN_MISMATCH")


@pytest.mark.parametrize("raw", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe"], ids=["garbage", "a name that is not UTF-8"])
async def test_what_is_no_message_is_an_invalid_argument(raw: bytes, agent: RawAgent) -> None:
    call: Any = agent.channel.unary_unary("/poolfleet.v1.PoolService/GetPool")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(raw, timeout=LIMIT_S)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
