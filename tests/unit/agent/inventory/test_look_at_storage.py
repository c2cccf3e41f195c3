"""Looks at what pools lie on: nobody waits for them, and no pool is told another's storage."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.pool import HealthStatus, PoolState
from poolfleet_agent.model.ports import FileSystemFacts
from poolfleet_agent.model.storage import share_filesystem_id
from tests.unit.agent.fake_host import FakeHost, pool_facts

SOON_S = 30.0


def file_systems(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """From here on file systems are found; the events are set when one is asked for, and to let it be found."""
    looked_at, held = asyncio.Event(), asyncio.Event()

    async def file_system(path: str, **_: object) -> FileSystemFacts:
        looked_at.set()
        await held.wait()
        return FileSystemFacts(id=f"on {path}", capacity_bytes=1, available_bytes=1, read_only=False)

    monkeypatch.setattr(host.files, "file_system", file_system)
    return looked_at, held


async def being_looked_at(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> tuple[asyncio.Task[PoolEntry], asyncio.Event]:
    """A look that stands where the storage is found out about, until the event is set."""
    looked_at, held = file_systems(host, monkeypatch)
    looking = asyncio.create_task(host.looker.pool("p"))
    async with asyncio.timeout(SOON_S):
        await looked_at.wait()
    return looking, held


async def test_what_is_found_out_of_a_storage_delays_no_look_at_its_pool_and_is_told_then(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, held = await being_looked_at(host, monkeypatch)
    async with asyncio.timeout(SOON_S):
        assert (await host.looker.pool_facts("p")).pool.filesystem_id == ""
    held.set()
    assert (await looking).pool.filesystem_id == "on /pools/p"
    assert host.registry.snapshot.pools["p"].pool.filesystem_id == "on /pools/p"


async def test_what_is_found_out_of_a_storage_is_not_told_of_a_pool_that_lies_elsewhere_by_then(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, held = await being_looked_at(host, monkeypatch)
    was = host.hypervisor.pools["p"]
    host.hypervisor.pools["p"] = replace(was, definition=replace(was.definition, target_path="/pools/elsewhere"))
    held.set()
    assert (await looking).pool.filesystem_id == "on /pools/elsewhere"


async def test_a_share_that_is_mounted_while_its_storage_is_looked_at_is_what_is_told(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, held = await being_looked_at(host, monkeypatch)
    mount = host.watch.mount("/pools/p", "nfs1:/export")
    held.set()
    assert (await looking).pool.filesystem_id == share_filesystem_id(mount, host.looker.agent_id)


async def test_a_look_at_another_pool_of_that_name_alone_tells_no_storage_of_the_one_before(
    host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, held = file_systems(host, monkeypatch)
    held.set()
    assert (await host.looker.pool("p")).pool.filesystem_id == "on /pools/p"
    assert (await host.looker.pool_facts("p")).pool.filesystem_id == "on /pools/p"
    host.hypervisor.pools["p"] = pool_facts("p", uuid="another", target="/pools/elsewhere")
    assert (await host.looker.pool_facts("p")).pool.filesystem_id == ""


async def test_a_share_that_does_not_answer_is_asked_for_nothing_before_its_pool_is(host: Any) -> None:
    host.watch.mount("/pools/p", "nfs1:/export")
    await host.looker.pool("p")
    asked: list[str] = []

    async def resolved(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ()

    host.watch.become("/pools/p", HealthStatus.UNRESPONSIVE)
    host.pool_mounts.addresses = resolved
    host.clock.time_s += 3600.0  # what names meant is to be asked again
    assert (await host.looker.pool("p")).pool.quarantined
    assert not asked


def stopped(entry: PoolEntry) -> PoolEntry:
    state = PoolState.INACTIVE
    return replace(entry, pool=replace(entry.pool, facts=replace(entry.pool.facts, state=state)))


def restored(entry: PoolEntry) -> PoolEntry:
    return replace(entry, looked_at_s=-math.inf)


def silent(entry: PoolEntry) -> PoolEntry:
    health = replace(entry.pool.health, status=HealthStatus.UNRESPONSIVE)  # type: ignore[type-var]
    return replace(entry, pool=replace(entry.pool, health=health))


@pytest.mark.parametrize("was", [stopped, restored, silent])
async def test_a_pool_that_may_lie_elsewhere_is_not_told_before_its_storage_is_found(
    host: Any, monkeypatch: pytest.MonkeyPatch, was: Callable[[PoolEntry], PoolEntry]
) -> None:
    before = was(host.registry.snapshot.pools["p"])
    host.registry.put(before)
    looking, held = await being_looked_at(host, monkeypatch)
    assert host.registry.snapshot.pools["p"] is before
    held.set()
    assert (await looking).pool.filesystem_id == "on /pools/p"
