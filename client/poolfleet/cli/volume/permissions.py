"""The options that say whose a new volume is, and who may do what with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from poolfleet.cli.parsing import mode_bits
from poolfleet.cli.verbs import choice

if TYPE_CHECKING:
    from poolfleet.types.volume import Permissions

Mode = Annotated[str | None, choice("--mode", about="Permissions in octal, such as 0600.")]
Owner = Annotated[int | None, choice("--owner", about="User id.")]
Group = Annotated[int | None, choice("--group", about="Group id.")]


def permissions(mode: str | None, owner: int | None, group: int | None) -> Permissions | None:
    """What the options state; None: nothing."""
    from poolfleet.types.volume import Permissions

    if mode is None and owner is None and group is None:
        return None
    return Permissions(mode=mode_bits(mode) if mode else None, owner=owner, group=group)
