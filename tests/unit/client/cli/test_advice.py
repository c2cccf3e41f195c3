from __future__ import annotations

from poolfleet.cli import advice
from poolfleet.types.errors import FailedPrecondition, InvalidArgument, Violation
from poolfleet.v1 import errors_pb2


def test_every_reason_that_is_advised_on_is_known() -> None:
    known = {name.removeprefix("ERROR_REASON_") for name in dict(errors_pb2.ErrorReason.items())}
    # Those two are of changes that the fleet is asked for.
    assert set(advice._BY_REASON) <= known | {"INCOMPLETE", "NO_HOST"}


def test_a_sentence_says_what_happened_and_what_to_do_next() -> None:
    error = FailedPrecondition("Pool vm_data is active.", reason="POOL_ACTIVE")
    assert advice.sentence(error) == f"Pool vm_data is active; {advice.next_step(error)}."
    assert "`poolfleet pool stop`" in advice.next_step(error)


def test_fields_that_are_wrong_are_named_unless_the_message_says_so_already() -> None:
    wrong = (
        Violation(field="spec.name", description="is empty."),
        Violation(field="spec.uuid", description="is no UUID"),
    )
    error = InvalidArgument("spec.name is empty.", reason="INVALID_FIELD", violations=wrong)
    assert advice.sentence(error) == "spec.name is empty (spec.uuid: is no UUID)."
