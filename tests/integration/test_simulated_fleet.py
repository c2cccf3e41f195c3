"""A simulated fleet: the client lists and watches what was generated, and all of it ends with its program."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from poolfleet import DiskRole, InventoryBatch, PoolSpec, Unsupported, Volume, WatchedInventory
from poolfleet.aio import AgentClient, Fleet
from poolfleet_agent.model.volume import VolumeFacts
from poolfleet_agent.services.convert.encoder import MessageEncoder
from scripts.benchmarks.memory import family
from scripts.embedded.process import wait_until
from scripts.simulated_fleet.contents import Contents
from scripts.simulated_fleet.fleet import SimulatedFleet
from scripts.simulated_fleet.shape import Shape

ROOT = Path(__file__).parents[2]
SHAPE = Shape(hosts=5, volumes=20, shared=0.3, guests=2)
LIMIT_S = 60.0

Volumes = Mapping[tuple[str, str], tuple[object, ...]]


@pytest.fixture(params=["unix", "tls"])
def fleet(request: pytest.FixtureRequest, host_folder: Path) -> Iterator[SimulatedFleet]:
    with SimulatedFleet(host_folder / "fleet", SHAPE, transport=request.param) as fleet:
        yield fleet


def generated(host: int, steps: int = 0, share: float = 0.0) -> Volumes:
    """What a host has, made here once more."""
    found: dict[tuple[str, str], tuple[object, ...]] = {}
    for plan in SHAPE.storages(host):
        contents = Contents(plan, SHAPE.seed, MessageEncoder())
        for step in range(1, steps + 1):
            contents.change(step, share)
        found |= {(plan.pool, name): _facts(one.facts, one.etag) for name, one in contents.records.items()}
    return found


def _facts(facts: VolumeFacts, etag: str) -> tuple[object, ...]:
    backing = facts.backing_store and (facts.backing_store.path, facts.backing_store.format)
    sizes = facts.capacity_bytes, facts.allocation_bytes
    return facts.path, facts.key, facts.format, *sizes, backing, facts.modified_at_s, etag


def told(volume: Volume) -> tuple[object, ...]:
    backing = volume.backing_store and (volume.backing_store.path, volume.backing_store.format)
    sizes = volume.capacity_bytes, volume.allocation_bytes
    modified_at_s = volume.modified_at and volume.modified_at.timestamp()
    return volume.path, volume.key, volume.format, *sizes, backing, modified_at_s, volume.etag


def all_told(state: WatchedInventory) -> Volumes:
    return {
        (state.pools[pool].name, name): told(volume)
        for pool, volumes in state.volumes.items()
        for name, volume in volumes.items()
    }


@asynccontextmanager
async def watched(client: AgentClient) -> AsyncIterator[tuple[WatchedInventory, AsyncIterator[InventoryBatch]]]:
    """A host's state up to its first bookmark, and what comes then."""
    state = WatchedInventory()
    async with asyncio.timeout(LIMIT_S), aclosing(client.inventory.watch()) as batches:
        async for batch in batches:
            if state.apply(batch):
                break
        yield state, batches


async def test_each_host_lists_and_tells_what_was_generated(fleet: SimulatedFleet) -> None:
    async with Fleet.from_file(fleet.file) as hosts:
        for number, name in enumerate(SHAPE.host_names):
            client = hosts.client(name)
            volumes = {(one.pool, one.name): told(one) for one in (await client.volumes.read_all()).volumes}
            assert len(volumes) == SHAPE.volumes
            assert volumes == generated(number)
            async with watched(client) as (state, _):
                assert all_told(state) == generated(number)
            assert (await client.get()).host_name == name


async def test_the_fleet_is_one_complete_inventory_with_each_volume_of_a_share_once(fleet: SimulatedFleet) -> None:
    async with Fleet.from_file(fleet.file) as hosts:
        inventory = await hosts.inventory()
    assert inventory.complete
    assert len(inventory.volumes) == SHAPE.different_volumes < SHAPE.hosts * SHAPE.volumes
    assert not [storage for storage in inventory.storages if storage.identity_conflict]
    assert max(len(volume.hosts) for volume in inventory.volumes) == SHAPE.hosts
    assert any(user.role is DiskRole.BACKING for volume in inventory.volumes for user in volume.used_by)


async def test_changes_reach_watchers_and_are_the_same_in_each_process(fleet: SimulatedFleet) -> None:
    first, last = 0, SHAPE.hosts - 1  # served by different processes
    async with Fleet.from_file(fleet.file) as hosts:
        async with watched(hosts.client(SHAPE.host_name(first))) as (state, batches):
            assert fleet.change(0.3) > 0
            wanted = generated(first, steps=1, share=0.3)
            assert wanted != generated(first)
            while all_told(state) != wanted:
                state.apply(await anext(batches))
        assert fleet.change(0.3) > 0
        for number in (first, last):
            listed = await hosts.client(SHAPE.host_name(number)).volumes.read_all()
            assert {(one.pool, one.name): told(one) for one in listed.volumes} == generated(number, 2, 0.3)


async def test_what_changes_something_is_not_served(fleet: SimulatedFleet) -> None:
    async with Fleet.from_file(fleet.file) as hosts:
        with pytest.raises(Unsupported):
            await hosts.client("host1").pools.define(PoolSpec.dir("p", target="/srv/p"))


@pytest.fixture
def program(host_folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [
        str(ROOT / "scripts/simfleet"),
        "--hosts=3",
        "--volumes=20",
        "--churn=1",
        f"--dir={host_folder / 'fleet'}",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("3 hosts with 60 volumes, ")
        assert process.stdout.readline() == f"POOLFLEET_FLEET={host_folder / 'fleet/fleet.toml'}\n"
        yield process
        process.kill()


def test_the_program_ends_at_once_with_all_that_it_made(program: subprocess.Popen[str], host_folder: Path) -> None:
    processes = family(program.pid)
    assert len(processes) > 1
    program.send_signal(signal.SIGTERM)
    assert program.wait(LIMIT_S) == 128 + signal.SIGTERM
    assert not any(map(_runs, processes))
    assert not list((host_folder / "fleet").iterdir())


def test_its_processes_end_even_where_it_is_killed(program: subprocess.Popen[str]) -> None:
    processes = family(program.pid)
    program.kill()
    program.wait(LIMIT_S)
    wait_until(lambda: not any(map(_runs, processes)), limit_s=LIMIT_S, what="all processes are gone")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
