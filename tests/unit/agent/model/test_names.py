"""Names, paths and ids that may be given to what is new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.names import (
    LONGEST_NAME_BYTES,
    check_absolute_path,
    check_known_name,
    check_new_name,
    check_new_volume_name,
    check_uuid,
)


def refusal(check: Callable[[str, str], object], value: str) -> Reason:
    with pytest.raises(ModelError) as refused:
        check("field", value)
    assert refused.value.violations[0].field == "field"
    return refused.value.reason


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/", "a\0b", "a\nb", "\x7f", "\x85", "\u2028", "-o", "--help", " a", "a ", "\ud800",
     "ü" * 126, "n" * 252],
)  # fmt: skip
def test_a_new_name_must_be_one_plain_word_of_a_path(name: Any) -> None:
    assert refusal(check_new_name, name) is Reason.INVALID_FIELD


@pytest.mark.parametrize("name", ["a", "a b", "vm-01.qcow2", "ü" * 125, "n" * LONGEST_NAME_BYTES, "...", "日本"])
def test_other_names_are_fine(name: Any) -> None:
    check_new_name("field", name)


def test_what_begins_with_a_dot_may_be_a_pool_and_never_a_new_volume() -> None:
    check_new_name("field", ".hidden")
    assert refusal(check_new_volume_name, ".hidden") is Reason.INVALID_FIELD


@pytest.mark.parametrize("name", ["..", "-o", "a\nb", " a", "n" * 300])
def test_what_exists_stays_addressable_whatever_its_name(name: Any) -> None:
    check_known_name("field", name)


@pytest.mark.parametrize("path", ["", "a", "./a", "/a/../b", "/..", "/.", "/a/./b", "/a\nb", "/a\0b", "/" + "n" * 4095])
def test_a_path_is_absolute_and_plain(path: Any) -> None:
    assert refusal(check_absolute_path, path) is Reason.INVALID_FIELD


@pytest.mark.parametrize("path", ["/", "/a", "/a//b/", "/a/...", "/-o"])
def test_other_paths_are_fine(path: Any) -> None:
    check_absolute_path("field", path)


@given(st.uuids())
def test_a_uuid_in_any_spelling_is_one_uuid(value: Any) -> None:
    for spelling in (str(value), str(value).upper(), value.hex):
        assert check_uuid("field", spelling) == str(value)


@pytest.mark.parametrize("value", ["", "x", "{12345678-1234-1234-1234-123456789abc}", "1" * 31, "1" * 33, "urn:uuid:1"])
def test_anything_else_is_no_uuid(value: Any) -> None:
    assert refusal(check_uuid, value) is Reason.INVALID_FIELD
