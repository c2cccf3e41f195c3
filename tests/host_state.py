"""What a host is, seen from outside of the agent: to show that something changed nothing."""

from __future__ import annotations

import re
from pathlib import Path

import libvirt

_USAGE = re.compile(r"<(allocation|available)\b[^>]*>[^<]*</\1>")


def pools_by_libvirt(uri: str) -> dict[str, tuple[str, str, bool, bool]]:
    """Of each pool its live and stored document, without usage, its autostart, and whether it is active."""
    connection = libvirt.open(uri)
    try:
        return {
            pool.name(): (
                _USAGE.sub("", pool.XMLDesc(0)),
                pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE) if pool.isPersistent() else "",
                bool(pool.autostart()),
                bool(pool.isActive()),
            )
            for pool in connection.listAllStoragePools(0)
        }
    finally:
        connection.close()


def files_below(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Of each thing in a folder its mode, inode, size, and what it holds: the beginning, or where a link leads."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        if path.is_symlink():
            content = bytes(path.readlink())
        elif path.is_file():
            with path.open("rb") as file:
                content = file.read(4096)
        else:
            content = b""
        found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_ino, facts.st_size, content)
    return found
