"""Who qemu is on this host: the first of its users that there is, with its groups, or nobody, and always soon."""

from __future__ import annotations

import grp
import os
import pwd
import time

from poolfleet_agent.mounts.squash import Accounts
from poolfleet_agent.processes.child import Children

PATIENT_S = 20.0
"""For who has an answer: on a busy machine a child may need long to begin."""
SOON_S = 30.0
"""Wide for who does without one, far below what hangs."""


async def test_the_first_user_that_there_is_with_all_its_groups(children: Children) -> None:
    nobody = pwd.getpwnam("nobody")
    found = await Accounts(children, qemu_users=("there-is-none", "nobody", "root"), timeout_s=PATIENT_S).qemu()
    assert found is not None
    assert (found.name, found.uid) == ("nobody", nobody.pw_uid)
    assert set(found.gids) == set(os.getgrouplist("nobody", nobody.pw_gid))
    assert grp.getgrgid(nobody.pw_gid).gr_gid in found.gids


async def test_whom_libvirt_tells_of_by_number_is_that_user(children: Children) -> None:
    nobody = pwd.getpwnam("nobody")
    accounts = Accounts(children, qemu_users=("root",), timeout_s=PATIENT_S)
    found = await accounts.qemu(nobody.pw_uid)
    assert found is not None
    assert (found.name, found.uid) == ("nobody", nobody.pw_uid)
    assert await accounts.qemu(4_000_000_000) is None


async def test_a_host_without_qemu_has_no_such_user(children: Children) -> None:
    assert await Accounts(children, qemu_users=("there-is-none",)).qemu() is None


async def test_users_that_are_kept_on_a_silent_server_are_not_waited_for(children: Children) -> None:
    started_s = time.monotonic()
    assert await Accounts(children, program=("sleep", "1000"), qemu_users=(), timeout_s=0.2).qemu() is None
    assert await Accounts(children, program=("/there/is/none",)).qemu() is None
    assert time.monotonic() - started_s < SOON_S
