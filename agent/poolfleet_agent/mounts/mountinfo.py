"""Reads the kernel's list of mounts, `/proc/PID/mountinfo`.

The kernel makes it from what it holds in memory: no file system is asked, no server can make the reading wait.
"""

import re
from pathlib import Path

from poolfleet_agent.model.mount_table import MountEntry, MountTable

OWN_MOUNTINFO = Path("/proc/self/mountinfo")

_ESCAPED = re.compile(rb"\\([0-7]{3})")
_SEPARATOR = b"-"


def read_mount_table(path: Path = OWN_MOUNTINFO) -> MountTable:
    """The mounts of the namespace that `path` speaks of: OSError where it is not to be had."""
    return parse_mountinfo(path.read_bytes())


def parse_mountinfo(text: bytes) -> MountTable:
    """Understand each line; one that is not understood raises ValueError: a list with gaps proves nothing."""
    return MountTable(tuple(_entry(line) for line in text.split(b"\n") if line))


def _entry(line: bytes) -> MountEntry:
    # proc(5): id, parent, device, root, target, options, any number of tags, "-", type, source, options of the whole.
    fields = line.split(b" ")
    try:
        end_of_tags = fields.index(_SEPARATOR)
        mount_id, parent_id, device, root, target, options = fields[:6]
        fs_type, source, super_options = fields[end_of_tags + 1 :]
        return MountEntry(
            mount_id=int(mount_id),
            parent_id=int(parent_id),
            device=unescaped(device),
            root=unescaped(root),
            target=unescaped(target),
            fs_type=unescaped(fs_type),
            source=unescaped(source),
            options=_options(options),
            super_options=_options(super_options),
        )
    except ValueError as error:
        raise ValueError(f"not a line of mountinfo: {line!r}") from error


def _options(field: bytes) -> tuple[str, ...]:
    return tuple(unescaped(option) for option in field.split(b",") if option)


def unescaped(field: bytes) -> str:
    """A field as it is meant: the kernel writes blanks and the like as octal numbers, and fstab(5) has them so too."""
    # As os.fsdecode has paths: bytes that are not UTF-8 are surrogates.
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field).decode(errors="surrogateescape")
