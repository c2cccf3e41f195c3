"""Fields that are filled late, whoever comes first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from poolfleet.types.deferred import Deferred, Fill


class Pair(Deferred):
    """Two fields, filled one after the other. `meanwhile` is done once, when a reader has got what fills them."""

    __slots__ = ("meanwhile", "one", "two")
    meanwhile: Callable[[], object] | None
    one: int
    two: int

    def overtaken(self) -> None:
        """Let the other reader go first."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()


def pair(source: int) -> Pair:
    made = Pair()
    made._unfilled, made.meanwhile = (fill_one, source), None
    return made


def fill_one(made: Pair, source: int) -> Fill | None:
    made.overtaken()
    made.one = source + 1
    return fill_two


def fill_two(made: Pair, source: int) -> Fill | None:
    made.overtaken()
    made.two = source + 2
    return None


def test_what_is_not_asked_for_is_not_filled() -> None:
    made = pair(10)
    assert made.one == 11
    with pytest.raises(AttributeError):
        vars(Pair)["two"].__get__(made)
    assert (made.two, made.one) == (12, 11)
    assert made._unfilled is None


@pytest.mark.parametrize("read_before", ["", "one"])
def test_a_reader_whom_another_outruns_finds_what_that_one_filled(read_before: str) -> None:
    made = pair(10)
    if read_before:
        assert getattr(made, read_before) == 11
    made.meanwhile = lambda: made.two
    assert (made.two, made.one) == (12, 11)
