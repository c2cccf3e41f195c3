"""ListVolumes over a host in memory: what is listed, in which order, and what a filter or a page leaves out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1.volume_service_pb2 import ListVolumesRequest, ListVolumesResponse, VolumeFilter
from poolfleet_agent.services.convert.encoder import MessageEncoder
from poolfleet_agent.services.volume_reads import VolumeReads
from tests.unit.agent.fake_host import FakeHost, pool_facts, use_case_host, volume_facts

# One on each side of every other name, so that none can hide in an order by chance.
ORDINARY = [".z", "a", "b.qcow2", "dir", "z"]


async def host(**volumes: list[str]) -> FakeHost:
    """Pools with volumes by name: what ends in `.qcow2` is that, and `dir` is a directory."""
    fake = FakeHost()
    fake.looker = replace(fake.looker, encoder=MessageEncoder())
    for pool, names in volumes.items():
        fake.hypervisor.add(pool_facts(pool))
        fake.hypervisor.volumes[pool] = {
            name: replace(
                volume_facts(pool, name, kind="dir" if name == "dir" else "file"),
                format="qcow2" if name.endswith(".qcow2") else "raw",
            )
            for name in names
        }
    await fake.looker.all_pools()
    return fake


async def listed(fake: FakeHost, **asked: Any) -> list[str]:
    """All pages of a listing, as `pool/volume`."""
    reads: Any = VolumeReads(use_case_host(fake))  # type: ignore[abstract]
    request, found = ListVolumesRequest(**asked), []
    while True:
        page = ListVolumesResponse.FromString(await reads.ListVolumes(request, None))
        found += [f"{volume.pool}/{volume.name}" for volume in page.volumes]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def test_what_is_special_is_listed_where_it_is_asked_for_alone() -> None:
    fake = await host(p=ORDINARY)
    assert await listed(fake, pool="p") == ["p/a", "p/b.qcow2", "p/z"]
    assert await listed(fake, pool="p", include_special=True) == [f"p/{name}" for name in ORDINARY]


async def test_what_becomes_special_is_listed_no_more() -> None:
    fake = await host(p=["a", "b"])
    assert await listed(fake, pool="p") == ["p/a", "p/b"]
    fake.hypervisor.volumes["p"]["b"] = volume_facts("p", "b", kind="dir")
    assert await listed(fake, pool="p", max_staleness=Duration()) == ["p/a"]


async def test_a_filter_leaves_out_what_does_not_fit() -> None:
    fake = await host(p=ORDINARY)
    assert await listed(fake, pool="p", filter=VolumeFilter(formats=["qcow2"])) == ["p/b.qcow2"]
    assert await listed(fake, pool="p", filter=VolumeFilter(name_prefix="z")) == ["p/z"]
    assert await listed(fake, pool="p", filter=VolumeFilter(formats=["qcow2"], name_prefix="z")) == []


@pytest.mark.parametrize("page_size", [0, 1, 2, 3, 5000])
async def test_pages_go_on_from_pool_to_pool(page_size: int) -> None:
    fake = await host(p=["b", "c"], q=ORDINARY, r=[], s=["a"])
    assert await listed(fake, page_size=page_size) == ["p/b", "p/c", "q/a", "q/b.qcow2", "q/z", "s/a"]
