"""Frees a libvirtd that is stuck at its start behind a mount of its own.

A host that boots beside a silent server has a libvirtd that answers nothing, not even `virsh list`, until the mount.nfs
of an autostart pool gives up, after minutes. Ending that child is enough: libvirtd goes on at once, the pool is
inactive, and the supervisor starts it properly. Nothing else is ever ended.
"""

import asyncio
from dataclasses import dataclass

import structlog

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.ports import Clock, Hypervisor, MountHelpers

LOOK_EVERY_S = 1.0
AWAY_FOR_S = 5.0
"""libvirt has to be away for so long: one that works answers a new agent far sooner."""
HELPER_RUNS_FOR_S = 10.0
"""A mount of a server that answers takes far less."""

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Rescue:
    """The task that looks; `ended` counts the children of libvirt that it has ended."""

    hypervisor: Hypervisor
    helpers: MountHelpers
    clock: Clock
    ended: int = 0
    _away_since_s: float | None = None
    _told: str = ""

    async def run(self) -> None:
        """Look, for ever; ends by cancellation."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """End the mount helpers that libvirt hangs on, if it does."""
        if self.hypervisor.facts().connected:
            self._away_since_s = None
            return
        now_s = self.clock.monotonic_s()
        if self._away_since_s is None:
            self._away_since_s = now_s
        if now_s - self._away_since_s < AWAY_FOR_S:
            return
        for helper in await self.helpers.of_libvirt():
            if helper.running_s < HELPER_RUNS_FOR_S or self.hypervisor.facts().connected:
                continue
            try:
                killed = self.helpers.kill(helper)
            except ModelError as error:
                if error.message != self._told:
                    log.warning("libvirt cannot be freed", error=error.message)
                    self._told = error.message
                continue
            if killed:
                self.ended += 1
                log.warning(
                    "ended a mount that libvirt hung on",
                    program=helper.name,
                    pid=helper.pid,
                    running_s=round(helper.running_s, 1),
                )
