"""Brings pools to what they are meant to be: after boot, after libvirtd's restart, after a server's return.

It starts, with backoff, for ever, and brings back shares that started pools have lost (StartPool does both). It stops
nothing else, and unmounts nothing but a stale share of its own that no running domain uses. What a person may want to
know stands in the log, once for each change, and in the operations, whose caller is `supervisor`.
"""

import asyncio
import random
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from poolfleet_agent.control.host import Host
from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.operations import Operations, failure_of
from poolfleet_agent.control.pools.leftover import Leftovers
from poolfleet_agent.control.pools.start import StartPool
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import RetryPolicy
from poolfleet_agent.model.operation import OperationState
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.quarantine import NOT_THE_SHARE

LOOK_EVERY_S = 2.0
"""How soon a pool that is not as it is meant to be is noticed."""
FIRST_DELAY_S = 2.0
LONGEST_DELAY_S = 60.0
SPREAD_S = 5.0
"""Starts after a common cause, such as a server's return, are spread over so long."""
ASK_EVERY_S = 4.0
"""How often a server is asked whether it is back, of a pool that waits for longer before it is tried again."""
ONE_ATTEMPT = RetryPolicy(attempts=1, deadline_s=60.0)

CALLER = Caller(name="supervisor", rpc="StartPool")

_LEFTOVERS = ""
"""No pool's name: the task that looks after what attempts have left."""

_FAILED = frozenset({OperationState.FAILED, OperationState.CANCELLED})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Trouble:
    """A pool that is not as it is meant to be: since when in a row, when it is tried next, and why it failed last.

    `lost`: why its share is not there, where libvirt holds it for started. `ask_server_at_s`: when its server, which
    did not answer, is asked next; None: that was not why it failed.
    """

    lost: str
    next_try_s: float
    failures: int = 0
    reason: str = ""
    ask_server_at_s: float | None = None


@dataclass(kw_only=True)
class Supervisor:
    """The task that looks after the pools of one host."""

    host: Host
    operations: Operations
    starts_ok: int = 0
    starts_failed: int = 0
    _trouble: dict[str, _Trouble] = field(default_factory=dict)
    _working: "dict[str, asyncio.Task[None]]" = field(default_factory=dict)

    def starts(self) -> Mapping[str, int]:
        """How many starts ended how."""
        return {"ok": self.starts_ok, "failed": self.starts_failed}

    async def run(self) -> None:
        """Look after them, for ever; ends by cancellation, and awaits what it began."""
        try:
            while True:
                self._look()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in self._working.values():
                task.cancel()
            await asyncio.gather(*self._working.values(), return_exceptions=True)

    def _look(self) -> None:
        snapshot = self.host.registry.snapshot
        fresh = self.host.hypervisor.facts().connected and self.host.registry.seen_since_start
        if not fresh or self.host.maintenance.now.enabled or self.host.rules.observe_only:
            return
        for gone in self._trouble.keys() - snapshot.pools.keys():
            del self._trouble[gone]
        if _LEFTOVERS not in self._working and self.host.book.attempts():
            leftovers = Leftovers(host=self.host, lanes=self.operations.lanes, will_start=_is_wanted)
            self._work(_LEFTOVERS, leftovers.tidy())
        now_s = self.host.clock.monotonic_s()
        for entry in snapshot.pools.values():
            pool = entry.pool
            if not _is_wanted(pool):
                if pool.active and (trouble := self._trouble.pop(pool.name, None)) and trouble.failures:
                    log.info("pool is as it is meant to be again", pool=pool.name, failures=trouble.failures)
            elif pool.name not in self._working and not self.host.observer.wishes.is_undecided(pool.name):
                self._look_after(pool, now_s)

    def _look_after(self, pool: Pool, now_s: float) -> None:
        trouble, lost = self._trouble.get(pool.name), _lost(pool)
        if trouble is None or trouble.lost != lost:
            # A little later, and not all at once: whoever stopped it may just be starting it again.
            delay_s = random.uniform(0, SPREAD_S) if pool.server else 0.0
            failures = trouble.failures if trouble else 0
            self._trouble[pool.name] = _Trouble(lost=lost, next_try_s=now_s + delay_s, failures=failures)
            if lost:
                log.warning("share of a started pool is lost", pool=pool.name, reason=lost)
            else:
                log.info("pool is meant to be started", pool=pool.name, why=pool.desired.why if pool.desired else "")
        elif now_s >= trouble.next_try_s:
            self._work(pool.name, self._start(pool.name, trouble))
        elif trouble.ask_server_at_s is not None and now_s >= trouble.ask_server_at_s:
            self._work(pool.name, self._ask_server(pool, trouble))

    def _work(self, pool: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"supervise {pool}")
        self._working[pool] = task
        task.add_done_callback(partial(self._ended, pool))

    def _ended(self, pool: str, task: "asyncio.Task[None]") -> None:
        del self._working[pool]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("supervision broke", pool=pool, exc_info=error)

    async def _ask_server(self, pool: Pool, trouble: _Trouble) -> None:
        if not await self.host.observer.server_answers(pool.definition):
            trouble.ask_server_at_s = self.host.clock.monotonic_s() + ASK_EVERY_S
            return
        trouble.ask_server_at_s = None
        delay_s = random.uniform(0, SPREAD_S)
        trouble.next_try_s = min(trouble.next_try_s, self.host.clock.monotonic_s() + delay_s)
        log.info("server answers again", pool=pool.name, server=pool.server, next_try_s=round(delay_s, 1))

    async def _start(self, pool: str, trouble: _Trouble) -> None:
        try:
            start = StartPool(host=self.host, pool=pool, retry=ONE_ATTEMPT, as_meant=True)
            operation = await self.operations.submit(start, CALLER)
            operation = await self.operations.journal.wait(operation.id, self.host.rules.start_timeout_s)
            failure = operation.failure if operation.state in _FAILED else None
        except ModelError as error:
            if error.reason is Reason.OPERATION_IN_PROGRESS:
                return  # somebody else is at it
            failure = failure_of(error)
        if failure is None:
            self.starts_ok += 1
            log.info("pool was started", pool=pool, failures=trouble.failures)
            return
        self.starts_failed += 1
        trouble.failures += 1
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(trouble.failures - 1, 10))
        now_s = self.host.clock.monotonic_s()
        trouble.next_try_s = now_s + delay_s * random.uniform(0.75, 1.25)
        trouble.ask_server_at_s = now_s + ASK_EVERY_S if failure.reason == Reason.MOUNT_RETRIES_EXHAUSTED else None
        reason = f"{failure.reason}: {failure.message}"
        if reason != trouble.reason:
            trouble.reason = reason
            log.warning("pool could not be started", pool=pool, reason=reason, next_try_s=round(delay_s, 1))


def _is_wanted(pool: Pool) -> bool:
    """Whether it is for the supervisor to bring a pool to what it is meant to be."""
    return (
        pool.supervised
        and pool.facts.persistent
        and pool.desired is not None
        and pool.desired.desired is Desired.STARTED
        and (not pool.active or bool(_lost(pool)))
    )


def _lost(pool: Pool) -> str:
    """Why the share of an active pool is not there; empty: it is, or it is nobody's but the host's to mount it."""
    mountable = pool.active and isinstance(pool.definition.source, NetfsSource)
    return pool.health.reason if mountable and pool.health and pool.health.reason in NOT_THE_SHARE else ""
