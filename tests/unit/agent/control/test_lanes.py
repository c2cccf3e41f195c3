"""Lanes: a pool's lifecycle has the pool alone, volumes of it are independent, and nobody waits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from poolfleet_agent.control.lanes import Claim, Lanes
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import OperationKind

CREATE, DELETE, STOP = OperationKind.CREATE_VOLUME, OperationKind.DELETE_VOLUME, OperationKind.STOP_POOL


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
