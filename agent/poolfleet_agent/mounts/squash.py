"""Who qemu is on this host, so that it can be told what guests may do on a share."""

import sys
from collections.abc import Sequence
from pathlib import Path

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.ports.mounts import Account
from poolfleet_agent.mounts import account
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.run import run

PROGRAM = (sys.executable, "-I", "-S", str(Path(account.__file__).resolve()))
"""The command that asks; names come after it."""

QEMU_USERS = ("libvirt-qemu", "qemu")
"""What distributions call qemu's user: Debian and its kin, Fedora and its."""


class Accounts:
    """Asks for one user at a time each; `timeout_s` is for one question."""

    def __init__(
        self,
        children: Children,
        *,
        program: Sequence[str] = PROGRAM,
        qemu_users: Sequence[str] = QEMU_USERS,
        timeout_s: float = 2.0,
    ) -> None:
        self._children = children
        self._program = program
        self._qemu_users = qemu_users
        self._timeout_s = timeout_s

    async def qemu(self) -> Account | None:
        """The user that guests run as, unless qemu.conf says otherwise; None: there is none, or no answer."""
        try:
            finished = await run(self._children, (*self._program, *self._qemu_users), timeout_s=self._timeout_s)
        except ModelError:
            return None  # no process could be started: it is a remark's worth
        found = finished.stdout.split()
        if finished.status != 0 or not found:
            return None
        name, uid, *gids = found
        return Account(name=name.decode(), uid=int(uid), gids=tuple(map(int, gids)))
