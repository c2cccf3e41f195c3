"""What a volume's capacity is to become."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from poolfleet_agent.model.capacity import LARGEST_CAPACITY_BYTES
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.resizing import NewSize, Resizing, check_may_shrink, resizing_of
from poolfleet_agent.model.volume import VolumeFacts
from tests.unit.agent.fake_host import volume_facts

RAW = dataclasses.replace(volume_facts("p", "v", capacity_bytes=4096), allocation_bytes=1024)
QCOW2 = dataclasses.replace(RAW, format="qcow2")


def resized(facts: VolumeFacts, *, allocate: bool = False, **size: Any) -> Resizing:
    return resizing_of(facts, NewSize(**size), allocate=allocate)


@pytest.mark.parametrize(
    ("facts", "size", "new_bytes"),
    [
        (RAW, {"capacity_bytes": 5000}, 5000),
        (RAW, {"delta_bytes": 1}, 4097),
        (RAW, {"delta_bytes": -4095}, 1),
        (QCOW2, {"capacity_bytes": 5000}, 5120),
        (QCOW2, {"delta_bytes": -1}, 4096),
        (RAW, {"capacity_bytes": LARGEST_CAPACITY_BYTES}, LARGEST_CAPACITY_BYTES),
    ],
)
def test_raw_has_the_bytes_that_were_asked_for_and_other_formats_whole_sectors(
    facts: VolumeFacts, size: dict[str, Any], new_bytes: int
) -> None:
    assert resized(facts, **size).capacity_bytes == new_bytes


@pytest.mark.parametrize(
    ("facts", "size", "reason"),
    [
        (RAW, {"delta_bytes": -4096}, Reason.INVALID_FIELD),
        (RAW, {"delta_bytes": -(2**63)}, Reason.INVALID_FIELD),
        (RAW, {"delta_bytes": 2**63 - 1}, Reason.TOO_LARGE),
        (QCOW2, {"capacity_bytes": 2**63 - 1}, Reason.TOO_LARGE),
    ],
)
def test_what_no_volume_can_be_is_refused(facts: VolumeFacts, size: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(ModelError) as refused:
        resized(facts, **size)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("facts", "capacity_bytes", "at_once_bytes", "changes"),
    [
        (RAW, 8192, 7168, True),
        (RAW, 4096, 3072, True),
        (RAW, 1024, 0, True),
        (dataclasses.replace(RAW, allocation_bytes=4096), 4096, 0, False),
        (QCOW2, 8192, 4096, True),
        (QCOW2, 4096, 0, False),
        (QCOW2, 512, 0, True),
    ],
)
def test_allocated_are_all_bytes_of_raw_files_and_the_added_ones_of_others(
    facts: VolumeFacts, capacity_bytes: int, at_once_bytes: int, changes: bool
) -> None:
    change = resized(facts, capacity_bytes=capacity_bytes, allocate=True)
    assert (change.bytes_at_once, change.changes_something) == (at_once_bytes, changes)
    assert resized(facts, capacity_bytes=capacity_bytes).bytes_at_once == 0


def test_it_shrinks_only_where_it_may() -> None:
    change = resized(RAW, capacity_bytes=4095)
    with pytest.raises(ModelError) as refused:
        check_may_shrink(RAW, change, allow_shrink=False)
    assert refused.value.reason is Reason.WOULD_SHRINK
    assert (refused.value.metadata["capacity_bytes"], refused.value.metadata["asked_bytes"]) == ("4096", "4095")
    check_may_shrink(RAW, change, allow_shrink=True)
    check_may_shrink(RAW, resized(RAW, capacity_bytes=4097), allow_shrink=False)
