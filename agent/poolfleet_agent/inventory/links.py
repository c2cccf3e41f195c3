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
    """Looks only where the host has network mounts: without any, nothing can lead onto a dead one."""

    files: Files
    watch: MountWatch
    clock: Clock
    _known: dict[str, _Known] = field(default_factory=dict)

    async def learn(self, volumes: Iterable[VolumeRecord]) -> None:
        """Find out where the backing files of volumes are; what cannot be told stays as it was known."""
        if not self.watch.table().network():
            return
        turns = asyncio.Semaphore(ASKED_AT_ONCE)

        async def one(path: str) -> None:
            async with turns:
                await self._ask(path)

        paths = {path for record in volumes if (path := backing_path(record))}
        await asyncio.gather(*(one(path) for path in sorted(paths) if self._worth_asking(path)))

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

    def _worth_asking(self, path: str) -> bool:
        known = self._known.get(path)
        if known is not None and self.clock.monotonic_s() - known.asked_at_s < AGAIN_AFTER_S:
            return False
        return self.watch.holding(clean_path(path)) is None

    async def _ask(self, path: str) -> None:
        try:
            self.note(path, await self.files.real_path(path))
        except ModelError as error:
            # It leads onto a mount that does not answer: that is all there is to know.
            if (mount := error.metadata.get("mount")) and path not in self._known:
                self._known[path] = _Known(mount, float("-inf"))


def backing_path(record: VolumeRecord) -> str:
    """Where a volume's backing file is, links and all; empty: it has none."""
    store = record.facts.backing_store
    return posixpath.join(posixpath.dirname(record.facts.path), store.path) if store is not None else ""
