"""The merge: each storage and volume once, whoever sees it, with its users; and what is missing is said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.inventory.merge import merge
from poolfleet.inventory.model import HostStatus, Inventory, InventoryVolume
from poolfleet.inventory.seen import HostSeen
from poolfleet.types.disk import DiskRole, DomainState
from poolfleet.types.errors import Unavailable
from poolfleet.types.volume import UnreadPool
from tests.unit.client.inventory.answers import GIB, configured, derived, disk, pool, seen, volume

SHARED = configured("shared")


def only(inventory: Inventory) -> InventoryVolume:
    (found,) = inventory.volumes
    return found


def test_a_volume_that_two_hosts_see_is_one_with_both_paths_and_the_users_of_both() -> None:
    inventory = merge(
        [
            seen("b", [pool("vm", SHARED)], [volume("vm", "disk1")], [disk("web", "vm", "disk1")]),
            seen(
                "a",
                [pool("images", SHARED)],
                [volume("images", "disk1")],
                [disk("db", "images", "disk1", state=DomainState.INACTIVE, role=DiskRole.CDROM)],
            ),
        ]
    )
    assert inventory.complete
    assert only(inventory).storage_id == "shared"
    assert [(place.host, place.pool, place.path) for place in only(inventory).hosts] == [
        ("a", "images", "/images/disk1"),
        ("b", "vm", "/vm/disk1"),
    ]
    assert [(user.host, user.domain, user.state, user.role) for user in only(inventory).used_by] == [
        ("a", "db", "inactive", "cdrom"),
        ("b", "web", "active", "disk"),
    ]


def test_volumes_of_one_name_on_local_pools_are_two() -> None:
    inventory = merge(
        [
            seen("a", [pool("vm", derived("host:a:fs:/vm"))], [volume("vm", "disk1")], [disk("web", "vm", "disk1")]),
            seen("b", [pool("vm", derived("host:b:fs:/vm"))], [volume("vm", "disk1")]),
        ]
    )
    assert [(one.storage_id, len(one.hosts), len(one.used_by)) for one in inventory.volumes] == [
        ("host:a:fs:/vm", 1, 1),
        ("host:b:fs:/vm", 1, 0),
    ]


def test_a_disk_is_found_by_its_storage_s_id_where_no_pool_is_named() -> None:
    one = disk("web", "", "disk1", storage_id="shared")
    inventory = merge([seen("a", [pool("vm", SHARED)], [volume("vm", "disk1")], [one])])
    assert [user.domain for user in only(inventory).used_by] == ["web"]


def test_a_domain_with_a_volume_twice_is_one_user() -> None:
    disks = [disk("web", "vm", "disk1", target="vda"), disk("web", "vm", "disk1", target="vdb")]
    assert len(only(merge([seen("a", [pool("vm", SHARED)], [volume("vm", "disk1")], disks)])).used_by) == 1


def test_sizes_are_those_of_the_freshest_answer_that_has_any() -> None:
    inventory = merge(
        [
            seen("a", [pool("vm", SHARED, capacity_bytes=10, age_s=50)], [volume("vm", "d", capacity_bytes=1)]),
            seen("b", [pool("vm", SHARED, capacity_bytes=20, age_s=5)], [volume("vm", "d", capacity_bytes=2)]),
            seen("c", [pool("vm", SHARED, capacity_bytes=None, age_s=1)]),
        ]
    )
    assert inventory.storages[0].capacity_bytes == 20
    assert only(inventory).capacity_bytes == 2


def test_entries_that_are_one_agent_are_counted_once() -> None:
    same = [pool("vm", derived("host:x:fs:/vm"))], [volume("vm", "d")], [disk("web", "vm", "d")]
    inventory = merge([seen("a", *same, agent_id="x"), seen("b", *same, agent_id="x")])
    assert [(host.name, host.status) for host in inventory.hosts] == [("a", "ok"), ("b", "duplicate")]
    assert len(only(inventory).hosts) == len(only(inventory).used_by) == 1
    assert inventory.complete


def test_of_entries_that_are_one_agent_the_better_answer_counts() -> None:
    failed = seen("a", agent_id="x", status=HostStatus.FAILED)
    inventory = merge([failed, seen("b", [pool("vm", SHARED)], agent_id="x")])
    assert [(host.name, host.status) for host in inventory.hosts] == [("a", "duplicate"), ("b", "ok")]
    assert inventory.complete


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (HostSeen(host="a", status=HostStatus.UNREACHABLE, error=Unavailable("no route")), "a: unreachable: no route"),
        (seen("a", status=HostStatus.STALE), "a: what it told is 1 s old"),
        (seen("a", unread_pools=[UnreadPool(pool="vm", reason="POOL_UNRESPONSIVE", message="hangs")]), "hangs"),
        (seen("a", disks_missing=["qemu:///system does not answer"]), "qemu:///system does not answer"),
        (seen("a", [pool("vm", SHARED, unaddressable_count=2)]), "a: 2 files of vm cannot be addressed"),
        (seen("a", [], [volume("vm", "d")]), "a: vm came or went while its volumes were read"),
    ],
)
def test_what_is_missing_makes_it_incomplete_and_is_said(answer: HostSeen, says: str) -> None:
    inventory = merge([answer, seen("z")])
    assert not inventory.complete
    assert len(inventory.missing) == 1
    assert says in inventory.missing[0]


def test_an_identity_conflict_makes_it_incomplete() -> None:
    inventory = merge(
        [
            seen("a", [pool("vm", configured("x", "nfs:f/vm"))]),
            seen("b", [pool("vm", derived("nfs:f/vm"))]),
        ]
    )
    assert [storage.identity_conflict for storage in inventory.storages] == [True, True]
    assert not inventory.complete


def test_hosts_of_different_pool_types_say_both() -> None:
    (storage,) = merge([seen("a", [pool("vm", SHARED, type="netfs")]), seen("b", [pool("vm", SHARED)])]).storages
    assert storage.type == "dir,netfs"


def test_the_document_is_exactly_as_the_command_line_documents_it() -> None:
    inventory = merge(
        [
            seen("a", [pool("vm", SHARED, target="/srv/vm")], [volume("vm", "d")], [disk("web", "vm", "d")]),
            HostSeen(host="b", status=HostStatus.UNREACHABLE, error=Unavailable("no route", reason="UNREACHABLE")),
        ]
    )
    document = {
        "complete": False,
        "missing": ["b: unreachable: no route"],
        "hosts": [
            {
                "name": "a",
                "agent_id": "agent-of-a",
                "status": "ok",
                "as_of": "2026-03-01T12:00:00Z",
                "age_s": 1.0,
                "error": None,
            },
            {
                "name": "b",
                "agent_id": "",
                "status": "unreachable",
                "as_of": None,
                "age_s": None,
                "error": "no route [UNREACHABLE]",
            },
        ],
        "storages": [
            {
                "storage_id": "shared",
                "source": "configured",
                "type": "dir",
                "identity_conflict": False,
                "capacity_bytes": 100 * GIB,
                "allocation_bytes": 25 * GIB,
                "available_bytes": 75 * GIB,
                "as_of": "2026-03-01T11:59:59Z",
                "age_s": 1.0,
                "pools": [{"host": "a", "pool": "vm", "target": "/srv/vm"}],
            }
        ],
        "volumes": [
            {
                "storage_id": "shared",
                "name": "d",
                "format": "qcow2",
                "capacity_bytes": GIB,
                "allocation_bytes": GIB // 2,
                "hosts": [{"host": "a", "pool": "vm", "path": "/vm/d"}],
                "used_by": [{"host": "a", "domain": "web", "state": "active", "role": "disk"}],
                "content_id": "",
            }
        ],
        "unmanaged": [],
    }
    assert json.loads(json.dumps(inventory.to_dict())) == document
    assert list(inventory.to_dict()) == list(document)


storage_ids = st.sampled_from(["s1", "s2"])
volume_names = st.lists(st.sampled_from("abcde"), unique=True, max_size=5)


@st.composite
def fleets(draw: st.DrawFn) -> list[HostSeen]:
    """Hosts with up to two pools each, on storages that they share or have alone, and domains that use some volumes."""
    answers = []
    for host in draw(st.lists(st.sampled_from(["h1", "h2", "h3", "h4"]), unique=True, max_size=4)):
        pools, volumes, disks = [], [], []
        for name in draw(st.lists(st.sampled_from(["p1", "p2"]), unique=True)):
            storage_id = draw(st.none() | storage_ids)
            storage = configured(storage_id) if storage_id else derived(f"host:{host}:{name}")
            pools.append(pool(name, storage, age_s=draw(st.integers(0, 3)), capacity_bytes=draw(st.integers(1, 3))))
            listed = draw(volume_names)
            volumes += [volume(name, one, capacity_bytes=draw(st.integers(0, 9))) for one in listed]
            disks += [disk(f"guest-{host}", name, one) for one in draw(volume_names)]
        answers.append(seen(host, pools, volumes, disks, agent_id=draw(st.sampled_from([f"id-{host}", "same"]))))
    return answers


@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_of_the_hosts_does_not_matter(answers: list[HostSeen], random: object) -> None:
    shuffled = list(answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert merge(shuffled) == merge(answers)


@given(fleets())
def test_each_volume_is_there_once_and_every_sighting_and_user_is_in_it(answers: list[HostSeen]) -> None:
    inventory = merge(answers)
    keys = [(one.storage_id, one.name) for one in inventory.volumes]
    assert len(set(keys)) == len(keys)

    counted = {host.name for host in inventory.hosts if host.status is not HostStatus.DUPLICATE}
    telling = [answer for answer in answers if answer.host in counted]
    assert len({answer.agent_id for answer in answers}) == len(telling)
    sightings = {(a.host, one.pool, one.name) for a in telling if a.volumes for one in a.volumes.volumes}
    assert {(place.host, place.pool, one.name) for one in inventory.volumes for place in one.hosts} == sightings

    storage_of = {(p.host, p.pool): storage.storage_id for storage in inventory.storages for p in storage.pools}
    uses = {(storage_of[a.host, one.pool], one.volume, one.domain) for a in telling if a.disks for one in a.disks.disks}
    listed = {(one.storage_id, one.name, user.domain) for one in inventory.volumes for user in one.used_by}
    assert listed == {use for use in uses if use[:2] in keys}
