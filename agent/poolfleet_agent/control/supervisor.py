"""Brings pools to what they are meant to be: after boot, after libvirtd's restart, after a server's return.

It starts, with backoff, for ever; it stops nothing that it did not start, and unmounts nothing. What a person may want
to know stands in the log, once for each change, and in the operations, whose caller is `supervisor`.
"""

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.operations import Operations
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import RetryPolicy
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.pool import Pool

LOOK_EVERY_S = 2.0
"""How soon a pool that is not as it is meant to be is noticed."""
FIRST_DELAY_S = 2.0
LONGEST_DELAY_S = 60.0
SPREAD_S = 5.0
"""Starts after a common cause, such as a server's return, are spread over so long."""
ONE_ATTEMPT = RetryPolicy(attempts=1, deadline_s=60.0)

CALLER = Caller(name="supervisor", rpc="StartPool")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trouble:
    """A pool that did not start: how often in a row, when it is tried next, and why it failed last."""

    failures: int = 0
    next_try_s: float = 0.0
    reason: str = ""


@dataclass(kw_only=True)
class Supervisor:
    """The task that looks after the pools of one host."""

    host: Host
    operations: Operations
    starts_ok: int = 0
    starts_failed: int = 0
    _trouble: dict[str, _Trouble] = field(default_factory=dict)
    _starting: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)

    async def run(self) -> None:
        """Look after them, for ever; ends by cancellation, and awaits what it began."""
        try:
            while True:
                self._look()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in self._starting.values():
                task.cancel()
            await asyncio.gather(*self._starting.values(), return_exceptions=True)

    def _look(self) -> None:
        snapshot = self.host.registry.snapshot
        fresh = self.host.hypervisor.facts().connected and self.host.registry.seen_since_start
        if not fresh or self.host.maintenance.now.enabled or self.host.rules.observe_only:
            return
        for gone in self._trouble.keys() - snapshot.pools.keys():
            del self._trouble[gone]
        now_s = self.host.clock.monotonic_s()
        for entry in snapshot.pools.values():
            pool = entry.pool
            if not self._wanted(pool):
                if pool.active and (trouble := self._trouble.pop(pool.name, None)) and trouble.failures:
                    log.info("pool is as it is meant to be again", pool=pool.name, failures=trouble.failures)
                continue
            if pool.name in self._starting:
                continue
            trouble = self._trouble.get(pool.name)
            if trouble is None:
                # A little later, and not all at once: whoever stopped it may just be starting it again.
                delay_s = random.uniform(0, SPREAD_S) if pool.server else 0.0
                self._trouble[pool.name] = _Trouble(next_try_s=now_s + delay_s)
                log.info("pool is meant to be started", pool=pool.name, why=pool.desired.why if pool.desired else "")
            elif now_s >= trouble.next_try_s:
                task = asyncio.create_task(self._start(pool.name, trouble), name=f"supervise {pool.name}")
                self._starting[pool.name] = task
                task.add_done_callback(partial(self._ended, pool.name))

    def _ended(self, pool: str, task: "asyncio.Task[None]") -> None:
        del self._starting[pool]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("supervision broke", pool=pool, exc_info=error)

    def _wanted(self, pool: Pool) -> bool:
        return (
            pool.supervised
            and not pool.active
            and pool.facts.persistent
            and pool.desired is not None
            and pool.desired.desired is Desired.STARTED
        )

    async def _start(self, pool: str, trouble: _Trouble) -> None:
        try:
            operation = await self.operations.submit(StartPool(host=self.host, pool=pool, retry=ONE_ATTEMPT), CALLER)
            operation = await self.operations.journal.wait(operation.id, self.host.rules.start_timeout_s)
            reason = _failure_of(operation)
        except ModelError as error:
            if error.reason is Reason.OPERATION_IN_PROGRESS:
                return  # somebody else is at it
            reason = f"{error.reason}: {error.message}"
        if not reason:
            self.starts_ok += 1
            log.info("pool was started", pool=pool, failures=trouble.failures)
            return
        self.starts_failed += 1
        trouble.failures += 1
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(trouble.failures - 1, 10))
        trouble.next_try_s = self.host.clock.monotonic_s() + delay_s * random.uniform(0.75, 1.25)
        if reason != trouble.reason:
            trouble.reason = reason
            log.warning("pool could not be started", pool=pool, reason=reason, next_try_s=round(delay_s, 1))


def _failure_of(operation: Operation) -> str:
    """Why a start did not succeed; empty: it did, or it still goes on by itself."""
    if operation.state in {OperationState.FAILED, OperationState.CANCELLED} and operation.failure is not None:
        return f"{operation.failure.reason}: {operation.failure.message}"
    return ""
