"""Who is who in a pool's directory: what owner, mode and the server's own answers say, and what cannot be told.

A server may take the host's root for somebody else (squashing). No call tells so; but what root may do there, and whose
the files are that it makes, gives it away.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.ports.files import FileFacts, Rights
from poolfleet_agent.model.ports.mounts import Account
from poolfleet_agent.model.share_user import NOBODY, ROOT, ShareUser, share_user

_READ, _WRITE, _SEARCH = 4, 2, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareUsers:
    """Who is who. None: cannot be told (`root_*`: without writing; `qemu_*`: the host has no user of qemu's)."""

    root_squashed: bool | None
    root_uid: int | None
    worker_uid: int
    worker_gid: int
    libvirt_can_list: bool
    qemu_user: str = ""
    qemu_can_read: bool | None = None
    qemu_can_write: bool | None = None
    owner_is_nobody: bool = False


def share_users(
    *,
    permissions: Permissions | None,
    folder: FileFacts,
    root: Rights,
    made: FileFacts | None = None,
    made_by_another: bool = False,
    qemu: Account | None = None,
) -> ShareUsers:
    """Put together what is known. `root`: what root may do in the folder; `made`: a file that root made there.

    `made_by_another`: where root was denied that, the share's user could make one.
    """
    worker = worker_of(permissions, folder, root, qemu)
    return ShareUsers(
        root_squashed=True if made_by_another else _squashed(folder, root, made),
        root_uid=made.uid if made is not None else None,
        worker_uid=worker.uid,
        worker_gid=worker.gid,
        libvirt_can_list=root.read and root.search,
        qemu_user=qemu.name if qemu is not None else "",
        qemu_can_read=_may(qemu, folder, _SEARCH) if qemu is not None else None,
        qemu_can_write=_may(qemu, folder, _WRITE | _SEARCH) if qemu is not None else None,
        owner_is_nobody=folder.uid in NOBODY,
    )


def worker_of(permissions: Permissions | None, folder: FileFacts, root: Rights, qemu: Account | None) -> ShareUser:
    """Whom the agent acts as in a folder: root, where root may write there."""
    if root.write and root.search:
        return ROOT
    guests = ShareUser(uid=qemu.uid, gid=qemu.gids[0]) if qemu is not None else None
    return share_user(permissions, ShareUser(uid=folder.uid, gid=folder.gid), guests)


def ids_are_mapped_wrong(permissions: Permissions | None, folder: FileFacts) -> bool:
    """Whether an owner that the pool states shows as nobody."""
    stated = permissions.owner if permissions is not None else None
    return folder.uid in NOBODY and stated is not None and stated not in NOBODY


def remarks(users: ShareUsers, root: Rights) -> Iterator[str]:
    """What is worth saying of it, a clause each."""
    if users.root_uid is not None:
        yield f"root is taken for uid {users.root_uid}" if users.root_squashed else "root is taken for root"
    elif users.root_squashed:
        yield "root is squashed"
    elif users.root_squashed is None and not root.write:
        yield "root is squashed, or the export is read-only"
    yield f"the agent acts as uid {users.worker_uid}, gid {users.worker_gid}"
    if users.qemu_can_read is False:
        yield f"{users.qemu_user} cannot open files in the directory"
    elif users.qemu_can_write is False:
        yield f"{users.qemu_user} can open files in the directory, and make none"
    if users.owner_is_nobody:
        yield "the directory's owner shows as nobody"


def _squashed(folder: FileFacts, root: Rights, made: FileFacts | None) -> bool | None:
    if made is not None:
        return made.uid != 0
    if not (root.read and root.search):
        return True  # nothing is closed to a root that is one
    # Writing may be granted to whom root was squashed to, or be refused because the export is read-only.
    only_root_may = folder.uid == 0 and not folder.mode & 0o022
    return False if root.write and only_root_may else None


def _may(account: Account, folder: FileFacts, wanted: int) -> bool:
    """Whether the mode bits grant it. An access list could say otherwise, and is not seen."""
    if account.uid == folder.uid:
        granted = folder.mode >> 6
    elif folder.gid in account.gids:
        granted = folder.mode >> 3
    else:
        granted = folder.mode
    return granted & wanted == wanted
