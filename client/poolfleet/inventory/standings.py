"""How far a store has got with each host, and whose agent answers there: addresses change places between two syncs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.store.port import InventoryStore, Standing
from poolfleet.inventory.writing import StoreWriter
from poolfleet.types.inventory import ResumePoint

_NOTHING = Standing(agent_id="", point=None)


class Standings:
    """Those of one run. Belongs to one event loop, as the writer does."""

    def __init__(self, store: InventoryStore, writer: StoreWriter) -> None:
        self._store = store
        self._writer = writer
        self._of: dict[str, Standing] = {}
        self._answered: dict[str, str] = {}
        """The agent that answered last at a host, in this run."""
        self._left = asyncio.Event()

    async def load(self) -> None:
        """Know how far it has got with all hosts at once: most of them have nothing else to ask of the store."""
        self._of = dict(await self._writer.alone(self._store.standings))

    def point(self, host: str) -> ResumePoint | None:
        """Where to go on with a host; None: from nothing."""
        return self._of[host].point

    def got_to(self, host: str, point: ResumePoint | None) -> None:
        """Know where to go on next."""
        self._of[host] = replace(self._of[host], point=point)

    def next_leaving(self) -> asyncio.Event:
        """What is set once another agent than before answers at some host."""
        return self._left

    async def identify(self, host: str, agent_id: str) -> str:
        """Know whose word a host's is; the name of another host that is the same agent.

        Who answered at another host in an earlier run only, and answers here now, has moved: it is taken over from
        there. Not so by a host of which nothing is stored: two entries of one agent would take it from each other.
        """
        self._answered[host] = agent_id
        before = self._of[host].agent_id
        if before == agent_id:
            return ""
        holder = self._holder(agent_id) if before else None
        moves = holder is not None and self._answered.get(holder) != agent_id
        if holder is not None and moves:
            # At once, before that host answers: what is stored of it ends.
            self._of[holder] = _NOTHING
        other = await self._writer.submit(partial(self._store.identify, host, agent_id, moves=moves))
        if not other:
            self._of[host] = Standing(agent_id=agent_id, point=None)
            if before:
                left, self._left = self._left, asyncio.Event()
                left.set()
        return other

    async def duplicate(self, host: str) -> None:
        """Note that a host is an agent that another one tells of; if it still does."""
        if self._holder(self._answered[host]) is not None:
            status, error = HostStatus.DUPLICATE, ""
        else:
            status, error = HostStatus.UNREACHABLE, "its agent answered at another host until now"
        await self._writer.submit(partial(self._store.not_heard, host, str(status), error))

    def _holder(self, agent_id: str) -> str | None:
        return next((name for name, standing in self._of.items() if standing.agent_id == agent_id), None)
