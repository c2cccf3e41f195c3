"""A store says of no volume that nobody uses it while an image lies on it by a link of whatever name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet import Fleet, InventoryStore, VolumeSpec, open_store
from tests.integration.acting.conftest import POOLS, STORAGE, Hosts
from tests.integration.acting.test_unused import overlay
from tests.integration.acting.told import orphans

MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InventoryStore]:
    opened = open_store(f"sqlite:///{tmp_path}/inventory.db")
    yield opened
    opened.close()


def told(fleet: Fleet, store: InventoryStore) -> set[str]:
    """The orphans that the store tells after all pools were looked at."""
    for host in ("one", "two"):
        for pool in (POOLS[host], "local"):
            fleet.client(host).volumes.read_all(pool, max_staleness_s=0.0)
    fleet.sync_inventory(store)
    return orphans(store, STORAGE)


@pytest.mark.parametrize("in_pool", [False, True], ids=["a link elsewhere", "a link in the pool"])
@pytest.mark.parametrize("beside", [False, True], ids=["in a local pool", "beside it"])
def test_what_an_image_lies_on_by_a_link(
    fleet: Fleet, hosts: Hosts, store: InventoryStore, tmp_path: Path, in_pool: bool, beside: bool
) -> None:
    for name in ("base", "free"):
        fleet.storage(STORAGE).create(VolumeSpec(name, capacity_bytes=MIB, format="qcow2"))
    assert told(fleet, store) == {"base", "free"}
    link = (hosts.shared if in_pool else tmp_path) / "golden"
    link.symlink_to(hosts.shared / "base")
    overlay((hosts.shared if beside else hosts["two"].pools_dir / "local") / "top", link)
    assert told(fleet, store) - {"top"} == {"free"}
    link.unlink()
    link.symlink_to(hosts.shared / "free")
    assert told(fleet, store) - {"top"} == {"base"}
