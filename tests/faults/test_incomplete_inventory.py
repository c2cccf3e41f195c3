"""A host is down, a share silent, an agent a release older, a name not UTF-8: the inventory answers all the same, says
what is missing and how old the rest is, and calls nothing there an orphan or unmanaged. The share needs root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from poolfleet import Host, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient, Fleet
from poolfleet.inventory.model import Inventory
from poolfleet.inventory.store.addresses import open_store
from poolfleet.inventory.store.completeness import completeness
from poolfleet.inventory.store.port import InventoryStore
from poolfleet.inventory.store.queries import QUERIES
from poolfleet.types.pool import HealthStatus
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.faults.far_pool import FarPool, far_pool
from tests.raw_agent import eventually
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.stub_agent import Refusal

# One loop for all: the fixture's agents and connections live in it.
pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT_S = 60.0
MIB = 1 << 20

if os.geteuid() == 0:

    @dataclass(frozen=True, kw_only=True)
    class Faulty:
        """Hosts `sound`, `odd` (a name that is not UTF-8), `silent` (its share), `down`, `older`, and their fleet."""

        fleet: Fleet
        far: FarPool
        hosts: dict[str, EmbeddedHost]
        silent_since: datetime

    @pytest.fixture(scope="module")
    def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InventoryStore]:
        kept = open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/inventory.db")
        yield kept
        kept.close()

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def faulty(short_dir: Path, libvirtd: EmbeddedLibvirtd, store: InventoryStore) -> AsyncIterator[Faulty]:
        """The store knows all that could tell while all was well."""
        async with AsyncExitStack() as ends:
            folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=short_dir, prefix="f")))
            far = await ends.enter_async_context(far_pool(short_dir))
            older = await ends.enter_async_context(LivingAgent("older"))
            older.has_pool("vm")
            older.has_volume("vm", "v")
            # It has not heard of them yet.
            unheard = Refusal(grpc.StatusCode.UNIMPLEMENTED, "", "Method not found!")
            older.on("ListDomainDisks", unheard)
            older.on("WatchInventory", [unheard])
            hosts = {}
            for name in ("sound", "odd", "down"):
                hosts[name] = EmbeddedHost(name, folder)
                hosts[name].libvirtd.learn_emulators_from(libvirtd)
                ends.enter_context(hosts[name])
                async with AgentClient(hosts[name].agent.target) as client:
                    await client.pools.ensure(PoolSpec.dir("vm", target=str(hosts[name].pools_dir / "vm")))
                    await client.volumes.create("vm", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
            async with AgentClient(hosts["odd"].agent.target) as client:
                Path(os.fsdecode(os.fsencode(hosts["odd"].pools_dir / "vm") + b"/caf\xe9.raw")).touch()
                await client.pools.refresh("vm")
            targets = {
                "silent": far.host.agent.target,
                "older": older.target,
                **{name: host.agent.target for name, host in hosts.items()},
            }
            fleet = Fleet([Host(name=name, target=target, timeout_s=20) for name, target in targets.items()])
            await ends.enter_async_context(fleet)
            await fleet.sync_inventory(store)
            far.share.silence()
            await far.until(HealthStatus.UNRESPONSIVE)
            hosts["down"].agent.stop()
            yield Faulty(fleet=fleet, far=far, hosts=hosts, silent_since=datetime.now(UTC))
            far.share.heal()

    def missing_of(host: str, lines: tuple[str, ...]) -> list[str]:
        return [line for line in lines if line.startswith(f"{host}: ")]

    async def test_the_inventory_answers_and_says_exactly_what_is_missing_and_how_old_each_part_is(
        faulty: Faulty,
    ) -> None:
        inventory = await faulty.fleet.inventory()
        assert {(volume.name, tuple(place.host for place in volume.hosts)) for volume in inventory.volumes} == {
            ("v", ("sound",)),
            ("v", ("odd",)),
            ("v", ("silent",)),
            ("v", ("older",)),
        }
        assert not inventory.complete
        told = {name: missing_of(name, inventory.missing) for name in ("sound", "odd", "silent", "down", "older")}
        assert sum(map(len, told.values())) == len(inventory.missing)
        assert told["sound"] == []
        assert told["odd"] == ["odd: 1 files of vm cannot be addressed"]
        assert any("the volumes of far could not be read" in line for line in told["silent"])
        assert [line.split(": ")[1] for line in told["down"]] == ["unreachable"]
        assert [line.split(": ")[1] for line in told["older"]] == ["failed"]
        ages = {host.name: host.age_s for host in inventory.hosts}
        assert ages["down"] is None
        assert all(ages[name] is not None for name in ("sound", "odd", "silent", "older"))
        [far] = [storage for storage in inventory.storages if storage.pools[0].host == "silent"]
        assert far.as_of
        assert far.as_of < faulty.silent_since
        assert far.age_s is not None
        document = inventory.to_dict()
        assert document["missing"] == list(inventory.missing)

    def orphans(store: InventoryStore) -> list[tuple[int, str, str]]:
        with store.query(QUERIES["orphans"].sql) as found:
            return [(row[0], row[1], row[2]) for row in found.rows]  # type: ignore[misc]

    async def test_the_store_calls_nothing_there_an_orphan(faulty: Faulty, store: InventoryStore) -> None:
        result = await faulty.fleet.sync_inventory(store)
        assert {name for name, outcome in result.items() if outcome.error} == {"down", "older"}
        known = completeness(store, max_age_s=3600)
        reasons = {storage: known.of(key) for key, storage, _ in orphans(store)}
        assert len(reasons) == 4, "of sound, odd, silent and down"
        # Where the older agent has pools nobody knows: it may be anywhere.
        assert all(any("older was never heard of" in line for line in lines) for lines in reasons.values())
        told = "\n".join(line for lines in reasons.values() for line in lines)
        for words in ("down: unreachable", "the volumes of far could not be read", "1 files of vm have names"):
            assert words in told

    async def test_nothing_is_called_unmanaged_and_why_not_is_told(faulty: Faulty) -> None:
        image = faulty.hosts["sound"].root / "beside.img"
        image.touch()
        define_guest(faulty.hosts["sound"], image)

        found: list[Inventory] = []

        async def told() -> bool:
            found[:] = [await faulty.fleet.inventory()]
            return bool(found[0].unmanaged)

        await eventually(told, limit_s=LIMIT_S, what="the guest's disk is told")
        [disk] = found[0].unmanaged
        assert (disk.host, disk.path) == ("sound", str(image))
        doubts = "\n".join(disk.doubts)
        for words in ("down: unreachable", "older: failed", "far could not be read"):
            assert words in doubts
        assert "odd: " not in doubts, "its own disk is nobody else's"

    def define_guest(host: EmbeddedHost, image: Path) -> None:
        definition = host.root / "guest.xml"
        definition.write_text(
            f"<domain type='qemu'><name>guest</name><memory unit='MiB'>64</memory>"
            f"<os><type arch='{os.uname().machine}'>hvm</type></os><devices><disk type='file'>"
            f"<source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
        )
        virsh = ["virsh", "--connect", host.libvirtd.uri, "define", str(definition)]
        subprocess.run(host.libvirtd.surroundings.command(virsh), check=True, timeout=LIMIT_S, capture_output=True)
