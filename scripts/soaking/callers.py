"""The callers: each asks for one change after the other, and once in a while as careless callers do.

They send a request twice at once, send an old one again, let somebody else ask for the same, go away before the end, or
cancel. Whatever they are told is noted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from poolfleet import Operation, PoolfleetError
from poolfleet.aio import AgentClient
from scripts.soaking.changes import Choices
from scripts.soaking.told import Asked, Told

ENDED_WITHIN_S = 40.0
"""How long a caller waits for the end of an operation; who waits longer finds it in the reckoning."""
_READ_WITHIN_S = 5.0


@dataclass
class Caller:
    """One of them, with a connection of its own."""

    target: str
    choices: Choices
    told: Told
    random: Random

    async def run(self, until: asyncio.Event) -> None:
        """Call until it is time to end."""
        async with AgentClient(self.target) as agent:
            while not until.is_set():
                await self._act(agent)

    async def _act(self, agent: AgentClient) -> None:
        how = self.random.choices(
            ("once", "twice", "same", "again", "leave", "cancel", "read"), (50, 8, 8, 6, 5, 4, 19)
        )[0]
        if how == "read":
            await self._read(agent)
        elif how == "again" and self.told.asked:
            await self._ask(agent, self.random.choice(list(self.told.asked.values())))
        else:
            asked = [self.told.begin(self.choices.next())]
            if how == "twice":
                asked *= 2
            elif how == "same":
                asked.append(self.told.begin(asked[0].change))
            await asyncio.gather(
                *(self._ask(agent, one, leave=how == "leave", cancel=how == "cancel") for one in asked)
            )

    async def _ask(self, agent: AgentClient, asked: Asked, *, leave: bool = False, cancel: bool = False) -> None:
        try:
            operation = await asked.send(agent)
            self.told.answered(asked, operation)
            if cancel and not operation.ended:
                await agent.operations.cancel(operation.id)
            if not operation.ended and not leave:
                self.told.answered(asked, await _ended(agent, operation))
        except PoolfleetError as error:
            self.told.refused(asked.change.kind, error)

    async def _read(self, agent: AgentClient) -> None:
        try:
            pool = self.random.choice(self.choices.filled).name
            max_staleness_s = self.random.choice((None, 0))
            await agent.volumes.read_all(pool, max_staleness_s=max_staleness_s, timeout_s=_READ_WITHIN_S)
        except PoolfleetError as error:
            self.told.refused("read", error)


async def _ended(agent: AgentClient, operation: Operation) -> Operation:
    """The operation when it has ended, over restarts of the agent too. Raises PoolfleetError."""
    try:
        return await agent.operations.wait(operation.id, timeout_s=ENDED_WITHIN_S)
    except PoolfleetError as error:
        if error.operation_id is None:
            raise
        return await agent.operations.get(operation.id)
