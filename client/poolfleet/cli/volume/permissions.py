"""The options that say whose a new volume is, and who may do what with it."""

from __future__ import annotations

from typing import Annotated

from poolfleet.cli.verbs import choice

Mode = Annotated[str | None, choice("--mode", about="Permissions in octal, such as 0600.")]
Owner = Annotated[int | None, choice("--owner", about="User id.")]
Group = Annotated[int | None, choice("--group", about="Group id.")]
