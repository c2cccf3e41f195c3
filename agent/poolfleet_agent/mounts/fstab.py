"""What an administrator has mounted by fstab: it was there before any pool, and is not undone with one."""

from pathlib import Path

from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.mounts.mountinfo import unescaped

FSTAB = Path("/etc/fstab")


def in_fstab(target: str, path: Path = FSTAB) -> bool:
    """Whether fstab mounts something on a target; without a file that can be read, nothing is."""
    try:
        text = path.read_bytes()
    except OSError:
        return False
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith(b"#"))
    return clean_path(target) in {clean_path(unescaped(words[1])) for words in lines if len(words) > 1}
