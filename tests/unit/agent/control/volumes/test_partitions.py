"""Volumes that are partitions: the name is looked at before libvirt is asked, and what it cannot remove is removed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.control.volumes.wipe import WipeVolume
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool_source import DiskSource
from poolfleet_agent.model.volume import VolumeDefinition
from tests.unit.agent.fake_host import MIB, operations, until, use_case_host, volume_facts

CALLER = Caller(name="unix", rpc="")


class FakePartitions:
    def __init__(self) -> None:
        self.removed: list[tuple[str, int]] = []

    async def remove(self, disk: str, number: int, *, timeout_s: float) -> None:
        self.removed.append((disk, number))


async def has_disk(fake: Any, device: str, *partitions: str) -> FakePartitions:
    """Make the pool `p` one of a disk with these partitions."""
    known = fake.hypervisor.pools["p"]
    definition = replace(
        known.definition, type="disk", source=DiskSource(device=device, format="gpt"), target_path="/dev"
    )
    fake.hypervisor.pools["p"] = replace(known, definition=definition, stored_definition=definition)
    fake.hypervisor.volumes["p"] = {
        name: replace(volume_facts("p", name, capacity_bytes=MIB), type="block", format="none", path=f"/dev/{name}")
        for name in partitions
    }
    await fake.looker.all_pools()
    removals = FakePartitions()
    fake.partitions = removals
    return removals


def creation(fake: Any, name: str) -> CreateVolume:
    definition = VolumeDefinition(name=name, capacity_bytes=MIB)
    return CreateVolume(host=use_case_host(fake), promises=Promises(), pool="p", definition=definition)


async def test_a_name_that_the_partition_will_not_have_never_reaches_libvirt(fake: Any) -> None:
    await has_disk(fake, "/dev/sda", "sda1")
    with pytest.raises(ModelError, match="the next one is sda2") as refused:
        await operations().submit(creation(fake, "data"), CALLER)
    assert refused.value.reason is Reason.INVALID_FIELD
    assert [call for call in fake.hypervisor.called if call.startswith("create_volume")] == []
    assert (await operations().submit(creation(fake, "sda2"), CALLER)).changed


async def test_of_a_mapped_disk_the_names_are_libvirts(fake: Any) -> None:
    await has_disk(fake, "/dev/mapper/mpatha")
    assert (await operations().submit(creation(fake, "mpatha-part1"), CALLER)).changed


async def test_the_table_is_changed_by_one_at_a_time_and_other_work_goes_on_beside_it(fake: Any) -> None:
    await has_disk(fake, "/dev/sda", "sda1", "sda2")
    removed, host, at_work = fake.hypervisor.hold("delete_volume p sda1"), use_case_host(fake), operations()
    deleting = asyncio.ensure_future(at_work.submit(DeleteVolume(host=host, pool="p", volume="sda1"), CALLER))
    await until(lambda: "delete_volume p sda1" in fake.hypervisor.called)
    for other in (DeleteVolume(host=host, pool="p", volume="sda2"), creation(fake, "sda3")):
        with pytest.raises(ModelError) as refused:
            await at_work.submit(other, CALLER)
        assert refused.value.reason is Reason.OPERATION_IN_PROGRESS
    assert (await at_work.submit(WipeVolume(host=host, pool="p", volume="sda2"), CALLER)).changed
    removed.set()
    assert (await deleting).changed
    assert (await at_work.submit(DeleteVolume(host=host, pool="p", volume="sda2"), CALLER)).changed


@pytest.mark.parametrize(
    ("device", "partition", "by_libvirt"),
    [("/dev/sda", "sda1", True), ("/dev/nvme0n1", "nvme0n1p1", False), ("/dev/mapper/mpatha", "mpatha1", True)],
)
async def test_what_libvirt_would_take_for_another_is_removed_without_it(
    fake: Any, device: str, partition: str, by_libvirt: bool
) -> None:
    partitions = await has_disk(fake, device, partition)
    await operations().submit(DeleteVolume(host=use_case_host(fake), pool="p", volume=partition), CALLER)
    assert (f"delete_volume p {partition}" in fake.hypervisor.called) is by_libvirt
    assert partitions.removed == ([] if by_libvirt else [(device, 1)])
    assert ("refresh_pool p" in fake.hypervisor.called) is not by_libvirt
