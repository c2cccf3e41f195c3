"""Where paths lead through symbolic links, remembered for the time when that cannot be looked at: backing files, and
what domains refer to.
"""

import asyncio
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field

from poolfleet_agent.inventory.snapshot import VolumeRecord
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.ports import Clock, Files, MountWatch

ASKED_AT_ONCE = 16
AGAIN_AFTER_S = 300.0
"""How long it is taken for granted where a path leads: a pool may have many thousand backing files."""
MOST_PATHS = 50_000
"""Of more paths, those that were asked about longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class _Known:
    real: str
    asked_at_s: float


@dataclass(kw_only=True)
class Links:
    """What is a link is asked about at each look, what was none only now and then."""

    files: Files
    watch: MountWatch
    clock: Clock
    _known: dict[str, _Known] = field(default_factory=dict)

    async def learn(self, volumes: Iterable[VolumeRecord]) -> None:
        """Find out which backing files of volumes may be on shares; what cannot be told stays as it was known."""
        if self.watch.table().network():
            await self._ask_about(
                path for path in _backing_paths(volumes) if self.watch.holding(clean_path(path)) is None
            )

    async def learn_all(self, volumes: Iterable[VolumeRecord]) -> None:
        """Find out where the backing files of volumes are, on shares that answer too."""
        await self._ask_about(path for path in _backing_paths(volumes) if self._answers(clean_path(path)))

    async def _ask_about(self, paths: Iterable[str]) -> None:
        turns = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(path: str) -> None:
            async with turns:
                await self._ask(path)

        await asyncio.gather(*(one(path) for path in paths if self._worth_asking(path)))

    def note(self, path: str, real: str) -> None:
        """Take in what somebody found out."""
        self._known.pop(path, None)
        self._known[path] = _Known(real, self.clock.monotonic_s())
        while len(self._known) > MOST_PATHS:
            del self._known[next(iter(self._known))]

    def follow(self, path: str) -> str:
        """Where a path leads, as far as that was learnt; below a mount that did not answer then: that mount."""
        known = self._known.get(path)
        return known.real if known is not None else clean_path(path)

    def _answers(self, path: str) -> bool:
        health = self.watch.health(path)
        return health.status is HealthStatus.HEALTHY if health is not None else self.watch.holding(path) is None

    def _worth_asking(self, path: str) -> bool:
        """Whether it is a link, as far as is known, or was not asked about for long."""
        known = self._known.get(path)
        if known is None or known.real != clean_path(path):
            return True
        return self.clock.monotonic_s() - known.asked_at_s >= AGAIN_AFTER_S

    async def _ask(self, path: str) -> None:
        try:
            self.note(path, await self.files.real_path(path))
        except ModelError as error:
            # It leads onto a mount that does not answer: that is all there is to know.
            if (mount := error.metadata.get("mount")) and path not in self._known:
                self._known[path] = _Known(mount, float("-inf"))


def _backing_paths(volumes: Iterable[VolumeRecord]) -> list[str]:
    return sorted({path for record in volumes if (path := backing_path(record))})


def backing_path(record: VolumeRecord) -> str:
    """Where a volume's backing file is, links and all; empty: it has none."""
    store = record.facts.backing_store
    return posixpath.join(posixpath.dirname(record.facts.path), store.path) if store is not None else ""
