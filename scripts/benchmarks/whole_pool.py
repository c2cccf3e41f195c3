"""Lists a pool of many volumes in every way, one after the other, round by round.

`warm` is the agent's snapshot, and `warm_every_field` the same with each field of each volume read. For
`one_percent_changed` and `cold` the agent looks anew, after one file in a hundred, or each, was changed, so that it is
opened again. What libvirt takes does not depend on that: it stands beside each case.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from pathlib import Path

import libvirt

from poolfleet import Volume
from poolfleet.aio import AgentClient
from scripts.benchmarks.figures import Figures
from scripts.benchmarks.memory import LOOK_LIMIT_S, POOL
from scripts.benchmarks.reads import Virsh
from scripts.benchmarks.report import Result, say
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import NotReadyError

CASES = ("cold", "warm", "warm_every_field", "one_percent_changed")
PEERS = ("libvirt-python", "virsh")
EVERY_FIELD = [field.name for field in fields(Volume)]
SETTLES_IN_S = 2.5
"""A file that was changed later than that before a look is opened again at the next one."""


async def timings(host: EmbeddedHost, rounds: int) -> list[Result]:
    """List the pool of the memory's case so often each way."""
    files = sorted((host.pools_dir / POOL).iterdir())
    virsh = Virsh(host, f"vol-list {POOL} --details")
    figures = {name: Figures(case=name, system="poolfleet", metric="time", unit="s") for name in CASES}
    peers = {name: Figures(case="", system=name, metric="time", unit="s") for name in PEERS}
    every_field_of = attrgetter(*EVERY_FIELD)
    connection = libvirt.open(host.libvirtd.uri)
    try:
        async with AgentClient(host.agent.target, timeout_s=LOOK_LIMIT_S) as agent:

            async def by_libvirt() -> None:
                read_all(connection)

            async def by_virsh() -> None:
                virsh()

            async def as_known() -> None:
                check(len((await agent.volumes.read_all(POOL)).volumes), len(files))

            async def with_every_field() -> None:
                listed = await agent.volumes.read_all(POOL)
                check(sum(len(every_field_of(volume)) == len(EVERY_FIELD) for volume in listed.volumes), len(files))

            async def anew() -> None:
                check(len((await agent.volumes.read_all(POOL, max_staleness_s=0)).volumes), len(files))

            for number in range(rounds):
                say(f"list: round {number + 1} of {rounds}, {len(files)} volumes")
                await peers["libvirt-python"].time(by_libvirt)
                await peers["virsh"].time(by_virsh)
                await asyncio.sleep(SETTLES_IN_S)
                await anew()
                await figures["warm"].time(as_known)
                await figures["warm_every_field"].time(with_every_field)
                change(files[::100])
                await figures["one_percent_changed"].time(anew)
                change(files)
                await figures["cold"].time(anew)
    finally:
        connection.close()
    return [
        Result.of(case, one.system, one.metric, one.unit, one.values)
        for case in CASES
        for one in (figures[case], *peers.values())
    ]


def read_all(connection: libvirt.virConnect) -> None:
    """Read with libvirt-python what a listing tells of each volume."""
    for volume in connection.storagePoolLookupByName(POOL).listAllVolumes():
        volume.info()
        volume.XMLDesc(0)


def change(files: Sequence[Path]) -> None:
    """Let files look written to."""
    for file in files:
        os.utime(file)


def check(listed: int, there: int) -> None:
    """A listing that is not whole measures nothing."""
    if listed != there:
        raise NotReadyError(f"{listed} of {there} volumes were listed")
