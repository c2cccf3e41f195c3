"""One share that two hosts have by different ways and names is one storage, adopted or not; the share needs root."""

from __future__ import annotations

import os
import subprocess
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import AgentClient, Fleet, Host, PoolSpec, VolumeSpec
from poolfleet.inventory.model import Inventory
from poolfleet.types.pool import Storage, StorageIdSource
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.netfs_pool import netfs_pool
from tests.stored_state import stored_state

LIMIT_S = 60.0
NAMED_WITHIN_S = 150.0
MIB = 1024**2

if os.geteuid() == 0:

    @pytest.fixture
    def share(tmp_path: Path, short_dir: Path) -> Iterator[NetfsStandIn]:
        with NetfsStandIn(short_dir / f"nfs-{tmp_path.name[-12:]}", host="127.0.0.1") as running:
            yield running

    @pytest.fixture
    def one(short_dir: Path, share: NetfsStandIn) -> Iterator[EmbeddedHost]:
        with EmbeddedHost("one", short_dir, share=share) as running:
            yield running
            clear(running)

    @pytest.fixture
    def other(short_dir: Path, share: NetfsStandIn) -> Iterator[EmbeddedHost]:
        with EmbeddedHost("other", short_dir, share=share) as running:
            yield running
            clear(running)

    @pytest.fixture
    def fleet(one: EmbeddedHost, other: EmbeddedHost) -> Iterator[Fleet]:
        with Fleet([Host(name=host.name, target=host.agent.target) for host in (one, other)]) as fleet:
            yield fleet

    def clear(host: EmbeddedHost) -> None:
        with AgentClient(host.agent.target) as agent:
            for pool in agent.pools.list():
                agent.pools.stop(pool.name)
                agent.pools.undefine(pool.name)

    def start_netfs(host: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer) -> None:
        with AgentClient(host.agent.target) as agent:
            agent.pools.ensure(netfs_pool("vm_data", host, share, server))

    def mount_by_hand(host: EmbeddedHost, share: NetfsStandIn, name: str) -> Path:
        target = host.pools_dir / name
        target.mkdir()
        command = ["mount", "-t", "nfs", share.source, str(target)]
        subprocess.run(host.libvirtd.surroundings.command(command), check=True, timeout=60)
        return target

    def start_dir(host: EmbeddedHost, name: str, target: Path) -> None:
        with AgentClient(host.agent.target) as agent:
            agent.pools.ensure(PoolSpec.dir(name, target=str(target)))

    def storage(host: EmbeddedHost, pool: str = "vm_data") -> Storage:
        with AgentClient(host.agent.target) as agent:
            found = agent.pools.get(pool).storage
        assert found
        return found

    def places(inventory: Inventory) -> dict[str, list[tuple[str, str]]]:
        return {
            storage.storage_id: [(pool.host, pool.pool) for pool in storage.pools] for storage in inventory.storages
        }

    @pytest.mark.timeout(300)
    def test_a_share_is_one_storage_however_each_host_came_to_have_it(
        one: EmbeddedHost, other: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer, fleet: Fleet
    ) -> None:
        start_netfs(one, share, server)
        with AgentClient(one.agent.target) as agent:
            for name in "abc":
                agent.volumes.create("vm_data", VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0))
            agent.pools.refresh("vm_data")
        by_hand = mount_by_hand(other, share, "mounted")
        (by_hand / "below").mkdir()
        start_dir(other, "images", by_hand)
        with AgentClient(other.agent.target) as agent:
            target = str(other.pools_dir / "by_name")
            agent.pools.define(PoolSpec.netfs("by_name", host="LOCALHOST", path="/export/", target=target))
        wanted = {"nfs:127.0.0.1/export": [("one", "vm_data"), ("other", "by_name"), ("other", "images")]}
        # A resolver that was too busy to tell what the name means is asked again after a minute.
        wait_until(lambda: places(fleet.inventory()) == wanted, limit_s=NAMED_WITHIN_S, what="it is one storage")
        inventory = fleet.inventory()
        assert inventory.complete, inventory.missing
        [found] = inventory.storages
        assert "nfs:localhost/export" in found.aliases
        assert [(volume.name, len(volume.hosts)) for volume in inventory.volumes] == [("a", 2), ("b", 2), ("c", 2)]
        files = storage(one).fingerprint
        assert files
        assert [name for name, _ in files.files] == ["a", "b", "c"]
        assert storage(other, "images").fingerprint == files

    def test_a_folder_of_a_share_is_a_storage_of_its_own_on_the_same_disk(
        other: EmbeddedHost, share: NetfsStandIn
    ) -> None:
        by_hand = mount_by_hand(other, share, "mounted_too")
        (by_hand / "below").mkdir()
        start_dir(other, "below", by_hand / "below")
        assert storage(other, "below").id == "nfs:127.0.0.1/export/below"
        with AgentClient(other.agent.target) as agent:
            assert agent.pools.get("below").filesystem_id == "nfs:127.0.0.1/export"

    def test_one_host_adopts_a_share_and_every_other_finds_its_id_there(
        one: EmbeddedHost, other: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer, fleet: Fleet
    ) -> None:
        for host in (one, other):
            start_netfs(host, share, server)
        before = storage(one)
        with AgentClient(one.agent.target) as agent, AgentClient(other.agent.target) as neighbour:
            assert agent.pools.adopt_storage("vm_data", validate_only=True).id == ""
            assert storage(one) == before
            assert agent.pools.adopt_storage("vm_data").changed
            adopted = storage(one)
            assert (str(uuid.UUID(adopted.id)), adopted.source) == (adopted.id, StorageIdSource.MARKER)
            assert before.id in adopted.aliases
            assert not neighbour.pools.adopt_storage("vm_data").changed
            assert storage(other).id == adopted.id
            assert not agent.pools.adopt_storage("vm_data").changed
            agent.pools.refresh("vm_data")
            assert list(agent.volumes.list("vm_data", include_special=True)) == []
        assert list(places(fleet.inventory())) == [adopted.id]
        assert not any(found.identity_conflict for found in fleet.inventory().storages)
        with AgentClient(one.agent.target) as agent:
            agent.pools.stop("vm_data")
            assert storage(one).id == adopted.id
        wait_until(lambda: is_stored(one, adopted.id), limit_s=LIMIT_S, what="what was adopted is stored")
        one.agent.kill9()
        one.agent.start()
        one.agent.wait_looked()
        assert storage(one).id == adopted.id

    def is_stored(host: EmbeddedHost, storage_id: str) -> bool:
        """Whether an agent that begins anew will know of a storage: it stores what it has looked at."""
        with stored_state(host.agent.state_dir) as state:
            stored = state.execute("SELECT documents FROM snapshot_pool").fetchall()
        return any(storage_id.encode() in zlib.decompress(documents) for (documents,) in stored)

    def signed(host: EmbeddedHost) -> set[str]:
        """Whose signs of life an agent sees in its storage."""
        with AgentClient(host.agent.target) as agent:
            agent.pools.refresh("vm_data")
        signs = storage(host).signs
        return set(signs.agent_ids) if signs else set()

    def test_who_asks_only_some_of_an_adopted_shares_hosts_is_told_and_deletes_nothing(
        one: EmbeddedHost, other: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer, fleet: Fleet
    ) -> None:
        for host in (one, other):
            start_netfs(host, share, server)
        assert storage(one).signs is None
        agents = [fleet.client(host.name).get().agent_id for host in (one, other)]
        with AgentClient(one.agent.target) as agent:
            agent.volumes.create("vm_data", VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0))
            agent.pools.adopt_storage("vm_data")

        def both_signed() -> bool:
            return [signed(host) for host in (one, other)] == [set(agents)] * 2

        wait_until(both_signed, limit_s=LIMIT_S, what="both signs of life", every_s=0.2)
        assert fleet.inventory().complete
        adopted = storage(one).id
        with Fleet([Host(name="one", target=one.agent.target)]) as part:
            [missing] = part.inventory().missing
            assert missing.startswith(f"{adopted}: hosts that told nothing have it too")
            assert agents[1] in missing
            assert agents[0] not in missing
            with pytest.raises(poolfleet.Unavailable) as refused:
                part.storage(adopted).delete("v")
            assert refused.value.reason == "INCOMPLETE"
            assert agents[1] in refused.value.message
        other.agent.stop()
        other.agent.start()
        other.agent.wait_looked()
        assert fleet.storage(adopted).delete("v").changed

    def test_a_marker_that_no_agent_wrote_is_neither_trusted_nor_touched(
        one: EmbeddedHost, share: NetfsStandIn, server: NullNfsServer
    ) -> None:
        start_netfs(one, share, server)
        inside = Path(f"/proc/{one.libvirtd.pid}/root{one.pools_dir}/vm_data/.poolfleet")
        inside.mkdir()
        (inside / "storage-id").write_text("mine")
        with AgentClient(one.agent.target) as agent:
            with pytest.raises(poolfleet.FailedPrecondition) as refused:
                agent.pools.adopt_storage("vm_data")
            assert refused.value.reason == "IDENTITY_CONFLICT"
            assert (inside / "storage-id").read_text() == "mine"
            assert storage(one).source is StorageIdSource.DERIVED


def test_a_host_s_own_folder_is_adopted_too(host: EmbeddedHost) -> None:
    with AgentClient(host.agent.target) as agent:
        agent.pools.ensure(PoolSpec.dir("p", target=str(host.pools_dir / "p")))
        own = agent.pools.get("p").storage
        assert own
        assert own.id.startswith(f"host:{agent.get().agent_id}:")
        assert agent.pools.adopt_storage("p").changed
        content = (host.pools_dir / "p/.poolfleet/storage-id").read_text()
        adopted = agent.pools.get("p").storage
        assert adopted
        assert f"{adopted.id}\n" == content
        assert own.id in adopted.aliases
        # What a person writes there is found as soon as the agent looks.
        (host.pools_dir / "p/.poolfleet/storage-id").write_text(other := str(uuid.uuid4()))
        agent.pools.refresh("p")
        changed = agent.pools.get("p").storage
        assert changed
        assert changed.id == other


def test_an_agent_that_only_observes_reads_markers_and_writes_none(short_dir: Path) -> None:
    with EmbeddedHost("observed", short_dir, settings={"mode": "observe"}) as host:
        target = host.pools_dir / "p"
        (target / ".poolfleet").mkdir(parents=True)
        (target / ".poolfleet/storage-id").write_text(marker := str(uuid.uuid4()))
        other = host.pools_dir / "q"
        other.mkdir()
        for path in (target, other):
            virsh = ["virsh", "--connect", host.libvirtd.uri, "pool-create-as", path.name, "dir", "--target", str(path)]
            subprocess.run(host.libvirtd.surroundings.command(virsh), check=True, timeout=60, capture_output=True)
        with AgentClient(host.agent.target) as agent:

            def are_seen() -> bool:
                storages = {pool.name: pool.storage for pool in agent.pools.list()}
                found = storages.get("p")
                return set(storages) == {"p", "q"} and found is not None and found.id == marker

            wait_until(are_seen, limit_s=LIMIT_S, what="both pools are seen, and the marker of one")
            with pytest.raises(poolfleet.FailedPrecondition) as refused:
                agent.pools.adopt_storage("q")
            assert refused.value.reason == "OBSERVE_ONLY"
        assert list(other.iterdir()) == []
