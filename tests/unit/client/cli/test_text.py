from __future__ import annotations

import pytest

from poolfleet.cli.output import text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("vm_data", "vm_data"),
        ("größe 大", "größe 大"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\x7f\x9b", "a\\x0ab\\x7f\\x9b"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
    ],
)
def test_names_cannot_move_a_terminal(name: str, shown: str) -> None:
    assert text.printable(name) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [(None, "-"), (0, "0.0GiB"), (1, "<0.1GiB"), (1024**3, "1.0GiB"), (3 * 1024**4 // 2, "1536.0GiB")],
)
def test_sizes_are_gib_with_one_decimal(size: int | None, shown: str) -> None:
    assert text.gib(size) == shown


@pytest.mark.parametrize(
    ("age_s", "shown"), [(None, "-"), (-3, "0s"), (5.9, "5s"), (60, "1m"), (7199, "1h"), (200_000, "2d")]
)
def test_ages_are_shown_by_their_largest_unit(age_s: float | None, shown: str) -> None:
    assert text.age(age_s) == shown


def test_long_lists_name_the_first_few() -> None:
    assert text.joined(["a", "b"]) == "a, b"
    assert text.joined(list("abcde")) == "a, b, c and 2 more"
