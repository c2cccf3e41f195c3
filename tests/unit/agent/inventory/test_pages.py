"""Pages: what exists throughout is given exactly once, and a token is good for its own question only."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.inventory.pages import DEFAULT_PAGE_SIZE, LONGEST_PAGE_SIZE, PAGE_BYTES, Page, page_of
from poolfleet_agent.model.errors import ModelError, Reason

names = st.sets(st.text(min_size=1, max_size=8), max_size=40).map(sorted)


def page(items: list[str], size: int = 0, token: str = "", *, question: str = "q", item_bytes: int = 1) -> Page[str]:
    return page_of(
        items, key=lambda item: (item,),
        asked_size=size, token=token, question=question, size_bytes=lambda _: item_bytes,
    )  # fmt: skip


def all_pages(items: list[str], size: int, *, item_bytes: int = 1) -> list[list[str]]:
    pages, token = [], ""
    while True:
        one = page(items, size, token, item_bytes=item_bytes)
        pages.append(one.items)
        if not (token := one.next_token):
            return pages


@given(names, st.integers(1, 10))
def test_all_pages_together_are_the_list_in_its_order(items: Any, size: Any) -> None:
    pages = all_pages(items, size)
    assert [item for one in pages for item in one] == items
    assert all(len(one) <= size for one in pages)


@given(names, names, st.integers(1, 5))
def test_what_exists_throughout_is_given_once_whatever_comes_and_goes(before: Any, after: Any, size: Any) -> None:
    first = page(before, size)
    seen, token = list(first.items), first.next_token
    while token:
        one = page(after, size, token)
        seen += one.items
        token = one.next_token
    assert len(seen) == len(set(seen))
    if first.next_token:
        assert set(before) & set(after) <= set(seen)


def test_a_page_ends_at_a_mebibyte_and_holds_at_least_one_item() -> None:
    assert [len(one) for one in all_pages(["a", "b", "c"], 10, item_bytes=PAGE_BYTES // 2)] == [2, 1]
    assert [len(one) for one in all_pages(["a", "b"], 10, item_bytes=2 * PAGE_BYTES)] == [1, 1]


def test_the_size_has_a_default_and_a_bound() -> None:
    items = [f"{number:05d}" for number in range(LONGEST_PAGE_SIZE + 1)]
    assert len(page(items).items) == DEFAULT_PAGE_SIZE
    assert len(page(items, 1_000_000).items) == LONGEST_PAGE_SIZE
    with pytest.raises(ModelError) as negative:
        page(items, -1)
    assert negative.value.reason is Reason.INVALID_FIELD


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


GOOD = page(["a", "b"], 1).next_token


@pytest.mark.parametrize(
    "token", ["x", "é", "{}", "=", GOOD + "A", GOOD[:-4], forged(), forged(1), forged("q", "a"), "W1tbW1tb", GOOD * 2]
)
def test_what_is_no_token_of_this_list_is_refused(token: Any) -> None:
    with pytest.raises(ModelError) as refused:
        page(["a", "b"], 1, token)
    assert refused.value.reason is Reason.TOKEN_MISMATCH


def test_a_token_of_another_filter_is_refused() -> None:
    with pytest.raises(ModelError) as refused:
        page(["a", "b"], 1, GOOD, question="another")
    assert refused.value.reason is Reason.TOKEN_MISMATCH


@given(st.text(max_size=60))
def test_no_token_however_it_looks_breaks_anything(token: Any) -> None:
    try:
        page(["a"], 1, token)
    except ModelError as error:
        assert error.reason is Reason.TOKEN_MISMATCH  # noqa: PT017
