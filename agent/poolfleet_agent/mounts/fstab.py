"""What an administrator has mounted by fstab: it was there before any pool, and is not undone with one."""

import re
from pathlib import Path

from poolfleet_agent.model.compare import clean_path

FSTAB = Path("/etc/fstab")

_ESCAPED = re.compile(r"\\([0-7]{3})")


def in_fstab(target: str, path: Path = FSTAB) -> bool:
    """Whether fstab mounts something on a target; without a file that can be read, nothing is."""
    try:
        text = path.read_text(errors="surrogateescape")
    except OSError:
        return False
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return clean_path(target) in {clean_path(_unescaped(words[1])) for words in lines if len(words) > 1}


def _unescaped(word: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), word)
