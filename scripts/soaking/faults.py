"""What happens to libvirtd and to the agent meanwhile: each is killed, stopped and restarted, at random, apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from scripts.embedded.host import EmbeddedHost

_LIBVIRTD = {"kill libvirtd": 4, "restart libvirtd": 3, "stop libvirtd for a moment": 4, "stop libvirtd for long": 1}
_AGENT = {"kill the agent": 3, "restart the agent": 1}


@dataclass
class Faults:
    """Does them to a host, and counts."""

    host: EmbeddedHost
    random: Random
    done: Counter[str] = field(default_factory=Counter)

    async def of_libvirtd(self, until: asyncio.Event) -> None:
        """One after the other, until it is time; libvirtd runs afterwards."""
        while await self._pause(until, 2.0, 7.0):
            what = self.random.choices(list(_LIBVIRTD), list(_LIBVIRTD.values()))[0]
            self.done[what] += 1
            libvirtd = self.host.libvirtd
            if what.startswith("stop"):
                libvirtd.sigstop()
                longest_s = 25.0 if what.endswith("long") else 4.0
                await self._pause(until, 0.1, longest_s)
                libvirtd.sigcont()
                continue
            if what.startswith("kill"):
                await asyncio.to_thread(libvirtd.kill9)
                await self._pause(until, 0.0, 2.0)
            await asyncio.to_thread(libvirtd.restart)

    async def of_agent(self, until: asyncio.Event) -> None:
        """One after the other, until it is time; the agent runs afterwards."""
        while await self._pause(until, 5.0, 15.0):
            what = self.random.choices(list(_AGENT), list(_AGENT.values()))[0]
            self.done[what] += 1
            agent = self.host.agent
            await asyncio.to_thread(agent.kill9 if what.startswith("kill") else agent.stop)
            await self._pause(until, 0.0, 1.0)
            await asyncio.to_thread(agent.start)

    async def _pause(self, until: asyncio.Event, shortest_s: float, longest_s: float) -> bool:
        """Let some time pass; False: it is time to end."""
        try:
            async with asyncio.timeout(self.random.uniform(shortest_s, longest_s)):
                await until.wait()
        except TimeoutError:
            return True
        return False
