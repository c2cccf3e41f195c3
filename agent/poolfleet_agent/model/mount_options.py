"""Which mount options and protocol versions a pool may state: single words that no program takes for an option."""

import re
from collections.abc import Sequence

from poolfleet_agent.model.errors import invalid_field

_OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/@%+=\-\[\]]*")
_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?")


def check_mount_options(options: Sequence[str], protocol_version: str) -> None:
    """Refuse options with commas, white space or odd characters, and versions that are no numbers: INVALID_FIELD."""
    for option in options:
        if len(option) > 255 or not _OPTION.fullmatch(option):
            raise invalid_field("mount.options", "must be single words such as noatime or timeo=50", value=option)
    if protocol_version and not _VERSION.fullmatch(protocol_version):
        raise invalid_field("mount.protocol_version", "must be a number such as 3 or 4.2", value=protocol_version)
