"""Who touches a pool's files where its server takes root for nobody."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.share_user import ROOT, ShareUser, share_user

QEMU = ShareUser(uid=64055, gid=64055)
OWNER = ShareUser(uid=1000, gid=100)


@pytest.mark.parametrize(
    ("permissions", "directory", "qemu", "user"),
    [
        (Permissions(owner=7, group=8), OWNER, QEMU, ShareUser(uid=7, gid=8)),
        (Permissions(owner=7), OWNER, QEMU, ShareUser(uid=7, gid=100)),
        (Permissions(mode=0o755), OWNER, QEMU, OWNER),
        (Permissions(owner=0, group=0), OWNER, QEMU, OWNER),
        (None, OWNER, QEMU, OWNER),
        (None, ROOT, QEMU, QEMU),
        (None, ROOT, None, ROOT),
    ],
    ids=[
        "the pool's owner", "and the directory's group", "the directory's owner", "root is nobody there",
        "no permissions", "root's directory: qemu's user", "who that is is not known",
    ],
)  # fmt: skip
def test_who_acts(
    permissions: Permissions | None, directory: ShareUser, qemu: ShareUser | None, user: ShareUser
) -> None:
    assert share_user(permissions, directory, qemu) == user
