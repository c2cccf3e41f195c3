"""Runs mutations: request ids, joining, checks, the record, the work, its end. The only place that makes operations."""

import asyncio
import traceback
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Claim, Lanes
from poolfleet_agent.control.mutation import Caller, Mutation, Outcome, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.turnstile import Turnstile
from poolfleet_agent.inventory.asked import asked
from poolfleet_agent.inventory.locks import Locks
from poolfleet_agent.model.body_digest import BodyDigests, are_comparable
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.names import check_uuid
from poolfleet_agent.model.operation import Failure, Operation, OperationKind, OperationState
from poolfleet_agent.model.ports import Clock, RequestRecord

ANSWER_WITHIN_S = 1.0
"""Work that ends within this time is answered finished."""

INTERRUPTED_WITHIN_S = 10.0

CHECK_REST = 4.0
LONGEST_CHECK_REST_S = 0.05
"""A crowd's checks leave four fifths of the time to what else the agent is asked, as far as they are quick."""

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Operations:
    """Takes mutations in and sees them to their end, whatever becomes of their callers."""

    journal: Journal
    lanes: Lanes
    clock: Clock
    observe_only: bool = False
    most_at_once: int = 256
    digests: BodyDigests = field(default_factory=BodyDigests)
    """For the bodies of requests, see Caller."""
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    _works: "dict[str, asyncio.Task[Outcome]]" = field(default_factory=dict)
    _request_ids: Locks = field(default_factory=Locks)
    _checks: Turnstile = field(default_factory=lambda: Turnstile(rest=CHECK_REST, longest_rest_s=LONGEST_CHECK_REST_S))
    """Of one kind in one pool: a crowd waits for itself here, not in front of all others for libvirt and the files."""
    _stopping: bool = False

    async def submit(self, mutation: Mutation, caller: Caller, *, validate_only: bool = False) -> Operation:
        """Answer with the mutation's operation: finished, or running after a second. Raises what the checks refuse."""
        if caller.request_id:
            check_uuid("request_id", caller.request_id)
        if validate_only:
            self._require_willing()
            return await self._validated(mutation, caller)
        if not caller.request_id:
            operation = await self._begin(mutation, caller)
        else:
            async with self._request_ids.of((caller.name, caller.rpc, caller.request_id)):
                operation = await self._recorded(caller) or await self._begin(mutation, caller)
        return await self.journal.wait(operation.id, ANSWER_WITHIN_S)

    def _require_willing(self) -> None:
        if self._stopping:
            raise ModelError(Reason.AGENT_STOPPING, "the agent is shutting down", retry_delay_s=2.0)
        if self.observe_only:
            raise ModelError(Reason.OBSERVE_ONLY, "this agent observes only (mode = observe); it changes nothing")

    async def _begin(self, mutation: Mutation, caller: Caller) -> Operation:
        """The mutation's operation once it is recorded, its own or the one that it joins."""
        self._require_willing()
        await self._interrupt(mutation)
        pool, volume = mutation.target
        claim, taken = self.lanes.claim(
            kind=mutation.kind,
            pool=pool,
            volume=volume or mutation.secret,
            fingerprint=mutation.fingerprint,
            reads=mutation.reads,
            changes_table=mutation.changes_table,
            overtaking=await mutation.overtakes(),
        )
        if not taken:
            operation = await asyncio.shield(claim.decided)
            return await self._join(operation.id, caller)
        if len(self._tasks) >= self.most_at_once:
            self.lanes.release(claim)
            raise ModelError(Reason.TOO_BUSY, "too many operations at once", retry_delay_s=1.0)
        self._own(self._run(mutation, caller, claim))
        return await asyncio.shield(claim.decided)

    async def cancel(self, operation_id: str) -> Operation:
        """Ask an operation to end early: OPERATION_NOT_FOUND, NOT_CANCELLABLE."""
        operation = self.journal.get(operation_id)
        if operation.state is OperationState.CANCELLED:
            return operation
        work = self._works.get(operation_id)
        if work is None:
            raise _not_cancellable(operation)
        # Work that has committed meanwhile is not cancelled any more.
        self.journal.tell(operation_id, _cancelling)
        work.cancel()
        return await self.journal.wait(operation_id, ANSWER_WITHIN_S)

    async def drain(self, timeout_s: float) -> None:
        """Take nothing new, let what runs end; what does not stays recorded as running, and the next start says so."""
        self._stopping = True
        if self._tasks:
            _, running = await asyncio.wait(self._tasks, timeout=timeout_s)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _interrupt(self, mutation: Mutation) -> None:
        """End what the mutation may end while that waits for its next attempt: nothing is at work then."""
        kind = mutation.interrupts
        held = self.lanes.holder(kind, *mutation.target) if kind is not None else None
        if held is None or held.operation_id not in self._works:
            return
        attempts = self.journal.get(held.operation_id).attempts
        if attempts and attempts[-1].retry_delay_s is not None:
            log.info("interrupted while waiting", operation=held.operation_id, by=mutation.kind)
            self._works[held.operation_id].cancel()
            async with asyncio.timeout(INTERRUPTED_WITHIN_S):
                await held.released.wait()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recorded(self, caller: Caller) -> Operation | None:
        record = await self.journal.find_request(caller.name, caller.rpc, caller.request_id)
        if record is None or not are_comparable(record.digest, caller.digest):
            return None
        if record.digest != caller.digest:
            raise ModelError(
                Reason.REQUEST_ID_REUSED,
                f"request id {caller.request_id} was used with another body; make a new one for each call that differs",
                metadata={"request_id": caller.request_id, "operation": record.operation_id},
            )
        return self.journal.get(record.operation_id)

    async def _validated(self, mutation: Mutation, caller: Caller) -> Operation:
        decision = await mutation.check()
        now_s = self.clock.now_s()
        return replace(
            self._new(mutation, caller, now_s),
            id="",
            state=OperationState.SUCCEEDED,
            warnings=decision.warnings,
            changed=isinstance(decision, Work),
            ended_at_s=now_s,
        )

    def _new(self, mutation: Mutation, caller: Caller, now_s: float) -> Operation:
        pool, volume = mutation.target
        return Operation(
            id=str(uuid.uuid4()),
            kind=mutation.kind,
            pool=pool,
            volume=volume,
            secret=mutation.secret,
            caller=caller.name,
            request_ids=(caller.request_id,) if caller.request_id else (),
            created_at_s=now_s,
        )

    async def _join(self, operation_id: str, caller: Caller) -> Operation:
        if not caller.request_id:
            return self.journal.get(operation_id)
        ids = {caller.request_id: None}
        return await self.journal.change(
            operation_id,
            lambda known: replace(known, request_ids=tuple(dict.fromkeys((*known.request_ids, *ids)))),
            _request(caller, operation_id),
        )

    async def _run(self, mutation: Mutation, caller: Caller, claim: Claim) -> None:
        asked_at_s = self.clock.monotonic_s()
        try:
            async with self._checks.turn((claim.kind, claim.pool)):
                with asked(asked_at_s):
                    operation, work = await self._decide(mutation, caller)
        except BaseException as error:
            self.lanes.release(claim)
            _refuse(claim, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        claim.operation_id = operation.id
        claim.decided.set_result(operation)
        try:
            if work is not None:
                await self._perform(claim, work)
        finally:
            self.lanes.release(claim)

    async def _decide(self, mutation: Mutation, caller: Caller) -> tuple[Operation, Work | None]:
        decision = await mutation.check()
        now_s = self.clock.now_s()
        operation = self._new(mutation, caller, now_s)
        if isinstance(decision, Outcome):
            operation = _succeeded(operation, decision, now_s)
            await self.journal.begin(operation, _request(caller, operation.id))
            return operation, None
        operation = replace(
            operation,
            state=OperationState.RUNNING,
            warnings=decision.warnings,
            cancellable=decision.cancellable,
            deadline_s=now_s + decision.timeout_s,
            debris=decision.debris,
        )
        await self.journal.begin(operation, _request(caller, operation.id))
        return operation, decision

    async def _perform(self, claim: Claim, work: Work) -> None:
        """Work until the end. A deadline or a dead share ends the operation; a call that hangs keeps its lane."""
        operation_id = claim.operation_id
        report = Report(journal=self.journal, operation_id=operation_id, alone=partial(self._alone, claim))
        task = asyncio.ensure_future(work.perform(report))
        self._works[operation_id] = task
        try:
            if (error := await _given_up(task, work)) is not None:
                claim.joinable = False
                claim.hangs = failure_of(error) if error.reason is not Reason.OPERATION_TIMED_OUT else None
                # Its record, not the work, knows whether it has committed; once it has failed, that says so no more.
                if self.journal.get(operation_id).cancellable:
                    task.cancel()
                await self._fail(operation_id, error)
                await asyncio.wait({task})
            await self._end(operation_id, task)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        finally:
            del self._works[operation_id]

    async def _alone(self, claim: Claim) -> None:
        """Outlast those that were overtaken: a start gives up, for it would try again; all others end by themselves."""
        for overtaken in claim.overtaken:
            if overtaken.kind is OperationKind.START_POOL and (work := self._works.get(overtaken.operation_id)):
                work.cancel()
        await claim.alone()

    async def _end(self, operation_id: str, task: "asyncio.Task[Outcome]") -> None:
        try:
            outcome = task.result()
        except ModelError as error:
            await self._fail(operation_id, error)
        except asyncio.CancelledError:
            await self._fail(operation_id, ModelError(Reason.OPERATION_CANCELLED, "cancelled"))
        except Exception as error:  # whatever it is, the operation must end and say so
            log.exception("operation broke", operation=operation_id)
            await self._fail(operation_id, _unforeseen(error))
        else:
            now_s = self.clock.now_s()
            await self.journal.change(operation_id, lambda known: _succeeded(known, outcome, now_s))

    async def _fail(self, operation_id: str, error: ModelError) -> None:
        state = OperationState.CANCELLED if error.reason is Reason.OPERATION_CANCELLED else OperationState.FAILED
        now_s = self.clock.now_s()
        operation = await self.journal.change(
            operation_id,
            lambda known: replace(
                known, state=state, failure=failure_of(error), ended_at_s=now_s, cancellable=False, debris=""
            ),
        )
        log.info(
            "operation failed", operation=operation_id, kind=operation.kind, reason=error.reason, error=error.message
        )


async def _given_up(task: "asyncio.Task[Outcome]", work: Work) -> ModelError | None:
    """Wait for work; None: it is done, an error: its operation ends so, while a call of it hangs."""
    hopeless = asyncio.ensure_future(work.hopeless()) if work.hopeless is not None else None
    try:
        waiting: set[asyncio.Future[Any]] = {task} if hopeless is None else {task, hopeless}
        await asyncio.wait(waiting, timeout=work.timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return None
        return hopeless.result() if hopeless is not None and hopeless.done() else _timed_out(work.timeout_s)
    finally:
        if hopeless is not None:
            hopeless.cancel()
            await asyncio.gather(hopeless, return_exceptions=True)


def failure_of(error: ModelError) -> Failure:
    """The stored form of an error."""
    return Failure(
        reason=error.reason,
        message=error.message,
        metadata=tuple(error.metadata.items()),
        violations=error.violations,
        retry_delay_s=error.retry_delay_s,
    )


def _succeeded(operation: Operation, outcome: Outcome, now_s: float) -> Operation:
    return replace(
        operation,
        state=OperationState.SUCCEEDED,
        changed=outcome.changed,
        result_kind=outcome.result_kind,
        result=outcome.result,
        warnings=(*operation.warnings, *outcome.warnings),
        cancellable=False,
        ended_at_s=now_s,
        debris="",
    )


def _request(caller: Caller, operation_id: str) -> RequestRecord | None:
    if not caller.request_id:
        return None
    return RequestRecord(
        caller=caller.name,
        rpc=caller.rpc,
        request_id=caller.request_id,
        digest=caller.digest,
        operation_id=operation_id,
    )


def _refuse(claim: Claim, error: BaseException) -> None:
    if isinstance(error, ModelError):
        claim.decided.set_exception(error)
    elif isinstance(error, asyncio.CancelledError):
        claim.decided.set_exception(ModelError(Reason.AGENT_STOPPING, "the agent is shutting down", retry_delay_s=2.0))
    else:
        log.error("check broke", pool=claim.pool, error=repr(error), trace="".join(traceback.format_exception(error)))
        claim.decided.set_exception(_unforeseen(error))
    claim.decided.exception()  # retrieved here, so that a caller who left is no complaint


def _unforeseen(error: BaseException) -> ModelError:
    return ModelError(Reason.INTERNAL, f"unforeseen {type(error).__name__}; the agent's log has it")


def _cancelling(operation: Operation) -> Operation:
    if operation.state.ended or not operation.cancellable:
        raise _not_cancellable(operation)
    return replace(operation, cancel_requested=True)


def _not_cancellable(operation: Operation) -> ModelError:
    state = "has ended" if operation.state.ended else "cannot be interrupted"
    return ModelError(
        Reason.NOT_CANCELLABLE,
        f"operation {operation.id} {state}",
        metadata={"operation": operation.id, "state": operation.state},
    )


def _timed_out(timeout_s: float) -> ModelError:
    return ModelError(
        Reason.OPERATION_TIMED_OUT,
        f"not done within {timeout_s:g} s; libvirt's call goes on, and the object stays held until it returns",
        metadata={"timeout_s": f"{timeout_s:g}"},
        retry_delay_s=5.0,
    )
