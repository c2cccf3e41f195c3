"""So many at once and no more: a place is given back however the work ends."""

from __future__ import annotations

import pytest

from poolfleet_agent.control.at_once import AtOnce
from poolfleet_agent.model.errors import ModelError, Reason


def test_one_more_than_there_are_places_for_is_told_to_come_again() -> None:
    places = AtOnce(2, "looks")
    with places.place(), places.place():
        with pytest.raises(ModelError) as refused, places.place():
            pass
        assert (refused.value.reason, refused.value.retry_delay_s) == (Reason.TOO_BUSY, 1.0)
        assert "2 looks" in refused.value.message


def test_a_place_is_free_again_after_a_failure() -> None:
    places = AtOnce(1, "looks")
    with pytest.raises(ValueError, match="failed"), places.place():
        raise ValueError("failed")
    with places.place():
        pass
