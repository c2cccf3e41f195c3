"""`inventory -w` of a real host: the table changes as the host does, and goes on over its agent's absence."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet import PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from scripts.embedded.host import EmbeddedHost
from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.person import Person

MIB = 1 << 20


@pytest.fixture
def person() -> Iterator[Person]:
    at_it = Person()
    yield at_it
    at_it.leaves()


async def test_a_person_sees_what_changes_until_ctrl_c(host: EmbeddedHost, fleet: Path, person: Person) -> None:
    async with AgentClient(host.agent.target) as agent:
        await agent.pools.ensure(PoolSpec.dir("vm", target=str(host.pools_dir / "vm")))
        process = await person.starts(Terminal(POOLFLEET_FLEET=str(fleet)), "inventory", "-w")
        await person.reads(lambda seen: "complete: 1 host, 1 storage, 0 volumes" in seen)
        await agent.volumes.create("vm", VolumeSpec("a", capacity_bytes=MIB, allocation_bytes=0))
        await person.reads(lambda seen: "1 storage, 1 volume" in seen)
    await asyncio.to_thread(host.agent.kill9)
    await person.reads(lambda seen: "INCOMPLETE: 0 of 1 host, 1 storage, 1 volume" in seen)
    await person.reads(lambda seen: "missing: kvm1: unreachable: " in seen)
    person.seen = ""
    await asyncio.to_thread(host.agent.start)
    await person.reads(lambda seen: "complete: 1 host, 1 storage, 1 volume" in seen)
    process.send_signal(signal.SIGINT)
    assert await person.sees_the_end() == 130
    assert "Traceback" not in person.seen
    assert person.seen.rstrip("\r\n").endswith("\x1b[?25h"), "the cursor is there again"
