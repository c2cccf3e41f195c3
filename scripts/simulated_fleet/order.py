"""What a process of a simulated fleet is told at first."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, Self

from scripts.simulated_fleet.shape import Shape

Transport = Literal["unix", "tcp", "tls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Which hosts a process is to serve, and how. `folder` has the sockets, and the certificates of `tls`."""

    shape: Shape
    first: int
    last: int
    folder: str
    transport: Transport

    def to_line(self) -> str:
        """The order as it is sent."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """The order as it was sent."""
        fields = json.loads(line)
        return cls(**{**fields, "shape": Shape(**fields["shape"])})
