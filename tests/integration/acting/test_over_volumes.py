"""One call on many volumes of the inventory, each by the storage that it lies on."""

from __future__ import annotations

import pytest

from poolfleet import Fleet, FleetError, FleetStorage, Status, VolumeSpec
from poolfleet.inventory.model import InventoryVolume
from tests.integration.acting.conftest import STORAGE, Hosts

MIB = 1 << 20


def inventory(fleet: Fleet) -> dict[str, InventoryVolume]:
    """The volumes as all hosts see them now, by name: those of a host's own with the host's before it."""
    fleet.map(lambda agent: [agent.pools.refresh(pool.name) for pool in list(agent.pools.list())]).raise_for_failures()
    return {
        volume.name if volume.storage_id == STORAGE else f"{volume.hosts[0].host}/{volume.name}": volume
        for volume in fleet.inventory().volumes
    }


def test_each_volume_of_a_shared_storage_is_changed_once_and_those_in_use_are_not(fleet: Fleet, hosts: Hosts) -> None:
    for name in ("a", "b", "used"):
        fleet.storage(STORAGE).create(VolumeSpec(name, capacity_bytes=MIB, format="qcow2"))
    for host in ("one", "three"):
        fleet.client(host).volumes.create("local", VolumeSpec("own", capacity_bytes=MIB, format="qcow2"))
    hosts.define_guest("three", "g", "/elsewhere/used")
    volumes = inventory(fleet)
    assert set(volumes) == {"a", "b", "used", "one/own", "three/own"}
    read = fleet.map_volumes(lambda storage, name: storage.get(name).capacity_bytes, volumes.values())
    assert {volume.name: capacity for volume, capacity in read.answers()} == dict.fromkeys(
        ["a", "b", "used", "own"], MIB
    )
    result = fleet.map_volumes(lambda storage, name: storage.delete(name), volumes.values())
    assert result.summary() == "4 changed, 1 failed"
    assert [path.name for path in hosts.shared.iterdir()] == ["used"]
    with pytest.raises(FleetError, match=f"{STORAGE}: used: volume .* is used by domain g on three"):
        result.raise_for_failures()
    assert not list((hosts["three"].pools_dir / "local").iterdir())


def test_it_goes_in_batches_and_ends_with_the_first_failure(fleet: Fleet, hosts: Hosts) -> None:
    names = [f"v{number}" for number in range(5)]
    for name in names:
        fleet.storage(STORAGE).create(VolumeSpec(name, capacity_bytes=MIB, format="qcow2"))
    hosts.define_guest("two", "g", hosts.shared / "v1")
    found = inventory(fleet)

    def delete(storage: FleetStorage, name: str) -> bool:
        return storage.delete(name).changed

    result = fleet.map_volumes(delete, [found[name] for name in names], batch=2)
    assert [outcome.status for outcome in result.values()] == [
        Status.OK, Status.FAILED, Status.OK, Status.SKIPPED, Status.SKIPPED
    ]  # fmt: skip
    assert {path.name for path in hosts.shared.iterdir()} == {"v1", "v3", "v4"}
