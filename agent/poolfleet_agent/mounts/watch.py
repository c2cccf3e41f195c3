"""Watches every network mount of the host, pool or not: probes each from time to time, and keeps what that says.

A question that is not answered is not asked a second time, only waited for: one thread hangs for each dead mount, not
one for each probe, and its answer is known as soon as it comes.
"""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.mount_health import MountHealth, ProbeOutcome, after_probe
from poolfleet_agent.model.mount_table import MountEntry, MountTable
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.ports import Clock
from poolfleet_agent.model.ports.mount_watch import ERRNO, MountProber, ProbeAnswer

NAMES_EVERY = 6
"""Of so many probes one reads the directory too, and each one after a miss does."""

NAMES_PATIENCE = 5
"""How many times longer than for its sizes a mount is waited for with its names: a directory may be slow."""

JITTER = 0.2

log = structlog.get_logger(__name__)

_Key = tuple[int, str, str]


class ChangingTable(Protocol):
    """The mount table (LiveMountTable): `current` is what is mounted now, `changed` is called when that changed."""

    changed: Callable[[], None]

    def current(self) -> MountTable:
        """What is mounted, now."""
        ...


class _Question:
    """Something that is asked again and again, never twice at once."""

    def __init__(self, ask: Callable[[], Awaitable[ProbeAnswer]]) -> None:
        self._ask = ask
        self.open: asyncio.Task[ProbeAnswer] | None = None

    async def answer(self, timeout_s: float) -> ProbeAnswer:
        """The answer to the open question, or to a new one: TimeoutError, and it stays open; ModelError.

        Several may wait for the same answer.
        """
        asked = self.open = self.open or asyncio.create_task(self._asked())
        done, _ = await asyncio.wait({asked}, timeout=timeout_s)
        if not done or asked.cancelled():
            raise TimeoutError(f"no answer within {timeout_s:g} s")
        if self.open is asked:
            self.open = None
        return asked.result()

    async def close(self) -> None:
        """Wait for no answer any more."""
        if self.open is not None:
            self.open.cancel()
            await asyncio.gather(self.open, return_exceptions=True)

    async def _asked(self) -> ProbeAnswer:
        return await self._ask()


class _Watched:
    """One mount: its health, and who waits for its next probe."""

    def __init__(self, entry: MountEntry, prober: MountProber) -> None:
        self.entry = entry
        self.sizes = _Question(lambda: prober.ask_sizes(entry))
        self.names = _Question(lambda: prober.ask_names(entry))
        self.health: MountHealth | None = None
        self.probed = asyncio.Event()
        self.hurry = asyncio.Event()
        """Set: the next probe is due now."""


class Watch:
    """Implements model.ports.MountWatch; `run` does the watching. `transitions` counts changes of health by status."""

    def __init__(
        self,
        table: ChangingTable,
        prober: MountProber,
        clock: Clock,
        *,
        probe_timeout_s: float = 2.0,
        probe_interval_s: float = 10.0,
    ) -> None:
        """Nothing is probed yet."""
        self.transitions: Counter[str] = Counter()
        self._prober = prober
        self._clock = clock
        self._timeout_s = probe_timeout_s
        self._interval_s = probe_interval_s
        self._changed = asyncio.Event()
        self._table = table
        table.changed = self._changed.set
        self._watched: dict[_Key, _Watched] = {}
        self._listeners: list[Callable[[], None]] = []
        self._told = asyncio.Event()
        """Set, and made anew, when there is something new to know."""

    def table(self) -> MountTable:
        """What is mounted, now."""
        return self._table.current()

    def holding(self, path: str) -> MountEntry | None:
        """The network mount that a path lies on, by its name; None: it is local."""
        table = self._table.current()
        # To find the mount of a path takes far longer than to see that none of a few can be it.
        if not any(f"{path}/".startswith(entry.target.rstrip("/") + "/") for entry in table.network()):
            return None
        entry = table.holding(path)
        return entry if entry is not None and entry.network else None

    def health(self, path: str) -> MountHealth | None:
        """The health of the network mount that a path lies on; None: it is local, or was not probed yet."""
        watched = self._of(path)
        return watched.health if watched else None

    def unresponsive(self) -> tuple[MountEntry, ...]:
        """The network mounts that do not answer."""
        return self._with(HealthStatus.UNRESPONSIVE)

    def suspect(self) -> tuple[MountEntry, ...]:
        """The network mounts that missed their last probe, and are asked again now."""
        return self._with(HealthStatus.SUSPECT)

    def statuses(self) -> dict[str, int]:
        """How many mounts are in which state of health."""
        return Counter(str(watched.health.status) for watched in tuple(self._watched.values()) if watched.health)

    def by_mount(self) -> dict[tuple[str, str], str]:
        """The state of health of each mount that was probed, by its target and source."""
        return {
            (watched.entry.target, watched.entry.source): str(watched.health.status)
            for watched in tuple(self._watched.values())
            if watched.health
        }

    async def wait_until_probed(self, limit_s: float) -> None:
        """Return as soon as every network mount was probed once, at most after `limit_s` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not all(
                    (watched := self._watched.get(_key(entry))) and watched.health
                    for entry in self._table.current().network()
                ):
                    await self._told.wait()

    async def wait_for_next_probe(self, path: str, limit_s: float) -> None:
        """Return after the next probe of the network mount that a path lies on, at most after `limit_s` seconds."""
        if (watched := self._of(path)) is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await watched.probed.wait()

    async def silent_now(self, entries: Iterable[MountEntry]) -> tuple[MountEntry, ...]:
        """Ask these network mounts at once, one question each; the answer is those that gave none in a probe's time.

        What answers with an error is not silent. A silent one's own next probe is due now.
        """

        async def silent(watched: _Watched) -> bool:
            try:
                await watched.sizes.answer(self._timeout_s)
            except TimeoutError:
                watched.hurry.set()
                return _key(watched.entry) in self._watched
            except ModelError as error:
                return ERRNO not in error.metadata
            return False

        asked = [watched for entry in entries if (watched := self._watched.get(_key(entry))) is not None]
        silences = await asyncio.gather(*(silent(watched) for watched in asked))
        return tuple(watched.entry for watched, is_silent in zip(asked, silences, strict=True) if is_silent)

    async def until_unresponsive(self, path: str) -> None:
        """Return as soon as the network mount that a path lies on does not answer, or is gone."""
        while (watched := self._of(path)) is not None and not (watched.health and watched.health.dead):
            await watched.probed.wait()

    async def wait_for_change(self) -> None:
        """Return when the health of a mount changes, or mounts come or go."""
        await self._told.wait()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have it told, on the event loop, that the health of a mount changed, or that mounts came or went."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Watch, for ever; ends by cancellation."""
        tasks: dict[_Key, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                self._follow(group, tasks)
                await self._changed.wait()

    def _follow(self, group: asyncio.TaskGroup, tasks: dict[_Key, "asyncio.Task[None]"]) -> None:
        mounted = {_key(entry): entry for entry in self._table.current().network()}
        for key in tasks.keys() - mounted.keys():
            log.info("network mount is gone", target=key[2])
            self._watched.pop(key).probed.set()
            tasks.pop(key).cancel()
        for key in mounted.keys() - tasks.keys():
            watched = self._watched[key] = _Watched(mounted[key], self._prober)
            tasks[key] = group.create_task(self._probe_for_ever(watched), name=f"probe {key[2]}")
        self._prober.keep_only(mounted.values())
        self._tell()

    async def _probe_for_ever(self, watched: _Watched) -> None:
        try:
            for number in itertools.count():
                before = watched.health
                with_names = number % NAMES_EVERY == 0 or (before is not None and before.missed > 0)
                outcome = await self._probe(watched, with_names=with_names)
                self._take(watched, outcome)
                if watched.health is None or watched.health.status is not HealthStatus.SUSPECT:
                    await self._pause(watched)
        finally:
            await watched.sizes.close()
            await watched.names.close()

    async def _probe(self, watched: _Watched, *, with_names: bool) -> ProbeOutcome:
        try:
            answer = await watched.sizes.answer(self._timeout_s)
            if with_names:
                names = await watched.names.answer(self._timeout_s * NAMES_PATIENCE)
                answer = names if names.reason else answer
        except (ModelError, TimeoutError) as error:
            return ProbeOutcome(answered=False, at_s=self._clock.now_s(), message=str(error))
        return ProbeOutcome(answered=True, at_s=self._clock.now_s(), reason=answer.reason, message=answer.message)

    def _take(self, watched: _Watched, outcome: ProbeOutcome) -> None:
        before, after = watched.health, after_probe(watched.health, outcome)
        watched.health = after
        watched.probed.set()
        watched.probed = asyncio.Event()
        if before is not None and (before.status, before.reason) == (after.status, after.reason):
            return
        if before is not None or after.status is not HealthStatus.HEALTHY:
            self.transitions[after.status] += 1
            tell = log.info if after.status is HealthStatus.HEALTHY else log.warning
            tell(
                "health of a network mount changed",
                target=watched.entry.target,
                source=watched.entry.source,
                status=str(after.status),
                reason=after.reason,
                message=after.message,
            )
        self._tell()

    async def _pause(self, watched: _Watched) -> None:
        pause_s = self._interval_s * random.uniform(1 - JITTER, 1 + JITTER)
        open_ones = {question.open for question in (watched.sizes, watched.names) if question.open is not None}
        watched.hurry.clear()
        hurried = asyncio.create_task(watched.hurry.wait())
        try:
            await asyncio.wait({*open_ones, hurried}, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurried.cancel()
            await asyncio.gather(hurried, return_exceptions=True)

    def _of(self, path: str) -> _Watched | None:
        entry = self.holding(path)
        return self._watched.get(_key(entry)) if entry else None

    def _with(self, status: HealthStatus) -> tuple[MountEntry, ...]:
        return tuple(
            watched.entry for watched in self._watched.values() if watched.health and watched.health.status is status
        )

    def _tell(self) -> None:
        self._told.set()
        self._told = asyncio.Event()
        for listener in self._listeners:
            listener()


def _key(entry: MountEntry) -> _Key:
    return entry.mount_id, entry.device, entry.target
