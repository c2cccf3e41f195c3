"""Which storage a word of the command line means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from poolfleet.cli.session import UsageError


class Named(Protocol):
    """What storages are known by."""

    @property
    def storage_id(self) -> str:
        """Their id."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other spellings."""

    @property
    def pools(self) -> tuple[str, ...]:
        """Names of the pools that lie on them."""


T = TypeVar("T", bound=Named)


def chosen(word: str, storages: Sequence[T]) -> T | None:
    """Find a storage by its id, else by another spelling, else by a pool on it.

    Raises UsageError where the word means several.
    """
    exact = [each for each in storages if each.storage_id == word]
    exact = exact or [each for each in storages if word in each.aliases]
    if len(exact) > 1:
        raise UsageError(f"{len(exact)} storages are known by {word}: choose one of {_ids(exact)}")
    by_pool = [each for each in storages if word in each.pools]
    if not exact and len(by_pool) > 1:
        raise UsageError(f"pools named {word} lie on {len(by_pool)} storages: choose one of {_ids(by_pool)}")
    return next(iter(exact or by_pool), None)


def _ids(storages: Sequence[T]) -> str:
    return ", ".join(each.storage_id for each in storages)
