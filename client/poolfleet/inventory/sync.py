"""Brings what agents tell into a store: up to each host's first consistent state, or for as long as they tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from poolfleet.agent.client import AgentClient
from poolfleet.inventory.model import HostStatus
from poolfleet.inventory.standings import Standings
from poolfleet.inventory.store.port import InventoryStore, StoredHost, Unstorable
from poolfleet.inventory.store.staged import Staged
from poolfleet.inventory.writing import StoreWriter
from poolfleet.transport.retries import reconnecting
from poolfleet.types.agent import Agent
from poolfleet.types.errors import PoolfleetError, Unavailable
from poolfleet.types.inventory import InventoryBatch, ResumePoint, ResyncReason

_HEARTBEAT_S = 60.0
# Hosts that tell their first state at once; how long one keeps others waiting. What they tell is in memory until then.
_FIRST_AT_ONCE = 64
_FIRST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What one host told."""

    volumes: int
    """Those told, or told to be gone; the unchanged are not."""
    resync: ResyncReason | None = None
    """Why it told the whole state; None: it told what changed, or was asked for everything."""
    from_nothing: bool = False
    duplicate_of: str = ""
    """Nothing was stored: this other host of the fleet is the same agent."""


class Observer(Protocol):
    """Who hears how the work goes."""

    def forgot(self, hosts: Sequence[str]) -> None:
        """Hosts that were stored are not in the fleet: all of them is forgotten."""

    def committed(self, host: str, staged: Staged, duration_s: float) -> None:
        """What a host told was stored."""

    def interrupted(self, host: str, error: PoolfleetError) -> None:
        """A host was lost; it is tried again."""

    def given_up(self, host: str, error: PoolfleetError | Unstorable) -> None:
        """A host is no longer followed: what it answered does not pass by itself, or cannot be stored."""


class Unobserved:
    """Nobody hears of it. Implements Observer."""

    def forgot(self, hosts: Sequence[str]) -> None:
        """Do nothing."""

    def committed(self, host: str, staged: Staged, duration_s: float) -> None:
        """Do nothing."""

    def interrupted(self, host: str, error: PoolfleetError) -> None:
        """Do nothing."""

    def given_up(self, host: str, error: PoolfleetError | Unstorable) -> None:
        """Do nothing."""


class _Telling:
    """What one host tells, from one bookmark to the next. Implements Follower."""

    def __init__(self, point: ResumePoint | None) -> None:
        self.point = point
        self.staged = Staged()
        self._notes: list[asyncio.Future[None]] = []

    def note(self, written: asyncio.Future[None]) -> None:
        """A note is on its way into the store, where nobody can wait for it."""
        self._notes.append(written)

    async def noted(self) -> None:
        """Raise StoreError where such a note could not be stored."""
        notes, self._notes = self._notes, []
        for written in notes:
            await written

    def resume(self) -> ResumePoint | None:
        self.staged = Staged(first=True, from_nothing=self.point is None)
        return self.point

    def apply(self, batch: InventoryBatch) -> None:
        self.staged.apply(batch)


class InventorySync:
    """The one writer of a store, which is asked on a thread of its own. A context; the store itself stays open."""

    def __init__(self, store: InventoryStore, observer: Observer | None = None) -> None:
        self._store = store
        self._observer = observer or Unobserved()
        self._writer = StoreWriter(store)
        self._standings = Standings(store, self._writer)
        self._first = asyncio.Semaphore(_FIRST_AT_ONCE)

    async def begin(self, hosts: Iterable[StoredHost], *, only: bool) -> None:
        """Become the store's writer, and have it know the hosts; `only`: and no other."""
        known = list(hosts)

        def enrol() -> Sequence[str]:
            self._store.claim()
            return self._store.enrol(known, only=only)

        forgotten = await self._writer.alone(enrol)
        await self._standings.load()
        if forgotten:
            self._observer.forgot(forgotten)

    async def once(self, client: AgentClient, greeted: Agent | None = None) -> Synced:
        """Store a host's state up to its first bookmark. Raises PoolfleetError, StoreError.

        greeted: who answered there not long ago, where that is known.
        """
        host, agent = _name(client), greeted or await client.get()
        if other := await self._standings.identify(host, agent.agent_id):
            return Synced(volumes=0, duplicate_of=other)
        telling = _Telling(self._standings.point(host))
        resync = None
        async with aclosing(client.inventory.watch_rows(resume=telling.resume())) as batches:
            async for batch in batches:
                resync = batch.resync or resync
                telling.apply(batch)
                if batch.bookmark is not None:
                    break
        staged = telling.staged
        if staged.bookmark is None:
            raise Unavailable("the agent ended its answer before it was whole", reason="UNREACHABLE", host=host)
        if staged.bookmark.revision.epoch != agent.revision.epoch:
            # It was started since, or is another one by now: whose word that is was not asked.
            if greeted is not None:
                return await self.once(client)
            raise Unavailable("the agent was started anew while it told", reason="UNREACHABLE", host=host)
        await self._commit(host, telling)
        return Synced(volumes=staged.volumes, resync=resync, from_nothing=staged.from_nothing)

    async def follow(self, client: AgentClient) -> None:
        """Store what a host tells, over interruptions, until cancelled, or given up."""
        host = _name(client)
        try:
            while True:
                await self._follow_agent(client, host)
        except (PoolfleetError, Unstorable) as error:
            await self.not_heard(host, HostStatus.FAILED, str(error))
            self._observer.given_up(host, error)

    async def not_heard(self, host: str, status: HostStatus, error: str) -> None:
        """Note that a host does not answer, or not well."""
        await self._writer.submit(partial(self._store.not_heard, host, str(status), error))

    async def duplicate(self, host: str) -> None:
        """Note that a host is an agent that another one tells of."""
        await self._standings.duplicate(host)

    async def index(self) -> None:
        """Make queries quick, after a first load."""
        await self._writer.alone(self._store.index)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is being stored ends well.
        await self._writer.close()

    async def _follow_agent(self, client: AgentClient, host: str) -> None:
        """Follow the agent that answers now; ends where another one answers in its place."""

        def lost(error: PoolfleetError) -> None:
            self._observer.interrupted(host, error)
            unreachable = partial(self._store.not_heard, host, str(HostStatus.UNREACHABLE), str(error))
            telling.note(self._writer.submit(unreachable))

        async def greeted() -> Agent:
            agent: Agent = await reconnecting(lost=lost)(client.get)
            return agent

        telling = _Telling(None)
        agent = await greeted()
        leaving = self._standings.next_leaving()
        if await self._standings.identify(host, agent.agent_id):
            await self.duplicate(host)
            await leaving.wait()  # the other entry has it all, as long as it is this agent
            return
        telling.point = self._standings.point(host)
        turn = _Turn(self._first)
        await turn.begin()
        try:
            async with aclosing(client.inventory.follow_rows(telling, heartbeat_s=_HEARTBEAT_S, lost=lost)) as batches:
                async for batch in batches:
                    anew = batch.resync is ResyncReason.OTHER_EPOCH
                    if anew and (await greeted()).agent_id != agent.agent_id:
                        return
                    if batch.bookmark is not None:
                        await self._commit(host, telling)
                        turn.end()
        finally:
            turn.end()

    async def _commit(self, host: str, telling: _Telling) -> None:
        staged, telling.staged = telling.staged, Staged()
        await telling.noted()
        since = time.monotonic()
        telling.point = await self._writer.submit(partial(self._store.commit, host, staged))
        self._standings.got_to(host, telling.point)
        self._observer.committed(host, staged, time.monotonic() - since)


class _Turn:
    """A host's turn to tell its first state; it ends by itself where the host takes too long."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._limit: asyncio.TimerHandle | None = None

    async def begin(self) -> None:
        await self._places.acquire()
        self._limit = asyncio.get_running_loop().call_later(_FIRST_S, self.end)

    def end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
            self._places.release()


def _name(client: AgentClient) -> str:
    return client.name or client.target
