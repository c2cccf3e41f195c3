"""Secrets: what may be asked for, what differs, and that a value shows nowhere."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.secret import (
    LONGEST_VALUE_BYTES,
    SecretDefinition,
    SecretFacts,
    SecretRef,
    SecretValue,
    check_definition,
    check_ref,
    check_value,
    secret_differences,
)

UUID = "11111111-2222-3333-4444-555555555555"
ASKED = SecretDefinition(usage_type="volume", usage_id="/v")
HAVE = SecretFacts(uuid=UUID, usage_type="volume", usage_id="/v", private=True)


def test_a_value_shows_in_no_text_that_is_made_of_it() -> None:
    value = SecretValue(b"hunter2")
    for text in (repr(value), str(value), f"{value}", "%s" % value, repr((ASKED, value)), repr([value])):  # noqa: UP031
        assert "hunter2" not in text
    error = ModelError(Reason.INTERNAL, f"unforeseen: {ValueError(value)!r}")
    assert "hunter2" not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    "value", [b"", bytes(LONGEST_VALUE_BYTES + 1), b"hunter2" * 10_000], ids=["empty", "long", "text"]
)
def test_a_value_that_libvirt_does_not_take_is_refused_without_a_word_of_it(value: bytes) -> None:
    with pytest.raises(ModelError) as refused:
        check_value("value", value)
    assert refused.value.reason is Reason.INVALID_FIELD
    assert "hunter2" not in f"{refused.value!r} {refused.value.metadata} {refused.value.violations}"
    assert len(check_value("value", bytes(LONGEST_VALUE_BYTES)).reveal) == LONGEST_VALUE_BYTES


@pytest.mark.parametrize(
    "stated",
    [
        {"usage_type": ""},
        {"usage_type": "none"},
        {"usage_id": ""},
        {"usage_id": "a\nb"},
        {"usage_id": "x" * 1025},
        {"uuid": "x"},
        {"description": "\0"},
    ],
)
def test_what_no_secret_can_be_is_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ModelError) as refused:
        check_definition("spec", replace(ASKED, **stated))
    assert refused.value.metadata["field"] == f"spec.{next(iter(stated))}"


def test_uuids_are_taken_as_libvirt_writes_them() -> None:
    bare = UUID.replace("-", "").upper()
    assert check_definition("spec", replace(ASKED, uuid=bare)).uuid == UUID
    assert check_ref("secret", SecretRef(uuid=bare)) == SecretRef(uuid=UUID)


@pytest.mark.parametrize("ref", [SecretRef(), SecretRef(uuid=UUID, usage_id="x"), SecretRef(usage_type="volume")])
def test_a_reference_names_one_secret_in_one_way(ref: SecretRef) -> None:
    with pytest.raises(ModelError):
        check_ref("secret", ref)


def test_only_what_is_stated_and_cannot_change_differs() -> None:
    assert secret_differences(ASKED, HAVE) == ()
    assert secret_differences(replace(ASKED, private=True, ephemeral=False, uuid=UUID, description="x"), HAVE) == ()
    other = replace(ASKED, usage_id="/w", private=False, ephemeral=True, uuid="x")
    assert secret_differences(other, HAVE) == ("uuid", "usage", "private", "ephemeral")


def test_a_reference_means_a_secret_by_uuid_or_by_usage() -> None:
    assert HAVE.is_named_by(SecretRef(uuid=UUID))
    assert HAVE.is_named_by(SecretRef(usage_type="volume", usage_id="/v"))
    assert not HAVE.is_named_by(SecretRef(usage_type="ceph", usage_id="/v"))
    assert not HAVE.is_named_by(SecretRef(uuid=UUID.replace("1", "2")))
