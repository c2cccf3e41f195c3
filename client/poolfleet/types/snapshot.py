"""Where an answer of an agent stands in the history of its inventory."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A point in an inventory's history: revisions of one epoch are ordered by `sequence`, those of two are not."""

    epoch: str
    sequence: int
