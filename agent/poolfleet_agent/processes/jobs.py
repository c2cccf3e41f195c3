"""Long work in programs of our own: so many at once, the others wait their turn."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports.images import JobListener
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes import in_folder
from poolfleet_agent.processes.child import Children, own_program
from poolfleet_agent.processes.run import Finished, run, unheard

_IN_FOLDER = own_program(in_folder)

_GIVING_WAY = ("chrt", "--idle", "0")
"""Long work has time; the agent, which somebody waits for, goes first, and at once: beside a program that is only nice
it would wait for the end of a time slice. From a program's first moment on, for its start alone would be felt. It comes
to an end also where guests keep all processors busy: they are not in the agent's control group, whose share it has.
"""

_MOST_AT_ONCE = 2


def most_at_once() -> int:
    """How many programs may be at work where nobody says: one processor is left to the agent and libvirt."""
    return max(1, min(_MOST_AT_ONCE, len(os.sched_getaffinity(0)) - 1))


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a program works: as which user, and in which folder, which must lie on a device (empty: any).

    `reads_all`: it reads local files as the agent itself may, whoever it works as.
    """

    user: ShareUser
    folder: str
    device: str = ""
    reads_all: bool = False


class Jobs:
    """Runs programs as children; `most` at once."""

    def __init__(self, children: Children, *, most: int) -> None:
        """Own none of them."""
        self._children = children
        self._turns = asyncio.Semaphore(most)

    async def run(
        self,
        argv: Sequence[str],
        place: Workplace,
        *,
        listener: JobListener,
        timeout_s: float,
        heard: Callable[[bytes], None] = unheard,
        inputs: Sequence[bytes] = (),
    ) -> Finished:
        """Run a program at its workplace to its end: OPERATION_TIMED_OUT (its group is killed then), INTERNAL.

        It may open each of `inputs` by its `input_name`, whatever user it is. `heard` is given its standard output as
        it comes. The limit is for the program; the wait for its turn ends with the caller.
        """
        if waits := self._turns.locked():
            listener.waits()
        async with self._turns:
            if waits:
                await listener.begins()
            return await self._run(argv, place, timeout_s, heard, inputs)

    async def _run(
        self,
        argv: Sequence[str],
        place: Workplace,
        timeout_s: float,
        heard: Callable[[bytes], None],
        inputs: Sequence[bytes],
    ) -> Finished:
        command = [*_GIVING_WAY, *_entering(place, inputs), *_becoming(place), *argv]
        finished = await run(
            self._children,
            command,
            timeout_s=timeout_s,
            heard=heard,
            stdin=in_folder.framed(inputs),
            umask=_umask(place.user),
        )
        if finished.status is None:
            raise ModelError(
                Reason.OPERATION_TIMED_OUT,
                f"{argv[0]} did not end within {timeout_s:g} s, and was killed",
                metadata={"program": argv[0], "timeout_s": f"{timeout_s:g}"},
                retry_delay_s=5.0,
            )
        return finished


def _umask(user: ShareUser) -> int:
    """A libvirt that is nobody on a share reads what another user fills there; what is root's is nobody's business."""
    return 0o077 if user.is_root else 0o022


def _entering(place: Workplace, inputs: Sequence[bytes]) -> Sequence[str]:
    """The program that enters the folder; before the user is become, who may have no right on where Python lies."""
    if place.device or inputs:
        return (*_IN_FOLDER, place.device, place.folder)
    # To start Python takes longer than what most programs do here, and is needed only for what `env` cannot.
    return ("env", f"--chdir={place.folder}", "--")


def _becoming(place: Workplace) -> Sequence[str]:
    """The program that becomes a user, and then another program, which the kernel ends when the agent is killed.

    The agent itself never forks to do so.
    """
    words = ["setpriv", "--pdeathsig=KILL", "--no-new-privs"]
    if not place.user.is_root:
        words += [f"--reuid={place.user.uid}", f"--regid={place.user.gid}", "--clear-groups"]
        if place.reads_all:
            words += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return (*words, "--")
