"""A real host is brought into a store, once and for as long as it tells; what does not answer is told, and not lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from poolfleet import PoolSpec, ResyncReason, Synced, VolumeSpec
from poolfleet.aio import AgentClient, Fleet
from poolfleet.fleet.hosts import Host
from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.port import InventoryStore, StoreError, Unstorable
from poolfleet.inventory.store.staged import Staged
from poolfleet.types.errors import PoolfleetError
from scripts.embedded.host import EmbeddedHost
from tests.integration.store.telling import names, read

MIB = 1 << 20
LIMIT_S = 60.0


@pytest.fixture
async def client(host: EmbeddedHost) -> AsyncIterator[AgentClient]:
    async with AgentClient(host.agent.target) as client:
        await client.pools.ensure(PoolSpec.dir("a", target=str(host.pools_dir / "a")))
        await client.volumes.create("a", VolumeSpec("v.qcow2", capacity_bytes=MIB, format="qcow2"))
        yield client


@pytest.fixture
async def fleet(host: EmbeddedHost) -> AsyncIterator[Fleet]:
    async with Fleet([Host(name="kvm1", target=host.agent.target)]) as fleet:
        yield fleet


async def synced(fleet: Fleet, store: InventoryStore) -> Synced:
    [outcome] = (await fleet.sync_inventory(store)).values()
    assert outcome.value is not None, outcome.error
    return outcome.value


async def settled(host: EmbeddedHost, client: AgentClient, fleet: Fleet, store: InventoryStore) -> None:
    """Store the host when its files occupy what they will: a file system may decide that after they are written."""
    for file in (host.pools_dir / "a").iterdir():
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    await client.pools.refresh("a")
    await synced(fleet, store)


async def test_all_of_a_host_is_stored_and_then_what_changes(
    host: EmbeddedHost, client: AgentClient, fleet: Fleet, store: InventoryStore
) -> None:
    assert await synced(fleet, store) == Synced(volumes=1, from_nothing=True)
    listed = await client.volumes.get("a", "v.qcow2")
    stored = read(
        store,
        "SELECT p.name, path, p.host, format, type, capacity_bytes, allocation_bytes, modified_at_s FROM volumes"
        " JOIN volume_places p ON p.storage = volumes.storage AND p.name = volumes.name",
    )
    assert listed.modified_at is not None
    assert stored == [
        (
            "v.qcow2", listed.path, "kvm1", "qcow2", "file", MIB, listed.allocation_bytes,
            pytest.approx(listed.modified_at.timestamp()),
        )
    ]  # fmt: skip
    await settled(host, client, fleet, store)
    await client.volumes.create("a", VolumeSpec("w", capacity_bytes=MIB))
    assert await synced(fleet, store) == Synced(volumes=1)
    assert names(store) == ["v.qcow2", "w"]
    await settled(host, client, fleet, store)
    await client.volumes.delete("a", "v.qcow2")
    assert await synced(fleet, store) == Synced(volumes=1)
    assert names(store) == ["w"]
    assert await synced(fleet, store) == Synced(volumes=0)


async def test_a_restarted_agent_tells_only_what_differs(
    host: EmbeddedHost, client: AgentClient, fleet: Fleet, store: InventoryStore
) -> None:
    await settled(host, client, fleet, store)
    host.agent.stop()
    host.agent.start()
    await asyncio.to_thread(host.agent.wait_looked)
    assert await synced(fleet, store) == Synced(volumes=0, resync=ResyncReason.OTHER_EPOCH)
    (host.pools_dir / "a" / "more").write_bytes(b"x" * 4096)
    await client.pools.refresh("a")
    assert (await synced(fleet, store)).resync is None
    assert names(store) == ["more", "v.qcow2"]


async def test_another_agent_at_a_place_that_was_greeted_before_is_asked_who_it_is(
    host: EmbeddedHost, client: AgentClient, fleet: Fleet, store: InventoryStore
) -> None:
    await synced(fleet, store)
    before = (await client.get()).agent_id
    host.agent.stop()
    shutil.rmtree(host.agent.state_dir)
    host.agent.start()
    host.agent.wait_loaded()
    assert await synced(fleet, store) == Synced(volumes=1, from_nothing=True)
    [(stored,)] = read(store, "SELECT agent_id FROM host")
    assert stored == (await client.get()).agent_id
    assert stored != before


async def test_a_host_that_does_not_answer_keeps_what_is_stored_and_is_told(
    host: EmbeddedHost, client: AgentClient, fleet: Fleet, store: InventoryStore
) -> None:
    await synced(fleet, store)
    host.agent.stop()
    [outcome] = (await fleet.sync_inventory(store, timeout_s=5)).values()
    assert outcome.error is not None
    assert names(store) == ["v.qcow2"]
    [(status, error)] = read(store, "SELECT status, error FROM host")
    assert status == "unreachable"
    assert error


class Heard:
    """What a follower tells. Implements Observer."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def forgot(self, hosts: Sequence[str]) -> None:
        pass

    def committed(self, host: str, staged: Staged, duration_s: float) -> None:
        pass

    def interrupted(self, host: str, error: PoolfleetError) -> None:
        self.lost.set()

    def given_up(self, host: str, error: PoolfleetError | Unstorable) -> None:
        raise AssertionError(f"{host} was given up: {error}")


@asynccontextmanager
async def following(fleet: Fleet, store: InventoryStore) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(fleet.follow_inventory(store, heard))
    try:
        yield heard
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.05)


async def test_a_followed_host_is_stored_as_it_changes_also_after_it_was_away(
    host: EmbeddedHost, client: AgentClient, fleet: Fleet, store: InventoryStore
) -> None:
    async with following(fleet, store) as heard:
        await until(lambda: names(store) == ["v.qcow2"])
        await client.volumes.create("a", VolumeSpec("w", capacity_bytes=MIB))
        await until(lambda: names(store) == ["v.qcow2", "w"])
        host.agent.stop()
        async with asyncio.timeout(LIMIT_S):
            await heard.lost.wait()
        await until(lambda: read(store, "SELECT status FROM host") == [("unreachable",)])
        (host.pools_dir / "a" / "w").unlink()
        host.agent.start()
        await until(lambda: names(store) == ["v.qcow2"])
        await until(lambda: read(store, "SELECT status FROM host") == [("ok",)])


async def test_two_entries_of_one_agent_are_stored_once(
    host: EmbeddedHost, client: AgentClient, store: InventoryStore
) -> None:
    same = [Host(name=name, target=host.agent.target) for name in ("one", "two")]
    async with Fleet(same) as fleet:
        outcomes = await fleet.sync_inventory(store, parallel=1)
    told = {name: one.value.duplicate_of for name, one in outcomes.items() if one.value}
    assert told in ({"one": "", "two": "one"}, {"one": "two", "two": ""}), "who answers first tells"
    assert names(store) == ["v.qcow2"]
    assert read(store, "SELECT status FROM host ORDER BY status") == [("duplicate",), ("ok",)]


async def test_a_fault_of_the_store_ends_it(
    client: AgentClient, fleet: Fleet, store: InventoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(host: str, staged: Staged) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "commit", full)
    with pytest.raises(StoreError, match="full"):
        await fleet.sync_inventory(store)
    with pytest.raises(StoreError, match="full"):
        async with asyncio.timeout(LIMIT_S):
            await fleet.follow_inventory(store)


def test_the_command_line_stores_a_fleet(host: EmbeddedHost, host_folder: Path, client: AgentClient) -> None:
    file, kept = host_folder / "fleet.toml", host_folder / "data" / "inventory.db"
    file.write_text(
        f'[[host]]\nname = "kvm1"\ntarget = "{host.agent.target}"\n[[host]]\nname = "kvm2"\ntarget = "127.0.0.1:1"\n'
    )
    done = poolfleet("inventory", "sync", "--fleet", str(file), "--store", f"sqlite:///{kept}", "--timeout", "10s")
    assert done.returncode == 0, done.stderr
    assert "1 host stored" in done.stdout
    assert "kvm2" in done.stderr
    assert kept.stat().st_mode & 0o777 == 0o600
    store = open_store(f"sqlite:///{kept}")
    assert names(store) == ["v.qcow2"]
    store.claim()
    again = poolfleet("inventory", "sync", "--fleet", str(file), "--store", f"sqlite:///{kept}")
    assert again.returncode == 1
    assert "another" in again.stderr
    store.close()


def poolfleet(*words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("poolfleet"))
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=LIMIT_S)


@pytest.mark.parametrize("address", ["mysql://x/y", "sqlite://", "nonsense", "sqlite:///a?mode=rw"])
def test_what_is_no_store_is_refused(address: str) -> None:
    with pytest.raises(StoreError, match="a store is"):
        open_store(address)
