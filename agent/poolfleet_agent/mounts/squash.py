"""Who qemu is on this host, so that it can be told what guests may do on a share."""

from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.ports.mounts import Account
from poolfleet_agent.mounts import account
from poolfleet_agent.processes.child import Children, own_program
from poolfleet_agent.processes.run import run

PROGRAM = own_program(account)
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

    async def qemu(self, uid: int | None = None) -> Account | None:
        """The user that guests run as: that of `uid`, which libvirt tells; None: whom distributions call so.

        None: there is none, or no answer.
        """
        words = self._qemu_users if uid is None else (str(uid),)
        try:
            finished = await run(self._children, (*self._program, *words), timeout_s=self._timeout_s)
        except ModelError:
            return None  # no process could be started: it is a remark's worth
        found = finished.stdout.split()
        if finished.status != 0 or not found:
            return None
        name, *numbers = found
        found_uid, *gids = map(int, numbers)
        return Account(name=name.decode(), uid=found_uid, gids=tuple(gids))
