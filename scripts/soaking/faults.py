"""What happens to libvirtd and to the agent meanwhile: each is killed, stopped and restarted, at random, apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from scripts.embedded.host import EmbeddedHost

_LIBVIRTD = {"kill libvirtd": 4, "restart libvirtd": 3, "stop libvirtd for a moment": 4, "stop libvirtd for long": 1}
_AGENT = {"kill the agent": 3, "restart the agent": 1}
_REVIVED_AFTER_S = 0.5
_CRASH_BYTES = 65536


@dataclass
class Faults:
    """Does them to a host, and counts."""

    host: EmbeddedHost
    random: Random
    done: Counter[str] = field(default_factory=Counter)
    unforeseen: list[str] = field(default_factory=list)
    """How the agent ended by itself, but for a crash in libvirt's library, which is a fault like others."""
    _agent_is_down: bool = False

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
            self._agent_is_down = True
            await asyncio.to_thread(agent.kill9 if what.startswith("kill") else agent.stop)
            await self._pause(until, 0.0, 1.0)
            await asyncio.to_thread(agent.start)
            self._agent_is_down = False

    async def revive_agent(self, until: asyncio.Event) -> None:
        """Start the agent again where it ended by itself, as its unit does, until it is time; it runs afterwards."""
        going_on = True
        while going_on:
            going_on = await self._pause(until, _REVIVED_AFTER_S, _REVIVED_AFTER_S)
            if self._agent_is_down or self.host.agent.pid is not None:
                continue
            self._note_crash(self.host.agent.log.read_text()[-_CRASH_BYTES:])
            await asyncio.to_thread(self.host.agent.start)

    def _note_crash(self, last: str) -> None:
        stack = last.rpartition("Fatal Python error: Segmentation fault")[2]
        current = stack.partition("Current thread")[2].partition("\n\n")[0]
        if "libvirt.py" in current:
            self.done["crash of the agent in libvirt's library"] += 1
        else:
            self.unforeseen.append(f"the agent ended by itself: {last[-_CRASH_BYTES // 4 :]}")

    async def _pause(self, until: asyncio.Event, shortest_s: float, longest_s: float) -> bool:
        """Let some time pass; False: it is time to end."""
        try:
            async with asyncio.timeout(self.random.uniform(shortest_s, longest_s)):
                await until.wait()
        except TimeoutError:
            return True
        return False
