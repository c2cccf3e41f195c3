"""Signs of life: what each agent leaves in an adopted storage, so that whoever asks who uses it misses no host.

A file named for the agent, holding the name of its host for people who look. It stays when the agent goes: what that
host's guests use there is used until a person says otherwise, by removing the file.
"""

import re
from collections.abc import Iterable

from poolfleet_agent.model.storage import MARKER_FOLDER

SIGNS_FOLDER = f"{MARKER_FOLDER}/hosts"

GIVEN_ANEW_AFTER_S = 24 * 3600.0

MOST_SIGNS = 4096
"""More hosts than that have no storage in common; a folder of more names is not believed."""

_AGENT_ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def agents_of(names: Iterable[bytes]) -> tuple[str, ...]:
    """The agents whose signs are among the names in the folder, in order; what else is there is nobody's sign."""
    return tuple(sorted(name.decode() for name in names if _AGENT_ID.fullmatch(name)))
