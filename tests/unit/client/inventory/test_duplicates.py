"""Volumes of several storages that have one name, or one id of their content."""

from __future__ import annotations

from itertools import permutations

from poolfleet.inventory.duplicates import duplicates
from poolfleet.inventory.merge import merge
from poolfleet.inventory.model import InventoryVolume
from poolfleet.inventory.seen import HostSeen
from tests.unit.client.inventory.answers import configured, pool, seen, volume

SAME = "luks:00112233-4455-6677-8899-aabbccddeeff"
OTHER = "luks:ffffffff-4455-6677-8899-aabbccddeeff"


def found_in(**volumes: list[tuple[str, str]]) -> list[tuple[str, str, list[str]]]:
    """What volumes of storages have in common, of which each storage has a name and an id of the content."""
    answers = [
        seen(
            f"host-of-{storage}",
            [pool(storage, configured(storage))],
            [volume(storage, name, content_id=content_id) for name, content_id in has],
        )
        for storage, has in volumes.items()
    ]
    return told(answers)


def told(answers: list[HostSeen]) -> list[tuple[str, str, list[str]]]:
    return [
        (one.name, one.content_id, [f"{each.storage_id}/{each.name}" for each in one.volumes])
        for one in merge(answers).duplicates
    ]


def test_one_name_on_several_storages_is_told_and_not_that_they_hold_the_same() -> None:
    both = ["x/v", "y/v"]
    assert found_in(x=[("v", ""), ("w", "")], y=[("v", "")]) == [("v", "", both)]
    assert found_in(x=[("v", SAME)], y=[("v", OTHER)]) == [("v", "", both)]
    assert found_in(x=[("v", SAME)], y=[("v", "")]) == [("v", "", both)]


def test_one_content_under_several_names_is_told_with_its_id() -> None:
    assert found_in(x=[("v", SAME)], y=[("w", SAME)], z=[("other", OTHER)]) == [("", SAME, ["x/v", "y/w"])]


def test_what_has_both_in_common_is_told_once() -> None:
    assert found_in(x=[("v", SAME)], y=[("v", SAME)]) == [("v", SAME, ["x/v", "y/v"])]


def test_of_which_some_have_only_one_in_common_both_are_told() -> None:
    assert found_in(x=[("v", SAME)], y=[("v", SAME)], z=[("w", SAME)]) == [
        ("v", "", ["x/v", "y/v"]),
        ("", SAME, ["x/v", "y/v", "z/w"]),
    ]
    assert found_in(x=[("v", SAME)], y=[("v", SAME)], z=[("v", "")]) == [
        ("v", "", ["x/v", "y/v", "z/v"]),
        ("", SAME, ["x/v", "y/v"]),
    ]


def test_numbers_of_32_bits_are_told_where_the_capacity_is_the_same_too() -> None:
    def by_capacity(*sizes_gib: int) -> list[tuple[str, str, list[str]]]:
        return told(
            [
                seen(
                    f"h{size_gib}{name}",
                    [pool(name, configured(name))],
                    [volume(name, name, content_id="vmdk:0000004d", capacity_bytes=size_gib << 30)],
                )
                for name, size_gib in zip("xy", sizes_gib, strict=True)
            ]
        )

    assert by_capacity(1, 2) == []
    assert by_capacity(2, 2) == [("", "vmdk:0000004d", ["x/x", "y/y"])]


def test_copies_on_one_storage_alone_are_no_duplicates() -> None:
    assert found_in(x=[("v", SAME), ("w", SAME)], y=[("z", OTHER)]) == []


def test_of_a_storage_that_many_hosts_see_a_volume_is_itself_and_one_that_tells_its_id_is_enough() -> None:
    old = seen("old", [pool("vm", configured("x"), age_s=0)], [volume("vm", "v")])
    new = seen("new", [pool("vm", configured("x"))], [volume("vm", "v", content_id=SAME)])
    elsewhere = seen("c", [pool("vm", configured("y"))], [volume("vm", "w", content_id=SAME)])
    for answers in permutations([old, new, elsewhere]):
        assert told(list(answers)) == [("", SAME, ["x/v", "y/w"])]


def test_storages_whose_ids_are_in_doubt_are_told_with_the_doubt() -> None:
    one, other = (
        InventoryVolume(
            storage_id=storage_id, name=name, format="raw", capacity_bytes=1, allocation_bytes=1, hosts=(), used_by=(),
            content_id=SAME,
        )
        for storage_id, name in (("x", "v"), ("y", "w"))
    )  # fmt: skip
    [found] = duplicates([one, other], [("y", "why")])
    assert (found.content_id, found.doubts) == (SAME, ("why",))
    assert found.to_dict()["content_id"] == SAME
