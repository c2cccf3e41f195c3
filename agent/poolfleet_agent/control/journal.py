"""The record of all operations: in memory for readers and watchers, in the store before anything happens.

How far one has come is in memory alone until it ends: whoever starts after this agent calls it cut off, however far.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from poolfleet_agent.inventory.locks import Locks
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.ports import OperationStore, RequestRecord, UndecidedError

AT_END_S = 5.0

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Watcher:
    wanted: Callable[[Operation], bool]
    changed: dict[str, Operation] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False


@dataclass(kw_only=True)
class Journal:
    """All kept operations by id, oldest first, and their request ids."""

    store: OperationStore
    longest_watchers: int = 1000
    _operations: dict[str, Operation] = field(default_factory=dict)
    _waiters: dict[str, asyncio.Event] = field(default_factory=dict)
    _watchers: set[_Watcher] = field(default_factory=set)
    _changing: Locks = field(default_factory=Locks)
    _earlier: frozenset[str] = frozenset()
    """What was there when the agent started."""
    _owing: set[str] = field(default_factory=set)
    _unstored: set[str] = field(default_factory=set)
    """Whose end could not be stored when it came."""
    _unbegun: set[str] = field(default_factory=set)
    """What was refused as it was not stored in time, and may be stored by now."""

    async def load(self) -> list[Operation]:
        """Read the store; the answer is what had not ended."""
        self._operations = {operation.id: operation for operation in await self.store.load_all()}
        self._earlier = frozenset(self._operations)
        return [operation for operation in self._operations.values() if not operation.state.ended]

    async def begin(self, operation: Operation, request: RequestRecord | None) -> None:
        """Store a new operation, then show it. What cannot be stored was never begun, also where it is stored late."""
        try:
            await self.store.save(operation, request)
        except UndecidedError:
            self._unbegun.add(operation.id)
            raise
        self._show(operation)
        await self.store_late()

    async def store_late(self) -> None:
        """Store the ends that could not be stored when they came, as far as there is room by now.

        What was stored only after it was refused is taken back.
        """
        if unbegun := tuple(self._unbegun):
            try:
                await self.store.remove(unbegun)
            except ModelError:
                return
            self._unbegun.difference_update(unbegun)
            log.info("operations that were stored too late are none", operations=unbegun)
        for operation_id in tuple(self._unstored):
            # Or what is read here could be written over a change that is stored meanwhile.
            async with self._changing.of(operation_id):
                if operation_id not in self._unstored:
                    continue
                try:
                    await self.store.save(self._operations[operation_id])
                except ModelError:
                    return
                self._unstored.discard(operation_id)
            log.info("end of operation is stored", operation=operation_id)

    async def store_at_end(self) -> None:
        """The same when the agent ends, which must not wait for a disk that hangs."""
        try:
            async with asyncio.timeout(AT_END_S):
                await self.store_late()
        except TimeoutError:
            log.warning("ends of operations are not stored, or what came too late is not taken back")

    async def change(
        self, operation_id: str, change: Callable[[Operation], Operation], request: RequestRecord | None = None
    ) -> Operation:
        """Change an operation, store and show it. Its changes are serial: none is lost to another, what ended stays.

        Of that only request ids may come, and debris may be settled.
        """
        async with self._changing.of(operation_id):
            operation = self.get(operation_id)
            changed = _changed(operation, change)
            try:
                await self.store.save(changed, request)
            except ModelError as error:
                if request is not None or not changed.state.ended:
                    raise
                # Who waits must hear of the end all the same. A restart before it is stored will call it cut off.
                log.warning("end of operation cannot be stored", operation=operation_id, error=error.message)
                self._unstored.add(operation_id)
            else:
                self._unstored.discard(operation_id)
            # What was told of it meanwhile stays.
            changed = _changed(self._operations.get(operation_id, operation), change)
            self._show(changed)
            return changed

    def tell(self, operation_id: str, change: Callable[[Operation], Operation]) -> None:
        """Show a change that nobody needs after a restart; it is stored with the next one that is."""
        self._show(_changed(self.get(operation_id), change))

    def _show(self, operation: Operation) -> None:
        self._operations[operation.id] = operation
        if operation.state.ended and (waiter := self._waiters.pop(operation.id, None)):
            waiter.set()
        for watcher in self._watchers:
            if watcher.wanted(operation):
                watcher.changed.pop(operation.id, None)
                watcher.changed[operation.id] = operation
                watcher.wake.set()

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        """Look a request id up."""
        record = await self.store.find_request(caller, rpc, request_id)
        return None if record is not None and record.operation_id in self._unbegun else record

    def get(self, operation_id: str) -> Operation:
        """Find one: OPERATION_NOT_FOUND."""
        try:
            return self._operations[operation_id]
        except KeyError:
            raise ModelError(
                Reason.OPERATION_NOT_FOUND,
                f"no operation {operation_id!r}, or it was forgotten",
                metadata={"operation": operation_id[:200]},
            ) from None

    def runs(self, operation_id: str) -> bool:
        """Whether an operation has not ended yet; what is not known, or forgotten, has."""
        known = self._operations.get(operation_id)
        return known is not None and not known.state.ended

    def of_this_life(self, operation_id: str) -> bool:
        """Whether it began since the agent started: libvirt may still be at its work, even where it has ended."""
        return operation_id in self._operations and operation_id not in self._earlier

    def owes_files(self, operation_id: str) -> None:
        """Note that an operation may leave files of its own behind, though nobody is at work for it."""
        self._owing.add(operation_id)

    def left_files(self, operation_id: str) -> bool:
        """Whether it has ended, and may have left files of its own behind: nobody is at work for them."""
        return operation_id in self._owing and not self.runs(operation_id)

    def of_earlier_life(self, operation_id: str) -> bool:
        """Whether it is kept from before the agent started."""
        return operation_id in self._operations and operation_id in self._earlier

    def owed(self) -> Sequence[Operation]:
        """What was cut off by a restart, and may have left debris that was not removed yet."""
        return [known for known in self._operations.values() if _is_owed(known)]

    def owes(self, operation_id: str) -> bool:
        """Whether an operation is one of those: its reservation is needed to tell what it left."""
        known = self._operations.get(operation_id)
        return known is not None and _is_owed(known)

    async def settle(self, operation_id: str) -> None:
        """Note that what an operation left was removed, or that there is nothing."""
        if operation_id in self._operations:
            await self.change(operation_id, lambda known: replace(known, debris=""))

    def newest_first(self) -> Iterable[Operation]:
        """All of them."""
        return sorted(self._operations.values(), key=lambda operation: operation.place_in_order)

    async def wait(self, operation_id: str, timeout_s: float) -> Operation:
        """Wait for the end, up to a limit; the operation as it then stands. OPERATION_NOT_FOUND."""
        operation = self.get(operation_id)
        if not operation.state.ended and timeout_s > 0:
            waiter = self._waiters.setdefault(operation_id, asyncio.Event())
            try:
                async with asyncio.timeout(timeout_s):
                    await waiter.wait()
            except TimeoutError:
                pass
        return self._operations.get(operation_id, operation)

    async def watch(self, wanted: Callable[[Operation], bool]) -> AsyncIterator[Operation | None]:
        """Give what there is, then None, then each change; of each operation only the newest state. TOO_BUSY."""
        if len(self._watchers) >= self.longest_watchers:
            raise ModelError(Reason.TOO_BUSY, "too many watchers", retry_delay_s=5.0)
        watcher = _Watcher(wanted)
        self._watchers.add(watcher)
        try:
            for operation in list(self._operations.values()):
                if wanted(operation):
                    yield operation
            yield None
            while not watcher.closed:
                await watcher.wake.wait()
                watcher.wake.clear()
                changed, watcher.changed = watcher.changed, {}
                for operation in changed.values():
                    yield operation
        finally:
            self._watchers.discard(watcher)

    def end_watches(self) -> None:
        """Let every watch end at once."""
        for watcher in self._watchers:
            watcher.closed = True
            watcher.wake.set()

    async def forget_ended_before(self, ended_before_s: float) -> None:
        """Forget what ended earlier."""
        for operation_id in await self.store.remove_ended_before(ended_before_s):
            self._operations.pop(operation_id, None)
            self._owing.discard(operation_id)
            self._unstored.discard(operation_id)


def _changed(operation: Operation, change: Callable[[Operation], Operation]) -> Operation:
    changed = change(operation)
    if operation.state.ended:
        return replace(operation, request_ids=changed.request_ids, debris=changed.debris)
    return changed


def _is_owed(operation: Operation) -> bool:
    return operation.state.ended and bool(operation.debris)
