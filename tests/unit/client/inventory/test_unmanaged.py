"""What domains use beside pools is said where it is certain; else why it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from poolfleet.inventory.merge import merge
from poolfleet.inventory.model import HostStatus, UnmanagedDisk
from poolfleet.inventory.seen import HostSeen
from poolfleet.types.disk import DiskRole, DomainDisk, DomainState
from poolfleet.types.errors import Unavailable
from poolfleet.types.pool import PoolState
from poolfleet.types.volume import UnreadPool
from tests.unit.client.inventory.answers import configured, derived, disk, pool, seen, volume

SHARED = configured("shared")
OWN = pool("local", derived("host:agent-of-a:fs:/local"))


def beside(domain: str = "web", path: str = "/opt/x.img", **more: Any) -> DomainDisk:
    """A disk that no pool of its host has."""
    return replace(disk(domain, "", ""), path=path, **more)


def on_a(*disks: DomainDisk, **more: Any) -> HostSeen:
    return seen("a", [OWN], [volume("local", "d")], disks, **more)


def only(answers: Sequence[HostSeen]) -> UnmanagedDisk:
    [found] = merge(answers).unmanaged
    return found


def test_a_file_that_no_pool_has_is_told_once_with_all_its_users() -> None:
    disks = [
        beside("web"),
        beside("web", role=DiskRole.BACKING, depth=1),
        beside("db", domain_state=DomainState.INACTIVE),
        disk("web", "local", "d"),
    ]
    found = only([on_a(*disks), seen("b")])
    assert (found.host, found.path, found.source_kind, found.doubts) == ("a", "/opt/x.img", "file", ())
    assert [(user.domain, user.state, user.role) for user in found.used_by] == [
        ("db", "inactive", "disk"),
        ("web", "active", "backing"),
        ("web", "active", "disk"),
    ]


def test_the_same_path_on_two_hosts_is_two_files_as_far_as_anybody_knows() -> None:
    found = merge([on_a(beside()), seen("b", disks=[beside("db")])]).unmanaged
    assert [(one.host, one.path) for one in found] == [("a", "/opt/x.img"), ("b", "/opt/x.img")]


@pytest.mark.parametrize(
    "one",
    [
        beside(path="", source_kind="network"),
        beside(source_kind="vhostuser", path="/run/socket"),
        beside(path="/usr/share/OVMF/OVMF_CODE.fd", role=DiskRole.LOADER),
    ],
)
def test_what_is_no_file_or_no_data_is_not_told(one: DomainDisk) -> None:
    assert merge([on_a(one)]).unmanaged == ()


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([on_a(beside(), disks_missing=["qemu:///system is away"])], "a: some domains could not be read"),
        ([on_a(beside(), status=HostStatus.STALE)], "a: what it told is 1 s old"),
        ([on_a(beside(), unread_pools=[UnreadPool(pool="q", reason="X", message="hangs")])], "q could not be read"),
        ([replace(on_a(beside()), pools=(replace(OWN, unaddressable_count=1),))], "1 files of local cannot"),
        ([on_a(beside()), HostSeen(host="b", status=HostStatus.UNREACHABLE, error=Unavailable("down"))], "b: unreach"),
        ([on_a(beside()), seen("b", status=HostStatus.FAILED)], "b: failed"),
        ([on_a(beside()), seen("b", [pool("vm", SHARED, unaddressable_count=1)])], "b: 1 files of vm"),
        ([on_a(beside()), seen("b", [replace(pool("vm", SHARED), state=PoolState.INACTIVE)])], "shared: no host has"),
        (
            [on_a(beside()), seen("b", [pool("vm", SHARED)], [volume("vm", "x.img")])],
            "the volume of that name on shared",
        ),
    ],
)
def test_where_something_is_missing_that_may_have_it_the_reason_is_told(answers: list[HostSeen], says: str) -> None:
    [doubt] = only(answers).doubts
    assert says in doubt


def test_a_device_may_be_one_of_a_pool_that_is_not_started() -> None:
    stopped = replace(pool("lun", derived("iscsi:t")), type="iscsi", state=PoolState.INACTIVE)
    device = beside(path="/dev/sdb", source_kind="block")
    found = merge([seen("a", [stopped], disks=[device, beside()])]).unmanaged
    assert [any("pool lun is not started" in doubt for doubt in one.doubts) for one in found] == [True, False]


def test_what_only_concerns_another_host_s_own_storage_casts_no_doubt() -> None:
    own = pool("local", derived("host:agent-of-b:fs:/local"), unaddressable_count=3)
    unread = [UnreadPool(pool="local", reason="X", message="hangs")]
    other = seen("b", [own], [volume("local", "x.img")], unread_pools=unread, disks_missing=["db is away"])
    inventory = merge([on_a(beside()), other])
    assert not inventory.complete
    assert inventory.unmanaged[0].doubts == ()


@pytest.mark.parametrize(
    ("filesystem_ids", "is_certain"),
    [
        (["xfs:1"], True),
        (["nfs:10.0.0.5/vm"], False),
        (["host:agent-of-a:fuse.sshfs:backup:/vm"], False),
        ([""], False),
        (["xfs:1", "nfs:127.0.0.1/vm"], False),
    ],
)
def test_on_disks_of_its_own_an_agent_has_looked_and_not_on_servers(
    filesystem_ids: list[str], is_certain: bool
) -> None:
    pools = [pool(f"vm{number}", SHARED, filesystem_id=found) for number, found in enumerate(filesystem_ids)]
    volumes = [volume("vm0", "x.img")]
    answers = [seen("a", pools, volumes, [beside()]), seen("b", pools, volumes)]
    assert (only(answers).doubts == ()) == is_certain


def test_names_on_several_storages_are_duplicates() -> None:
    inventory = merge(
        [
            seen("a", [pool("vm", SHARED), OWN], [volume("vm", "d"), volume("vm", "e"), volume("local", "d")]),
            seen("b", [pool("vm", SHARED)], [volume("vm", "d"), volume("vm", "e")]),
        ]
    )
    [found] = inventory.duplicates
    assert (found.name, found.doubts) == ("d", ())
    assert [one.storage_id for one in found.volumes] == ["host:agent-of-a:fs:/local", "shared"]


def test_one_file_under_two_ids_is_not_said_to_be_a_duplicate() -> None:
    known = [seen("a", [pool("vm", configured("x", "nfs:f/vm"))], [volume("vm", "d")])]
    inventory = merge([*known, seen("b", [pool("vm", derived("nfs:f/vm"))], [volume("vm", "d")])])
    [found] = inventory.duplicates
    assert len(found.doubts) == 2
    assert "identity conflict" in found.doubts[0]
