"""One host of a fleet as a fleet holds it: its connection, its circuit, its calls under way, and who answers there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.circuit import Circuit
from poolfleet.fleet.hosts import Host
from poolfleet.types.agent import Agent
from poolfleet.types.errors import PoolfleetError, Unavailable

_NOT_REACHED = frozenset({"UNREACHABLE", "DEADLINE"})


def is_unreachable(error: PoolfleetError) -> bool:
    """Whether an error says that the host gave no answer, other than: an answer that is an error."""
    return error.reason in _NOT_REACHED


class Member:
    """A host with all that selections of a fleet share of it. Belongs to one event loop."""

    def __init__(self, host: Host, *, per_host: int) -> None:
        self.host = host
        self.circuit = Circuit()
        self._calls = asyncio.Semaphore(per_host)
        self._looks = asyncio.Semaphore(per_host)
        self.agent: Agent | None = None
        """Who answered there last; None before the first answer, and again once the host was lost."""
        self._client: AgentClient | None = None

    def calls(self) -> asyncio.Semaphore:
        """Calls to this host at once, whichever selection they come from."""
        return self._calls

    def looks(self) -> asyncio.Semaphore:
        """Looks at this host that a call to some host needs: of their own, or the call would wait for itself."""
        return self._looks

    @property
    def client(self) -> AgentClient:
        """The one connection to the host, made when it is first asked for."""
        if self._client is None:
            host = self.host
            self._client = AgentClient(host.target, tls=host.tls, timeout_s=host.timeout_s, name=host.name)
        return self._client

    async def greet(self, timeout_s: float | None) -> None:
        """Learn who answers there, unless that is known: so a dead host is found out before it holds a place of others.

        Raises PoolfleetError where the host gives no answer within `timeout_s` (None: the host's own); an answer that
        is an error is one.
        """
        if self.agent is not None:
            return
        try:
            self.agent = await self.client.get(timeout_s=timeout_s)
        except PoolfleetError as error:
            if is_unreachable(error):
                raise

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """Ask the circuit before a call, and tell it what came of it. Raises Unavailable while the circuit is open."""
        if not self.circuit.admit():
            raise Unavailable(
                f"not asked again yet: {self.circuit.last_error}", reason="UNREACHABLE", host=self.host.name
            )
        try:
            yield
        except PoolfleetError as error:
            if is_unreachable(error):
                self.circuit.not_reached(error)
                self.agent = None
            else:
                self.circuit.reached()
            raise
        except BaseException:
            self.circuit.abandoned()
            raise
        else:
            self.circuit.reached()

    async def close(self) -> None:
        """Close the connection; a later call makes another."""
        client, self._client, self.agent = self._client, None, None
        if client is not None:
            await client.close()


def one_agent(members: Iterable[Member]) -> tuple[tuple[str, ...], ...]:
    """Names of hosts behind which the same agent answers, in groups of two and more."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for member in members:
        if member.agent and member.agent.agent_id:
            names[member.agent.agent_id].append(member.host.name)
    return tuple(tuple(group) for group in names.values() if len(group) > 1)
