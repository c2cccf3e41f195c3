"""How partitions are called, and which of them libvirt can remove."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.partition import (
    check_new_partition,
    libvirt_can_remove,
    partition_name,
    partition_number,
)


@pytest.mark.parametrize(
    ("disk", "number", "name"), [("sda", 1, "sda1"), ("vdb", 12, "vdb12"), ("nvme0n1", 3, "nvme0n1p3")]
)
def test_the_kernel_calls_a_partition_by_its_disk_and_its_number(disk: str, number: int, name: str) -> None:
    assert partition_name(disk, number) == name
    assert partition_number(disk, name) == number


@pytest.mark.parametrize(("disk", "name"), [("sda", "sdb1"), ("sda", "sda"), ("loop1", "loop12"), ("sda", "sda0")])
def test_what_is_no_partition_of_a_disk_has_no_number(disk: str, name: str) -> None:
    assert partition_number(disk, name) is None


@pytest.mark.parametrize(
    ("disk", "taken", "name"),
    [("sda", (), "sda1"), ("sda", ("sda1", "sda2"), "sda3"), ("loop0", ("loop0p2", "loop0p3"), "loop0p1")],
)
def test_of_a_gpt_the_lowest_number_that_is_free_comes_next(disk: str, taken: tuple[str, ...], name: str) -> None:
    check_new_partition(disk, name, taken, "gpt")
    with pytest.raises(ModelError, match=f"the next one is {name}") as refused:
        check_new_partition(disk, "data", taken, "gpt")
    assert refused.value.reason is Reason.INVALID_FIELD


def test_of_other_tables_the_number_is_left_to_libvirt() -> None:
    check_new_partition("sda", "sda5", ("sda1",), "dos")
    with pytest.raises(ModelError, match="as in sda1") as refused:
        check_new_partition("sda", "data", ("sda1",), "dos")
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("stated", "disk", "can"),
    [("sda", "sda", True), ("nvme0n1", "nvme0n1", False), ("ata-WDC_1234", "sda", False), ("loop0", "loop0", False)],
)
def test_libvirt_can_remove_only_what_has_no_letter_before_its_number(stated: str, disk: str, can: bool) -> None:
    assert libvirt_can_remove(stated, disk) is can
