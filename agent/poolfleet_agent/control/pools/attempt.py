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
        before = await self._table()
        there = before.on(self.request.target)
        if there is not None and await self._is_right(before, there):
            ours = self.book.is_attempt(self.request.target)
            await self._start_on(start, say, _without(before, there) if ours else before, ours=ours)
            return
        if there is not None:
            await self._undo_leftover(there)
            before = await self._table()
        doubt, addresses = await self._probe()
        try:
            await self.book.attempting(self.request)
            await self._mount(before, doubt, addresses)
        except BaseException:
            await to_its_end(self._undo(before))
            raise
        await self._start_on(start, say, before, ours=True)

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

    async def _mount(self, before: MountTable, doubt: LayerResult | None, addresses: Sequence[str]) -> None:
        request = self.request
        try:
            await self.mounts.mount(request, timeout_s=ATTEMPT_LIMIT_S)
        except MountError as error:
            if doubt is not None and error.failure in DENIED:
                message = f"{doubt.message}; {error.message}"
                raise MountError(MountFailure(doubt.failure), message, layer=doubt.layer) from error
            raise
        known = (*addresses, *self.book.addresses(request.source.host))
        proof = prove_made(before, await self.mounts.table(), request.target, request.source, known)
        if proof is Proof.UNMOUNTED:
            message = f"mount succeeded, and nothing is mounted on {request.target}: somebody unmounted it"
            raise MountError(MountFailure.SYSTEM_CALL_FAILED, message, layer="proof")
        if proof is not Proof.RIGHT:
            raise MountError(
                MountFailure.WRONG_SHARE,
                f"mount succeeded, and what is on {request.target} is not {request.source.path} of"
                f" {request.source.host}: another export of the same file system was mounted here before",
                layer="proof",
            )

    async def _start_on(
        self, start: Callable[[], Awaitable[None]], say: Say, before: MountTable, *, ours: bool
    ) -> None:
        """Have libvirt start on the mount. Where it may do so later, the mount stays, and stays an attempt."""
        target = self.request.target
        try:
            await self.ready(say)
            if (await self.mounts.table()).on(target) is None:
                message = f"{target} was unmounted while its server was waited for"
                raise MountError(MountFailure.SYSTEM_CALL_FAILED, message, layer="proof")
            await start()
        except MountError:
            if ours:
                await to_its_end(self._undo(before))
            raise
        except ModelError as error:
            if ours and error.reason not in MAY_GO_ON | {Reason.SERVER_IN_GRACE}:
                await to_its_end(self._undo(before))
            raise
        entry = (await self.mounts.table()).on(target)
        if entry is None:
            raise ModelError(
                Reason.UNMOUNTED,
                f"{target} was unmounted while the pool was started on it",
                metadata={"path": target},
                retry_delay_s=1.0,
            )
        if ours:
            await self.book.mounted(self.request, MountOwner.AGENT, address=entry.address)

    async def _undo(self, before: MountTable) -> None:
        """Unmount what is new on the target; what cannot be is still known as ours."""
        target = self.request.target
        try:
            async with asyncio.timeout(UNDO_LIMIT_S):
                for _ in (await self.mounts.table()).new_on(target, before):
                    await unmount_soon(self.mounts, target)
                await self.book.gone(target)
        except (ModelError, TimeoutError) as error:
            log.exception("a mount could not be undone", target=target, error=str(error))


def _without(table: MountTable, entry: MountEntry) -> MountTable:
    return MountTable([other for other in table.entries if other != entry])


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
