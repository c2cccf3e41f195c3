"""Options that several verbs of volumes have."""

from __future__ import annotations

from typing import Annotated

import typer

AllowInUse = Annotated[
    bool, typer.Option("--allow-in-use", help="Guests or volumes that use it are no reason to refuse.")
]
