"""Lanes: a pool's lifecycle has the pool alone, volumes of it are independent, and nobody waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.control.lanes import Claim, Lanes
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind

CREATE, DELETE, STOP = OperationKind.CREATE_VOLUME, OperationKind.DELETE_VOLUME, OperationKind.STOP_POOL
CLONE = OperationKind.CLONE_VOLUME


@pytest.fixture
async def lanes() -> Lanes:
    return Lanes()


def take(lanes: Lanes, kind: OperationKind, pool: str, volume: str = "", body: str = "") -> tuple[Claim, bool]:
    return lanes.claim(kind=kind, pool=pool, volume=volume, fingerprint=body)


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ((STOP, "p", ""), (CREATE, "p", "v")),
        ((CREATE, "p", "v"), (STOP, "p", "")),
        ((CREATE, "p", "v"), (DELETE, "p", "v")),
        ((CREATE, "p", "v", "one"), (CREATE, "p", "v", "another")),
    ],
    ids=["pool, then volume", "volume, then pool", "another kind", "another body"],
)
async def test_what_contradicts_is_told_to_come_again_and_by_whom_it_is_held(lanes: Any, held: Any, asked: Any) -> None:
    claim, _ = take(lanes, *held)
    claim.operation_id = "operation-1"
    with pytest.raises(ModelError) as refused:
        take(lanes, *asked)
    assert refused.value.reason is Reason.OPERATION_IN_PROGRESS
    assert refused.value.metadata["operation"] == "operation-1"
    assert refused.value.retry_delay_s is not None
    lanes.release(claim)
    assert take(lanes, *asked)[1]


@pytest.mark.parametrize(
    ("held", "asked"),
    [((CREATE, "p", "v"), (DELETE, "p", "w")), ((STOP, "p", ""), (STOP, "q", ""))],
    ids=["another volume", "another pool"],
)
async def test_what_is_independent_goes_on_side_by_side(lanes: Any, held: Any, asked: Any) -> None:
    assert take(lanes, *held)[1]
    assert take(lanes, *asked)[1]


async def test_the_same_mutation_joins_the_one_that_holds_the_lane(lanes: Any) -> None:
    first, taken = take(lanes, CREATE, "p", "v", "same")
    assert taken
    assert take(lanes, CREATE, "p", "v", "same") == (first, False)


async def test_an_operation_that_ended_while_its_call_hangs_is_joined_by_nobody(lanes: Any) -> None:
    claim, _ = take(lanes, CREATE, "p", "v", "same")
    claim.joinable = False
    with pytest.raises(ModelError) as refused:
        take(lanes, CREATE, "p", "v", "same")
    assert refused.value.reason is Reason.OPERATION_IN_PROGRESS


async def test_who_overtakes_stands_beside_those_who_hold_the_lane_and_is_alone_after_them(lanes: Any) -> None:
    held = [take(lanes, CREATE, "p", "v")[0], take(lanes, DELETE, "p", "w")[0]]
    forced, taken = lanes.claim(kind=STOP, pool="p", volume="", fingerprint="", overtaking=True)
    assert taken
    alone = asyncio.create_task(forced.alone())
    for claim in held:
        await asyncio.sleep(0)
        assert not alone.done()
        lanes.release(claim)
    await alone
    with pytest.raises(ModelError):
        take(lanes, CREATE, "p", "v")
    with pytest.raises(ModelError):
        lanes.claim(kind=STOP, pool="p", volume="", fingerprint="another", overtaking=True)
    assert lanes.claim(kind=STOP, pool="p", volume="", fingerprint="", overtaking=True) == (forced, False)


def clone(lanes: Lanes, source: tuple[str, str], target: tuple[str, str], body: str = "") -> tuple[Claim, bool]:
    return lanes.claim(kind=CLONE, pool=target[0], volume=target[1], fingerprint=body, reads=source)


async def test_the_same_mutation_joins_also_beside_who_overtook_it(lanes: Any) -> None:
    first, _ = take(lanes, CLONE, "p", "v", "same")
    lanes.claim(kind=STOP, pool="p", volume="", fingerprint="", overtaking=True)
    assert take(lanes, CLONE, "p", "v", "same") == (first, False)


async def test_a_source_is_shared_by_who_reads_it_and_kept_from_who_changes_it(lanes: Lanes) -> None:
    first, _ = clone(lanes, ("p", "v"), ("q", "one"))
    second, _ = clone(lanes, ("p", "v"), ("q", "two"))
    for contradicting in ((DELETE, "p", "v"), (STOP, "p", "")):
        with pytest.raises(ModelError) as refused:
            take(lanes, *contradicting)
        assert refused.value.reason is Reason.OPERATION_IN_PROGRESS
    assert take(lanes, DELETE, "p", "another")[1]
    lanes.release(first)
    with pytest.raises(ModelError):
        take(lanes, DELETE, "p", "v")
    lanes.release(second)
    assert take(lanes, DELETE, "p", "v")[1]


async def test_what_is_being_changed_is_not_read_and_its_clone_not_read_before_it_is_whole(lanes: Lanes) -> None:
    changing, _ = take(lanes, DELETE, "p", "v")
    with pytest.raises(ModelError):
        clone(lanes, ("p", "v"), ("q", "one"))
    lanes.release(changing)
    assert clone(lanes, ("p", "v"), ("q", "one"))[1]
    with pytest.raises(ModelError):
        clone(lanes, ("q", "one"), ("p", "again"))


async def test_the_same_clone_joins_and_within_a_pool_its_lane_is_given_back_whole(lanes: Lanes) -> None:
    first, taken = clone(lanes, ("p", "v"), ("p", "w"), "same")
    assert taken
    assert clone(lanes, ("p", "v"), ("p", "w"), "same") == (first, False)
    lanes.release(first)
    assert take(lanes, STOP, "p")[1]


async def test_what_overtakes_a_pool_overtakes_who_reads_from_it_once(lanes: Lanes) -> None:
    reading, _ = clone(lanes, ("p", "v"), ("p", "w"))
    stopping, _ = lanes.claim(kind=STOP, pool="p", volume="", fingerprint="", overtaking=True)
    assert stopping.overtaken == (reading,)


async def test_a_pool_is_crowded_while_several_work_in_it(lanes: Any) -> None:
    first, _ = take(lanes, CREATE, "p", "v")
    take(lanes, CREATE, "q", "v")
    assert not lanes.is_crowded("p")
    second, _ = take(lanes, CREATE, "p", "w")
    assert lanes.is_crowded("p")
    lanes.release(first)
    assert not lanes.is_crowded("p")
    lanes.release(second)
    assert not lanes.is_crowded("p")


def _contradict(one: Claim, other: Claim) -> bool:
    """Whether two cannot be at work at once, by the definition of lanes."""

    def bar(mine: Any, theirs: Any) -> bool:
        independent = mine.pool != theirs.pool or (mine.volume and theirs.volume and mine.volume != theirs.volume)
        return not independent and (mine.alone or theirs.alone)

    return any(bar(mine, theirs) for mine in one.holds() for theirs in other.holds())


WANTED = st.tuples(
    st.sampled_from(["p", "q"]), st.sampled_from(["", "v", "w"]),
    st.sampled_from([None, ("p", "v"), ("p", "w"), ("q", "v")]), st.booleans(), st.booleans(),
)  # fmt: skip


@given(st.lists(WANTED, max_size=12))
async def test_whoever_asks_for_whatever_is_refused_for_what_contradicts_it_and_for_nothing_else(wanted: Any) -> None:
    lanes, held = Lanes(), list[Claim]()
    for number, (pool, volume, reads, changes_table, releases) in enumerate(wanted):
        asked: dict[str, Any] = {"pool": pool, "volume": volume, "reads": reads, "changes_table": changes_table}
        asked["fingerprint"] = str(number)
        there = Claim(kind=CLONE, decided=asyncio.get_running_loop().create_future(), **asked)
        try:
            claim, _ = lanes.claim(kind=CLONE, **asked)
        except ModelError:
            assert any(_contradict(there, other) for other in held)
            continue
        assert not any(_contradict(there, other) for other in held)
        held.append(claim)
        if releases:
            lanes.release(held.pop(0))
    for claim in held:
        lanes.release(claim)
    for pool in ("p", "q"):
        assert not lanes.is_crowded(pool)
        assert lanes.claim(kind=STOP, pool=pool, volume="", fingerprint="")[1]
