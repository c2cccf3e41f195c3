"""One attempt at a network pool's share: what is on the target is used, or the share is mounted, and proven.

The book knows of a mount before it is made. So whatever ends the attempt, a kill of the agent included, nothing stays
that was not there before: the attempt itself undoes it, or the next start takes it for ours
(control/pools/leftover says what becomes of it where there is none).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_fixed

from poolfleet_agent.control.grace import Say
from poolfleet_agent.control.mounted import MountBook
from poolfleet_agent.control.volumes.reserve import MAY_GO_ON
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.mount_table import MountEntry, MountTable, Proof, prove, prove_made
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.ports import Files, LayerResult, MountRequest, Mounts

ATTEMPT_LIMIT_S = 30.0
"""How long one mount may take: its server answered the probe just before."""

UNDO_LIMIT_S = 15.0
BUSY_LIMIT_S = 5.0
"""How long a mount that is to be undone may be in use: the probe of our own may just be looking at it."""

AUTOMOUNT_LIMIT_S = 10.0

DENIED = frozenset({MountFailure.ACCESS_DENIED, MountFailure.NO_SUCH_EXPORT, MountFailure.UNKNOWN})
"""What mount says of an export that is not there."""

MAY_BE_MOUNTED = frozenset({MountFailure.TIMED_OUT, MountFailure.UNKNOWN, MountFailure.WRONG_SHARE})
"""After these what we asked for may be mounted: mount was killed, or said nothing that we know, or was wrong."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class MountAttempt:
    """Has one share on its target, or leaves it as it was."""

    mounts: Mounts
    book: MountBook
    files: Files
    request: MountRequest
    ready: Callable[[Say], Awaitable[None]]
    """Returns when libvirt may open files of the share; what it waits for it says."""

    async def run(self, start: Callable[[], Awaitable[None]], say: Say) -> None:
        """Mount unless it is there, then `start`; where either fails, undo what was mounted. MountError, ModelError.

        A share whose server is in its grace period stays mounted, known as tried: it could not be unmounted yet.
        """
        if self.book.is_attempt(self.request.target):  # of an agent that was cut off: its mount may go on by itself
            await self.mounts.end_orphans(self.request.target)
        there = await self._found() or await self._mount()
        await self._start_on(start, say, there if self.book.is_attempt(self.request.target) else None)

    async def _found(self) -> MountEntry | None:
        """The share, where it is on the target already; what else of ours is there is undone. TARGET_BUSY: not ours."""
        table = await self._table()
        there = table.on(self.request.target)
        if there is None or await self._is_right(table, there):
            return there
        await self._undo_leftover(there)
        return None

    async def _table(self) -> MountTable:
        """The mounts as they are, once autofs has mounted what it may have for the target."""
        table = await self.mounts.table()
        held = table.holding(self.request.target)
        if held is None or held.fs_type != "autofs":
            return table
        try:
            await self.files.names(self.request.target, timeout_s=AUTOMOUNT_LIMIT_S)
        except ModelError as error:
            message = f"autofs has not mounted {self.request.target}: {error.message}"
            raise MountError(MountFailure.TIMED_OUT, message, layer="autofs") from error
        return await self.mounts.table()

    async def _is_right(self, table: MountTable, there: MountEntry) -> bool:
        """Whether what is on the target is the share. MountError where only the resolver could tell."""
        request = self.request
        known = self.book.addresses(request.source.host)
        proof = prove(table, request.target, request.source, known)
        if proof is not Proof.RIGHT:
            addresses = await self.mounts.addresses(request.source.host)
            # The server is not known then; the export may be.
            if not addresses and prove(table, request.target, request.source, [there.address]) is Proof.RIGHT:
                message = f"what is on {request.target} may be it: no address of {request.source.host} is to be had"
                raise MountError(MountFailure.NAME_TEMPORARY, message, layer="dns")
            proof = prove(table, request.target, request.source, (*addresses, *known))
        if proof is Proof.RIGHT and not self.book.is_attempt(request.target):
            await self.book.found(request, address=there.address)
        return proof is Proof.RIGHT

    async def _undo_leftover(self, there: MountEntry) -> None:
        """Undo what an attempt that was cut off mounted wrongly. TARGET_BUSY: it is no leftover of ours."""
        target = self.request.target
        if not self.book.is_attempt(target):
            message = f"something else is mounted on {target}: {there.source} ({there.fs_type})"
            raise MountError(MountFailure.TARGET_BUSY, message)
        await self.mounts.unmount(target)
        await self.book.gone(target)

    async def _probe(self) -> tuple[LayerResult | None, Sequence[str]]:
        probe = await self.mounts.probe_server(self.request)
        if (failed := probe.failed) is not None and probe.doubt is None:
            raise MountError(MountFailure(failed.failure), failed.message, layer=failed.layer)
        return probe.doubt, probe.addresses

    async def _mount(self) -> MountEntry:
        """Mount the share, an attempt of ours from then on; where somebody was quicker, theirs is found."""
        doubt, addresses = await self._probe()
        # That took its time, and mount takes some: what comes meanwhile is not ours.
        if (there := await self._found()) is not None:
            return there
        try:
            return await self._mount_proven(await self.mounts.table(), addresses)
        except MountError as error:
            if error.failure is MountFailure.TARGET_BUSY and (there := await self._found()) is not None:
                return there
            if doubt is not None and error.failure in DENIED:
                message = f"{doubt.message}; {error.message}"
                raise MountError(MountFailure(doubt.failure), message, layer=doubt.layer) from error
            raise

    async def _mount_proven(self, before: MountTable, addresses: Sequence[str]) -> MountEntry:
        request = self.request
        try:
            await self.book.attempting(request)
            await self.mounts.mount(request, timeout_s=ATTEMPT_LIMIT_S)
            return await self._prove_made(before, await self.mounts.table(), addresses)
        except BaseException as error:
            nothing = isinstance(error, MountError) and error.failure not in MAY_BE_MOUNTED
            await to_its_end(self.book.gone(request.target) if nothing else self._undo_new(before))
            raise

    async def _prove_made(self, before: MountTable, after: MountTable, addresses: Sequence[str]) -> MountEntry:
        request, there = self.request, after.on(self.request.target)
        known = (*addresses, *self.book.addresses(request.source.host))
        proof = prove_made(before, after, request.target, request.source, known)
        if there is None or proof is Proof.UNMOUNTED:
            message = f"mount succeeded, and nothing is mounted on {request.target}: somebody unmounted it"
            raise MountError(MountFailure.SYSTEM_CALL_FAILED, message, layer="proof")
        if proof is not Proof.RIGHT:
            raise MountError(
                MountFailure.WRONG_SHARE,
                f"mount succeeded, and what is on {request.target} is not {request.source.path} of"
                f" {request.source.host}: another export of the same file system was mounted here before",
                layer="proof",
            )
        if len(after.new_on(request.target, before)) != 1:  # nobody can tell which is ours
            await self.book.mounted(request, MountOwner.FOREIGN, address=there.address)
        return there

    async def _start_on(self, start: Callable[[], Awaitable[None]], say: Say, made: MountEntry | None) -> None:
        """Have libvirt start on the mount, `made` if it is ours. Where it may do so later, it stays, and an attempt."""
        target = self.request.target
        try:
            await self.ready(say)
            if (await self.mounts.table()).on(target) is None:
                message = f"{target} was unmounted while its server was waited for"
                raise MountError(MountFailure.SYSTEM_CALL_FAILED, message, layer="proof")
            await start()
        except MountError:
            if made is not None:
                await to_its_end(self._undo(made))
            raise
        except ModelError as error:
            if made is not None and error.reason not in MAY_GO_ON | {Reason.SERVER_IN_GRACE}:
                await to_its_end(self._undo(made))
            raise
        entry = (await self.mounts.table()).on(target)
        if entry is None:
            raise ModelError(
                Reason.UNMOUNTED,
                f"{target} was unmounted while the pool was started on it",
                metadata={"path": target},
                retry_delay_s=1.0,
            )
        if made is not None:
            owner = MountOwner.AGENT if entry.identity == made.identity else MountOwner.FOREIGN
            await self.book.mounted(self.request, owner, address=entry.address)

    async def _undo_new(self, before: MountTable) -> None:
        """Undo the one mount that is new on the target; of several nobody can tell which is ours."""
        new = (await self.mounts.table()).new_on(self.request.target, before)
        await self._undo(new[0] if len(new) == 1 else None)

    async def _undo(self, made: MountEntry | None) -> None:
        """Unmount what is ours while it is on top; what cannot be unmounted is still known as ours."""
        target = self.request.target
        try:
            async with asyncio.timeout(UNDO_LIMIT_S):
                there = (await self.mounts.table()).on(target)
                if there is not None and made is not None and there.identity == made.identity:
                    await unmount_soon(self.mounts, target)
                elif there is not None:
                    log.warning("what is on a target by now is not ours; it stays", target=target, there=there.source)
                await self.book.gone(target)
        except (ModelError, TimeoutError) as error:
            log.exception("a mount could not be undone", target=target, error=str(error))


async def unmount_soon(mounts: Mounts, target: str) -> None:
    """Unmount what may be in use for a moment: RESOURCE_BUSY where it is for longer, POOL_UNRESPONSIVE."""
    retrying = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, ModelError) and error.reason is Reason.RESOURCE_BUSY),
        stop=stop_after_delay(BUSY_LIMIT_S),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    await retrying(mounts.unmount, target)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work that limits itself and must not be cut off; a cancellation meanwhile is raised after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
