"""What the signs of life in an adopted storage tell of hosts that nobody asked.

Every agent leaves one in each adopted storage that it has, and it stays. So an agent that is not among those asked has
the storage too, and its host may use what lies there; and where all have left theirs, there is no other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from poolfleet.inventory.identity import Joined
from poolfleet.inventory.sentences import shortened

SIGNS_FOLDER = ".poolfleet/hosts"

_SHOWN = 3

_ALL_WITHIN = timedelta(days=1, hours=1)
"""Of its adoption, or of the loss of all signs, every agent at work has left its own: it does so once a day."""


def strangers(storage: Joined, agent_ids: Collection[str]) -> Iterator[str]:
    """Say, in one sentence, which agents have the storage and are none of these; none: there is no such."""
    signed = {agent_id for seen in storage.pools if (signs := seen.storage.signs) for agent_id in signs.agent_ids}
    if others := sorted(signed.difference(agent_ids)):
        shown = shortened(others, most=_SHOWN, between=", ")
        yield (
            f"{storage.storage_id}: hosts that told nothing have it too, by the signs of their agents in"
            f" {SIGNS_FOLDER} there: {shown}; the sign of a host that is gone for good is to be removed"
        )


def all_have_signed(storage: Joined, *, now: datetime | None = None) -> bool:
    """Whether every agent that has the storage is known by its sign: each of these has left one, and it is time.

    An agent that may not write there leaves none; neither does a host without an agent.
    """
    moment = now or datetime.now(UTC)
    started = storage.started
    return bool(started) and all(
        (signs := seen.storage.signs) is not None
        and seen.host.agent_id in signs.agent_ids
        and signs.since is not None
        and signs.since + _ALL_WITHIN < moment
        for seen in started
    )
