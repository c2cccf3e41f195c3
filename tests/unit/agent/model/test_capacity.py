"""Whether a new volume fits, before anything is written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.capacity import bytes_at_once, check_fits, check_overcommit
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.volume import VolumeDefinition, VolumeEncryption


def volume(source_format: str | None, capacity: int, allocation: int | None = None) -> VolumeDefinition:
    return VolumeDefinition(name="v", format=source_format, capacity_bytes=capacity, allocation_bytes=allocation)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        (volume("raw", 100), 100),
        (volume(None, 100), 100),
        (volume("raw", 100, 0), 0),
        (volume("raw", 100, 40), 40),
        (volume("qcow2", 100), 0),
        (volume("qcow2", 100, 100), 0),
    ],
)
def test_raw_takes_all_at_once_unless_it_is_asked_for_less_and_qcow2_nothing(asked: Any, taken: Any) -> None:
    assert bytes_at_once(asked) == taken


@given(st.integers(0, 1 << 60), st.integers(0, 1 << 60), st.integers(0, 1 << 60))
def test_what_fits_beside_what_is_promised_is_taken_and_nothing_more(
    needed: Any, available: Any, promised: Any
) -> None:
    free = max(0, available - promised)
    if needed <= free:
        check_fits(needed_bytes=needed, available_bytes=available, promised_bytes=promised)
        return
    with pytest.raises(ModelError) as full:
        check_fits(needed_bytes=needed, available_bytes=available, promised_bytes=promised)
    assert full.value.reason is Reason.NO_SPACE
    assert full.value.metadata == {"needed_bytes": str(needed), "available_bytes": str(free)}


def test_where_it_is_not_known_what_is_free_libvirt_decides() -> None:
    check_fits(needed_bytes=1 << 60, available_bytes=None, promised_bytes=0)


@pytest.mark.parametrize(("ratio", "fits"), [(0.0, True), (1.0, False), (1.5, True), (1.499, False)])
def test_capacities_add_up_to_the_ratio_at_most_and_0_is_no_limit(ratio: Any, fits: Any) -> None:
    sizes = {"capacity_bytes": 100, "provisioned_bytes": 50, "pool_capacity_bytes": 100}
    if fits:
        check_overcommit(**sizes, overcommit_ratio=ratio)
    else:
        with pytest.raises(ModelError) as full:
            check_overcommit(**sizes, overcommit_ratio=ratio)
        assert full.value.reason is Reason.NO_SPACE


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_an_encrypted_volume_takes_nothing_at_once(volume_format: str) -> None:
    encryption = VolumeEncryption(format="luks")
    definition = VolumeDefinition(
        name="v", format=volume_format, capacity_bytes=100, allocation_bytes=100, encryption=encryption
    )
    assert bytes_at_once(definition) == 0
