"""What is written is read back the same, whatever it holds; what is no document of ours is named as such."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.pool import Pool, PoolDefinition
from poolfleet_agent.model.volume import VolumeFacts
from poolfleet_agent.state.serial import OPERATION, POOL, VOLUME, UnreadableDocumentError
from tests.pool_definitions import definitions

PLAIN: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    bytes: st.binary(max_size=20),
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False),
    type(None): st.none(),
}


def any_value(of: Any) -> st.SearchStrategy[Any]:
    """Every field is filled, those with a default too."""
    if of in PLAIN:
        return PLAIN[of]
    arguments = typing.get_args(of)
    if typing.get_origin(of) in {types.UnionType, typing.Union}:
        return st.one_of([any_value(one) for one in arguments])
    if arguments[1:] == (Ellipsis,):
        return st.lists(any_value(arguments[0]), max_size=3).map(tuple)
    if arguments:
        return st.tuples(*[any_value(one) for one in arguments])
    if issubclass(of, Enum):
        return st.sampled_from(of)
    if of is PoolDefinition:
        return definitions()
    hints = typing.get_type_hints(of)
    return st.builds(of, **{field.name: any_value(hints[field.name]) for field in dataclasses.fields(of)})


@given(any_value(Operation))
def test_an_operation_is_read_back_the_same(operation: Operation) -> None:
    assert OPERATION.read(OPERATION.write(operation)) == operation


@given(any_value(Pool))
def test_a_pool_is_read_back_the_same(pool: Pool) -> None:
    assert POOL.read(POOL.write(pool)) == pool


@given(any_value(VolumeFacts))
def test_a_volume_is_read_back_the_same_from_one_line(volume: VolumeFacts) -> None:
    document = VOLUME.write(volume)
    assert b"\n" not in document
    assert VOLUME.read(document) == volume


def test_fields_of_another_version_are_ignored_and_lacking_ones_take_their_default() -> None:
    read = OPERATION.read(b'[{"id": "1", "kind": "STOP_POOL", "pool": "p", "of_a_later_version": 1}]')
    assert read.pool == "p"
    assert read.attempts == ()


@pytest.mark.parametrize("document", [b"", b"[]", b"{", b"[{}]", b'[{"id": "1", "kind": "UNHEARD_OF", "pool": "p"}]'])
def test_what_is_no_document_of_ours_is_named_as_such(document: bytes) -> None:
    with pytest.raises(UnreadableDocumentError):
        OPERATION.read(document)
