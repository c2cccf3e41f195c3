"""Signs of life: what each agent leaves in an adopted storage, so that whoever asks who uses it misses no host.

A file named for the agent, holding the name of its host for people who look. It stays when the agent goes: what that
host's guests use there is used until a person says otherwise, by removing the file.
"""

from collections.abc import Iterable

from poolfleet_agent.model.storage import MARKER_FOLDER, is_uuid

SIGNS_FOLDER = f"{MARKER_FOLDER}/hosts"

GIVEN_ANEW_AFTER_S = 24 * 3600.0

MOST_SIGNS = 4096
"""More hosts than that have no storage in common; a folder of more names is not believed."""


def agents_of(names: Iterable[bytes]) -> tuple[str, ...]:
    """The agents whose signs are among the names in the folder, in order; what else is there is nobody's sign."""
    return tuple(sorted(text for name in names if is_uuid(text := name.decode("ascii", "replace"))))
