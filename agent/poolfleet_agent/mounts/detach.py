"""Gets rid of a mount: as umount does, or by force where its server is dead. What counts is the mount table."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountTable
from poolfleet_agent.mounts import umount
from poolfleet_agent.processes.child import Child, Children, own_program
from poolfleet_agent.processes.run import Finished, run

_log = structlog.get_logger(__name__)

UMOUNT = own_program(umount)
"""The command that unmounts; how and what come after it."""

_LEAVES_WITHIN_S = 10.0
"""How long the program may take to give a dead share up; it is killed then."""

_NOT_MOUNTED = {0, errno.EINVAL, errno.ENOENT, errno.ENOTDIR}


class Unmounter:
    """`table` reads the mounts of the namespace in which `program` unmounts."""

    def __init__(
        self,
        children: Children,
        table: Callable[[], MountTable],
        *,
        program: Sequence[str] = UMOUNT,
        force_timeout_s: float = 20.0,
    ) -> None:
        self._children = children
        self._table = table
        self._program = program
        self._force_timeout_s = force_timeout_s

    async def unmount(self, target: str, *, timeout_s: float) -> None:
        """Unmount the top mount of a target; with none there, do nothing.

        RESOURCE_BUSY: something on it is in use; POOL_UNRESPONSIVE: it hangs on its server; AGENT_NOT_AUTHORIZED,
        PATH_NOT_USABLE.
        """
        if self._table().on(target) is None:
            return
        finished = await run(self._children, (*self._program, "ordinary", target), timeout_s=timeout_s)
        if finished.status is None:
            raise _unresponsive(target, f"unmounting did not end within {timeout_s:g} s")
        number = _last_errno(finished)
        if number not in _NOT_MOUNTED:
            raise _refused(target, number)

    @asynccontextmanager
    async def forced_off(self, target: str) -> AsyncIterator[None]:
        """Take the top mount of a target off it, and end what hangs on its server for as long as the body runs.

        POOL_UNRESPONSIVE where the mount stays, AGENT_NOT_AUTHORIZED where the agent may not do it. What hangs fails,
        again and again, at last every 2 s; what was open is lost.
        """
        top = self._table().on(target)
        if top is None:
            yield
            return
        child = await self._children.start(self._program[0], (*self._program[1:], "force", target))
        try:
            step = await self._first_step(child)
            _log.info("unmounted by force", target=target, source=top.source, step=step)
            # It may hang on in its first call, with the mount gone from the table.
            if any(entry.mount_id == top.mount_id for entry in self._table().entries):
                raise _stays(target, step)
            yield
        finally:
            await child.end(grace_s=_LEAVES_WITHIN_S)
            child.close_pipes()

    async def _first_step(self, child: Child) -> str:
        try:
            async with asyncio.timeout(self._force_timeout_s):
                return (await child.stdout.readline()).decode(errors="replace").strip() or "no answer"
        except TimeoutError:
            return "no answer"


def _stays(target: str, step: str) -> ModelError:
    if step.endswith(f" {errno.EPERM}"):
        return _refused(target, errno.EPERM)
    return _unresponsive(target, f"it could not be unmounted by force ({step})")


def _last_errno(finished: Finished) -> int:
    """What the last call said; the script's own failure is none of the kernel's."""
    last = finished.stdout.split()[-1:]
    if finished.status != 0 or not last:
        raise ModelError(Reason.INTERNAL, f"unmounting failed: {finished.words[-500:]}")
    return int(last[0])


def _refused(target: str, number: int) -> ModelError:
    text = os.strerror(number)
    metadata = {"path": target, "error": text}
    if number == errno.EBUSY:
        return ModelError(Reason.RESOURCE_BUSY, f"{target} is in use", metadata=metadata, retry_delay_s=1.0)
    reason = Reason.AGENT_NOT_AUTHORIZED if number == errno.EPERM else Reason.PATH_NOT_USABLE
    return ModelError(reason, f"{target} can not be unmounted: {text}", metadata=metadata)


def _unresponsive(target: str, message: str) -> ModelError:
    return ModelError(Reason.POOL_UNRESPONSIVE, f"{target}: {message}", metadata={"path": target}, retry_delay_s=5.0)
