"""Batches: one host first, then groups of a size, and every host exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.fleet.batches import group_size, groups

sizes = st.integers(min_value=1, max_value=50)
percentages = st.integers(min_value=1, max_value=100).map(lambda number: f"{number}%")
batches = sizes | sizes.map(str) | percentages


@given(st.integers(min_value=0, max_value=300), st.none() | batches)
def test_every_host_is_in_exactly_one_group_and_order_is_kept(count: int, batch: int | str | None) -> None:
    hosts = list(range(count))
    divided = [list(group) for group in groups(hosts, batch)]
    assert [host for group in divided for host in group] == hosts
    assert all(divided)


@given(st.integers(min_value=1, max_value=300), batches)
def test_the_first_group_is_one_host_and_none_is_larger_than_asked(count: int, batch: int | str) -> None:
    first, *others = groups(range(count), batch)
    assert len(first) == 1
    assert all(len(group) <= group_size(batch, count) for group in others)
    assert all(len(group) == group_size(batch, count) for group in others[:-1])


def test_without_a_batch_all_hosts_are_one_group() -> None:
    assert list(groups([1, 2, 3], None)) == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("batch", "count", "size"),
    [(5, 100, 5), ("5", 100, 5), ("10%", 100, 10), ("10%", 5, 1), ("100%", 7, 7), ("33%", 10, 3)],
)
def test_a_percentage_is_of_the_hosts_and_at_least_one(batch: int | str, count: int, size: int) -> None:
    assert group_size(batch, count) == size


@pytest.mark.parametrize("batch", [0, -1, "0", "0%", "101%", "ten", "", "%", "5 %", "-5", "1.5"])
def test_what_is_no_batch_is_refused(batch: int | str) -> None:
    with pytest.raises(ValueError, match="a batch is"):
        group_size(batch, 10)
