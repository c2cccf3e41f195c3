"""Who touches the files of a share whose server takes root for nobody."""

from dataclasses import dataclass

from poolfleet_agent.model.pool import Permissions

NOBODY = frozenset({65534, 4294967294})
"""Whose an owner shows as that the server's id mapping could not name (NFS 4), or that root was squashed to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareUser:
    """A user and its only group, by number."""

    uid: int
    gid: int

    @property
    def is_root(self) -> bool:
        """Whether a server that squashes root would take it for nobody."""
        return self.uid == 0

    @property
    def is_nobody(self) -> bool:
        """Whether it may be anybody whom the server's id mapping could not name."""
        return self.uid in NOBODY


ROOT = ShareUser(uid=0, gid=0)


def share_user(permissions: Permissions | None, directory: ShareUser, qemu: ShareUser | None) -> ShareUser:
    """Who acts in a pool where root is nobody: whom its permissions name, else its directory's owner.

    A directory that is root's belongs to nobody who could act there: qemu's user does, if it may.
    """
    if permissions is not None and permissions.owner:
        group = permissions.group
        return ShareUser(uid=permissions.owner, gid=directory.gid if group is None else group)
    return qemu if directory.is_root and qemu is not None else directory
