"""The options that say how a network share is tried again, shared by `pool start`, `pool restart` and `pool ensure`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from poolfleet.cli.parsing import duration_s
from poolfleet.cli.verbs import option

if TYPE_CHECKING:
    from poolfleet.types.retry import RetryPolicy

_PANEL = "Mounting a network share again (what is left out is as the agent is configured)"
RETRIES = [
    option("retry_deadline", str | None, "How long, such as 2m.", metavar="TIME", rich_help_panel=_PANEL),
    option(
        "attempts",
        int | None,
        "How often at most; 0: as often as the deadline allows.",
        metavar="N",
        rich_help_panel=_PANEL,
    ),
    option(
        "first_delay", str | None, "Wait after the first attempt; it doubles.", metavar="TIME", rich_help_panel=_PANEL
    ),
    option("longest_delay", str | None, "Longest wait between two.", metavar="TIME", rich_help_panel=_PANEL),
]


def policy(given: dict[str, Any]) -> RetryPolicy | None:
    """Take the options of this page out of `given`; None: none was said. Raises typer.BadParameter."""
    attempts = given.pop("attempts")
    deadline_s, first_delay_s, longest_delay_s = (
        None if word is None else duration_s(word)
        for word in (given.pop("retry_deadline"), given.pop("first_delay"), given.pop("longest_delay"))
    )
    if (deadline_s, attempts, first_delay_s, longest_delay_s) == (None, None, None, None):
        return None
    from poolfleet.types.retry import RetryPolicy

    return RetryPolicy(
        deadline_s=deadline_s, attempts=attempts, first_delay_s=first_delay_s, longest_delay_s=longest_delay_s
    )
