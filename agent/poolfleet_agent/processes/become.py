"""Becoming another user, for our programs: they are started as root, so that the user needs no right on where they lie.

The standard library only.
"""

import os


def become(uid: int, gid: int) -> None:
    """Become a user for good, in its group and no other; root stays who it is."""
    if uid == 0:
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
