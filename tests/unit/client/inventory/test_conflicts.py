"""When ids contradict what hosts see: then nothing may be concluded from them, and the inventory says so."""

from __future__ import annotations

import pytest

from poolfleet.inventory.identity import join
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import Storage
from tests.unit.client.inventory.answers import configured, derived, marked, pool, pool_seen

FILES = {"base.qcow2": 12, "web1.qcow2": 13, "web2.qcow2": 17}
OTHERS = {"base.qcow2": 12, "web1.qcow2": 14, "db.qcow2": 20}
UUID = "0f5c9d4e-7b07-4c0c-8a51-0d7b5d7a4b11"


def on(host: str, storage: Storage, *names: str, site: str | None = None) -> PoolSeen:
    return pool_seen(host, pool("vm", storage), *names, site=site)


def conflicts(*pools: PoolSeen) -> dict[str, str]:
    return {storage.storage_id: storage.conflict for storage in join(pools) if storage.conflict}


def test_one_id_with_two_root_directories_is_a_conflict() -> None:
    one, other = derived("nfs:10.0.0.5/vm", root=2), derived("nfs:10.0.0.5/vm", root=128)
    found = conflicts(on("a", one), on("b", other))
    assert found == {"nfs:10.0.0.5/vm": "a:vm and b:vm have different root directories"}


def test_one_id_with_two_root_directories_is_a_conflict_even_if_a_person_gave_it() -> None:
    assert conflicts(on("a", marked(UUID, root=2)), on("b", marked(UUID, root=3))).keys() == {UUID}


def test_one_id_with_the_same_root_and_files_that_came_and_went_is_none() -> None:
    one, other = (derived("nfs:10.0.0.5/vm", root=2, files=files) for files in (FILES, OTHERS))
    assert not conflicts(on("a", one), on("b", other))


def test_one_id_with_no_file_in_common_is_a_conflict() -> None:
    other = {name: inode + 100 for name, inode in FILES.items()}
    one, two = (derived("nfs:10.0.0.5/vm", root=2, files=files) for files in (FILES, other))
    assert "no file in common" in conflicts(on("a", one), on("b", two))["nfs:10.0.0.5/vm"]


def test_two_ids_with_the_same_files_are_a_conflict() -> None:
    one, other = (derived(storage, root=2, files=FILES) for storage in ("nfs:10.0.0.5/vm", "nfs:10.0.0.6/vm"))
    found = conflicts(on("a", one), on("b", other))
    assert found == {
        "nfs:10.0.0.5/vm": "the same files, by name and inode, lie in nfs:10.0.0.6/vm",
        "nfs:10.0.0.6/vm": "the same files, by name and inode, lie in nfs:10.0.0.5/vm",
    }


@pytest.mark.parametrize(
    ("root", "files"),
    [
        pytest.param(3, FILES, id="another root"),
        pytest.param(2, OTHERS, id="other files"),
        pytest.param(2, {"base.qcow2": 12, "web1.qcow2": 13}, id="too few"),
    ],
)
def test_two_ids_whose_files_differ_are_two_storages(root: int, files: dict[str, int]) -> None:
    one = derived("nfs:10.0.0.5/vm", root=2, files=FILES)
    assert not conflicts(on("a", one), on("b", derived("nfs:10.0.0.6/vm", root=root, files=files)))


def test_too_few_files_to_tell_are_no_conflict_though_they_are_the_same() -> None:
    few = {"base.qcow2": 12, "web1.qcow2": 13}
    one, other = (derived(storage, root=2, files=few) for storage in ("nfs:10.0.0.5/vm", "nfs:10.0.0.6/vm"))
    assert not conflicts(on("a", one), on("b", other))


def test_hosts_that_were_installed_from_one_image_have_disks_of_their_own() -> None:
    local = {host: derived(f"host:agent-of-{host}:uuid:1:/vm", root=2, files=FILES) for host in "ab"}
    assert not conflicts(*(on(host, storage) for host, storage in local.items()))


def test_a_folder_of_a_server_that_other_hosts_mount_is_a_conflict_until_a_person_says_so() -> None:
    local = derived("host:agent-of-a:uuid:1:/srv/vm", root=2, files=FILES)
    mounted = derived("nfs:10.0.0.5/vm", root=2, files=FILES)
    assert len(conflicts(on("a", local), on("b", mounted))) == 2
    adopted = [marked(UUID, storage.id, root=2, files=FILES) for storage in (local, mounted)]
    assert not conflicts(on("a", adopted[0]), on("b", adopted[1]))


def test_copies_that_a_person_gave_ids_of_their_own_are_two_storages() -> None:
    one = marked(UUID, "nfs:10.0.0.5/vm", root=2, files=FILES)
    other = marked(UUID.replace("0f", "1f"), "nfs:10.0.0.6/vm", root=2, files=FILES)
    assert not conflicts(on("a", one), on("b", other))


def test_a_name_that_means_another_address_on_each_host_is_a_conflict() -> None:
    one, other = (derived(f"nfs:{address}/vm", "nfs:filer/vm") for address in ("10.0.0.5", "10.0.0.6"))
    found = conflicts(on("a", one), on("b", other))
    assert list(found) == ["nfs:10.0.0.5/vm"]
    assert "only its name in common" in found["nfs:10.0.0.5/vm"]


def test_the_same_name_and_addresses_at_two_sites_are_two_storages() -> None:
    one, other = (derived(f"nfs:{address}/vm", "nfs:filer/vm") for address in ("10.0.0.5", "10.0.0.6"))
    storages = join([on("a", one, site="ams"), on("b", other, site="fra")])
    assert [storage.storage_id for storage in storages] == ["nfs:10.0.0.5/vm", "nfs:10.0.0.6/vm"]
    assert not any(storage.conflict for storage in storages)


def test_a_name_that_means_another_address_is_none_where_the_files_are_the_same() -> None:
    one, other = (
        derived(f"nfs:{address}/vm", "nfs:filer/vm", root=2, files=FILES) for address in ("10.0.0.5", "[fd00::5]")
    )
    assert not conflicts(on("a", one), on("b", other))


def test_hosts_are_joined_by_one_that_knows_both_addresses() -> None:
    both = derived("nfs:10.0.0.6/vm", "nfs:10.0.0.5/vm", "nfs:filer/vm")
    one, other = (derived(f"nfs:{address}/vm", "nfs:filer/vm") for address in ("10.0.0.5", "10.0.0.6"))
    storages = join([on("a", one), on("b", other), on("c", both)])
    assert [(storage.storage_id, len(storage.pools), storage.conflict) for storage in storages] == [
        ("nfs:10.0.0.5/vm", 3, "")
    ]


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "[fe80::1]", "169.254.1.1"])
def test_an_address_that_is_another_machine_on_each_host_proves_nothing(address: str) -> None:
    storage_id = f"nfs:{address}/vm"
    assert conflicts(on("a", derived(storage_id, root=2)), on("b", derived(storage_id, root=2)))
    same = derived(storage_id, root=2, files=FILES)
    assert not conflicts(on("a", same), on("b", same))


def test_a_host_that_has_not_read_the_marker_yet_is_a_conflict() -> None:
    found = conflicts(on("a", marked(UUID, "nfs:10.0.0.5/vm")), on("b", derived("nfs:10.0.0.5/vm")))
    assert found.keys() == {UUID, "nfs:10.0.0.5/vm"}


def test_configured_ids_are_believed_without_fingerprints() -> None:
    assert not conflicts(on("a", configured("x")), on("b", configured("x")))
