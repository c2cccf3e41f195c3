"""Runs one call on many volumes of a fleet, each by the storage that it lies on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from poolfleet.fleet.batches import groups
from poolfleet.fleet.result import Outcome, Status, VolumesResult
from poolfleet.fleet.run import Pace, Watch, not_well, well, within
from poolfleet.fleet.storage import FleetStorage
from poolfleet.inventory.model import InventoryVolume

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class OverVolumes(Generic[T]):
    """One call on its way through volumes."""

    call: Callable[[FleetStorage, str], Awaitable[T]]
    storage: Callable[[InventoryVolume], FleetStorage]
    pace: Pace
    parallel: int
    failures: int = field(default=0, init=False)

    async def outcome(self, volumes: Iterable[InventoryVolume]) -> VolumesResult[T]:
        """Call for each volume. Raises nothing but what cancels it, and ValueError for a batch that is none."""
        outcomes: dict[InventoryVolume, Outcome[T]] = {}
        places = asyncio.Semaphore(min(self.pace.parallel or self.parallel, self.parallel))
        for group in groups(list(dict.fromkeys(volumes)), self.pace.batch):
            async with asyncio.TaskGroup() as tasks:
                asked = {volume: tasks.create_task(self._ask(volume, places)) for volume in group}
            outcomes |= {volume: task.result() for volume, task in asked.items()}
        return VolumesResult(outcomes)

    async def _ask(self, volume: InventoryVolume, places: asyncio.Semaphore) -> Outcome[T]:
        watch = Watch()
        async with places:
            # Which host acts is found out by the call, and its error says so.
            if self.failures >= self.pace.tolerated:
                return Outcome(host="", status=Status.SKIPPED)
            try:
                with watch:
                    value = await within(self.pace.timeout_s, self.call(self.storage(volume), volume.name), "")
            except Exception as error:  # noqa: BLE001  (a fault in the caller's own function is an outcome too)
                self.failures += 1
                return not_well(getattr(error, "host", None) or "", error, watch.seconds)
        return well("", value, watch.seconds, None)
