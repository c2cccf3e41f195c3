"""Asks hosts what a change has to know before it is made, beside the calls of the fleet themselves.

Its places are its own: a change is a call too, and would otherwise wait for a place that it holds itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from poolfleet.fleet.look import Look, seen
from poolfleet.fleet.members import Member
from poolfleet.fleet.result import FleetResult
from poolfleet.fleet.run import Call, Pace, Places, Run
from poolfleet.inventory.identity import Joined, join
from poolfleet.inventory.seen import HostSeen, PoolSeen
from poolfleet.types.agent import Agent
from poolfleet.types.errors import PoolfleetError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What hosts answered, and the storages that it comes to."""

    hosts: tuple[HostSeen, ...]
    storages: tuple[Joined, ...]
    agents: Mapping[str, Agent]
    """Of the hosts that answered."""

    @property
    def error(self) -> PoolfleetError | None:
        """That of the first host that told nothing; None: there is none."""
        return next((host.error for host in self.hosts if host.error is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The hosts that can be asked."""

    members: Mapping[str, Member]
    places: Places

    async def each(self, call: Call[T], hosts: Collection[str] | None = None) -> FleetResult[T]:
        """The outcome of a call on each of these hosts; None: on all."""
        members = [member for name, member in self.members.items() if hosts is None or name in hosts]
        return await Run(members=members, call=call, pace=Pace(), places=self.places, slots=Member.looks).outcome()

    async def told(self, call: Call[Look], hosts: Collection[str] | None = None) -> Told:
        """What these hosts tell of themselves."""
        result = await self.each(call, hosts)
        told = tuple(seen(result, {name: member.host.site for name, member in self.members.items()}))
        agents = {host: look.agent for host, look in result.answers() if look.agent is not None}
        return Told(hosts=told, storages=tuple(join(_pools(told))), agents=agents)


def _pools(hosts: tuple[HostSeen, ...]) -> Iterator[PoolSeen]:
    for host in hosts:
        for pool in host.pools:
            yield PoolSeen(host=host, pool=pool)
