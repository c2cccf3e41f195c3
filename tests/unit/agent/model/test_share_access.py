"""Who is who on a share: what owner, mode, and what root may do there give away, and what they do not."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.ports import Account, FileFacts, FileKind, Rights
from poolfleet_agent.model.share_access import ShareUsers, ids_are_mapped_wrong, share_users

QEMU = Account(name="libvirt-qemu", uid=64055, gids=(64055, 107))
ALL = Rights(read=True, write=True, search=True)
LOOK = Rights(read=True, write=False, search=True)
NONE = Rights(read=False, write=False, search=False)


def facts(uid: int = 64055, gid: int = 64055, mode: int = 0o755) -> FileFacts:
    return FileFacts(
        kind=FileKind.DIRECTORY, device=1, inode=2, size_bytes=0, allocated_bytes=0, mode=mode, uid=uid, gid=gid,
        modified_at_s=0.0,
    )  # fmt: skip


def users(folder: FileFacts, root: Rights = ALL, **more: Permissions | FileFacts | Account | None) -> ShareUsers:
    return share_users(**{"permissions": None, "folder": folder, "root": root, **more})  # type: ignore[arg-type]


def test_what_is_closed_to_root_says_that_root_is_squashed() -> None:
    found = users(facts(mode=0o750), NONE)
    assert (found.root_squashed, found.libvirt_can_list) == (True, False)


@pytest.mark.parametrize(
    ("folder", "root", "squashed"),
    [
        # Root may be squashed, or the export read-only.
        (facts(), LOOK, None),
        # Root may be squashed to the owner (anonuid), or be root.
        (facts(), ALL, None),
        # Everybody may.
        (facts(uid=0, mode=0o777), ALL, None),
        # Nobody but root.
        (facts(uid=0, gid=0), ALL, False),
    ],
)
def test_what_root_may_do_tells_no_more_than_it_does(folder: FileFacts, root: Rights, squashed: bool | None) -> None:
    assert users(folder, root).root_squashed is squashed


def test_a_file_that_root_made_tells_whom_the_server_takes_root_for() -> None:
    found = users(facts(mode=0o777), made=facts(uid=65534))
    assert (found.root_squashed, found.root_uid) == (True, 65534)
    found = users(facts(mode=0o777), made=facts(uid=0))
    assert (found.root_squashed, found.root_uid) == (False, 0)


def test_the_agent_acts_as_root_where_root_may_write_else_as_the_shares_user() -> None:
    found = users(facts(uid=7, gid=8))
    assert (found.worker_uid, found.worker_gid) == (0, 0)
    found = users(facts(uid=7, gid=8), LOOK)
    assert (found.worker_uid, found.worker_gid) == (7, 8)
    found = users(facts(uid=7, gid=8), LOOK, permissions=Permissions(owner=64055))
    assert (found.worker_uid, found.worker_gid) == (64055, 8)
    found = users(facts(uid=0, gid=0), LOOK, qemu=QEMU)
    assert (found.worker_uid, found.worker_gid) == (64055, 64055)


def test_where_another_could_write_root_is_squashed_and_the_export_not_read_only() -> None:
    assert users(facts(), LOOK).root_squashed is None
    assert share_users(permissions=None, folder=facts(), root=LOOK, made_by_another=True).root_squashed


@pytest.mark.parametrize(
    ("folder", "read", "write"),
    [
        (facts(mode=0o700), True, True),
        (facts(mode=0o077), False, False),
        (facts(uid=1, gid=107, mode=0o770), True, True),
        (facts(uid=1, gid=107, mode=0o750), True, False),
        (facts(uid=1, gid=1, mode=0o771), True, False),
        (facts(uid=1, gid=1, mode=0o772), False, False),
    ],
)
def test_qemus_user_has_the_right_of_the_first_class_that_it_is_in(folder: FileFacts, read: bool, write: bool) -> None:
    found = users(folder, qemu=QEMU)
    assert (found.qemu_user, found.qemu_can_read, found.qemu_can_write) == ("libvirt-qemu", read, write)
    nobody_asked = users(folder)
    assert (nobody_asked.qemu_user, nobody_asked.qemu_can_read) == ("", None)


def test_an_owner_that_shows_as_nobody_is_mapped_wrong_only_where_the_pool_states_another() -> None:
    assert ids_are_mapped_wrong(Permissions(owner=64055), facts(uid=65534))
    assert not ids_are_mapped_wrong(Permissions(owner=64055), facts(uid=64055))
    assert not ids_are_mapped_wrong(Permissions(), facts(uid=65534))
    assert not ids_are_mapped_wrong(None, facts(uid=65534))
    assert users(facts(uid=65534)).owner_is_nobody
