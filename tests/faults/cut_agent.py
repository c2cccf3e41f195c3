"""The agent, run as a program that something happens to at a named point of a start.

`python cut_agent.py serve …`, with a file that `POOLFLEET_CUT` names: `POINT kill [PID]`, or `POINT unmount
TARGET`. What it says is done once, by the agent's own process, and the file is removed then.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poolfleet_agent.cli import main
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.hypervisor import Libvirt
from poolfleet_agent.inventory.look import Looker
from poolfleet_agent.mounts.host import HostMounts
from poolfleet_agent.processes.child import Children

CUT_FILE = "POOLFLEET_CUT"

_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def reached(point: str) -> None:
    """Do what is to be done at this point, if anything is."""
    file = Path(os.environ[CUT_FILE])
    try:
        wanted, action, *whom = file.read_text().split()
        if wanted != point:
            return
        file.unlink()
    except FileNotFoundError:
        return
    if action == "kill":
        os.kill(int(whom[0]) if whom else os.getpid(), signal.SIGKILL)
    else:
        _libc.umount2(whom[0].encode(), _MNT_DETACH)


def _around(
    owner: type, name: str, *, before: str = "", after: str = "", only: Callable[..., bool] | None = None
) -> None:
    called = getattr(owner, name)

    @functools.wraps(called)
    async def wrapped(self: Any, *arguments: Any, **keywords: Any) -> Any:
        counts = only is None or only(*arguments)
        if counts and before:
            reached(before)
        answer = await called(self, *arguments, **keywords)
        if counts and after:
            reached(after)
        return answer

    setattr(owner, name, wrapped)


def _claims() -> None:
    called = Lanes.claim

    @functools.wraps(called)
    def claim(self: Lanes, **keywords: Any) -> Any:
        answer = called(self, **keywords)
        if keywords["kind"] == "START_POOL":
            reached("lane")
        return answer

    setattr(Lanes, "claim", claim)  # noqa: B010


def _cut() -> None:
    _claims()
    _around(HostMounts, "probe_server", before="probe")
    _around(MountBook, "attempting", after="record")
    _around(Children, "start_heard", after="child", only=lambda program, *rest: program == "mount")
    _around(HostMounts, "mount", after="mount")
    _around(Libvirt, "start_pool", before="proof", after="create")
    _around(MountBook, "mounted", after="settle")
    _around(Looker, "pool", after="publish", only=lambda name: Path(os.environ[CUT_FILE]).exists())


if __name__ == "__main__":
    _cut()
    sys.exit(main(sys.argv[1:]))
