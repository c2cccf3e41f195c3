"""What a soak finds: all that was lost, done twice or left behind, and nothing where all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from poolfleet import Operation, PoolfleetError, Unavailable, Volume
from poolfleet.types.operation import OperationKind, OperationState
from scripts.soaking.possible import LATE, History, Step
from scripts.soaking.reckoning import (
    Findings,
    histories,
    reckon_figures,
    reckon_records,
    reckon_state,
    reckon_volumes,
    wanted_active,
)
from scripts.soaking.told import Asked, Change, Told
from scripts.soaking.walk import AgentFigures, StateFound

MIB = 1 << 20
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = 2 * LATE
CUT_OFF = Unavailable("cut off", reason="AGENT_RESTARTED")
REFUSED = PoolfleetError("no", reason="VOLUME_IN_USE", code="FAILED_PRECONDITION")


async def never(*_: Any, **__: Any) -> Operation:
    raise AssertionError("nothing is sent here")


def volume(capacity_bytes: int) -> Volume:
    fields = dict.fromkeys(Volume.__dataclass_fields__)
    return Volume(**(fields | {"pool": "p", "name": "v.raw", "capacity_bytes": capacity_bytes}))  # type: ignore[arg-type]


def change(kind: OperationKind, **sizes: Any) -> Change:
    return Change(kind=kind, pool="p", volume="v.raw", send=never, **sizes)


CREATE = change(OperationKind.CREATE_VOLUME, capacity_bytes=MIB)
GROW = change(OperationKind.RESIZE_VOLUME, delta_bytes=MIB)
DELETE = change(OperationKind.DELETE_VOLUME)
WIPE = change(OperationKind.WIPE_VOLUME)


def step(
    asked: Change,
    result_bytes: int | None = None,
    *,
    changed: bool = True,
    error: PoolfleetError | None = None,
    after: timedelta = timedelta(),
) -> Step:
    operation = Operation(
        id=f"{asked.kind} {after}",
        kind=asked.kind,
        pool="p",
        volume="v.raw",
        caller="unix",
        state=OperationState.FAILED if error else OperationState.SUCCEEDED,
        error=error,
        changed=changed,
        created_at=NOON + after,
        ended_at=NOON + after,
        result=None if result_bytes is None else volume(result_bytes),
    )
    return Step(operation, asked)


def followed(*steps: Step, found: int | None) -> tuple[int, int]:
    """How many things are lost and doubled after these steps, where this is found in the end."""
    history = History("p/v.raw")
    history.follow(steps)
    history.found(found)
    return len(history.lost), len(history.doubled)


CREATED = step(CREATE, MIB)
WELL, LOST, DOUBLED = (0, 0), (1, 0), (0, 1)


@pytest.mark.parametrize(
    ("steps", "found", "what"),
    [
        ([], None, WELL),
        ([CREATED], MIB, WELL),
        ([CREATED, step(GROW, 2 * MIB), step(WIPE), step(GROW, 3 * MIB)], 3 * MIB, WELL),
        ([CREATED, step(CREATE, MIB, changed=False), step(DELETE), step(DELETE, changed=False)], None, WELL),
        ([CREATED, step(DELETE, error=REFUSED)], MIB, WELL),
        # Told to be there, and is not.
        ([CREATED], None, LOST),
        ([CREATED, step(DELETE, error=REFUSED)], None, LOST),
        ([CREATED, step(DELETE, changed=False)], None, LOST),
        ([step(CREATE, MIB, changed=False)], MIB, LOST),
        ([CREATED, step(GROW, 2 * MIB)], MIB, LOST),
        # Done again.
        ([CREATED, step(CREATE, MIB)], MIB, DOUBLED),
        ([CREATED, step(GROW, 3 * MIB)], 3 * MIB, DOUBLED),
        ([CREATED, step(GROW, 2 * MIB)], 3 * MIB, DOUBLED),
        ([CREATED, step(DELETE), step(DELETE)], None, DOUBLED),
        ([CREATED, step(DELETE)], MIB, DOUBLED),
        # Perhaps done, at once or soon; not for ever.
        ([step(CREATE, error=CUT_OFF)], MIB, WELL),
        ([step(CREATE, error=CUT_OFF)], None, WELL),
        ([CREATED, step(GROW, error=CUT_OFF)], 2 * MIB, WELL),
        ([CREATED, step(GROW, error=CUT_OFF), step(WIPE, after=LATER)], MIB, WELL),
        ([step(CREATE, error=CUT_OFF), step(DELETE, changed=False), step(GROW, 2 * MIB)], 2 * MIB, WELL),
        ([step(CREATE, error=CUT_OFF), step(DELETE, changed=False, after=LATER)], MIB, DOUBLED),
    ],
)
def test_what_is_there_follows_from_what_was_told(steps: list[Step], found: int | None, what: tuple[int, int]) -> None:
    assert followed(*steps, found=found) == what


@pytest.fixture
def told() -> Told:
    """One creation, of which its caller was told."""
    told = Told()
    asked = Asked(CREATE, "r")
    asked.told.append(replace(CREATED.operation, request_ids=("r",)))
    told.asked["r"] = asked
    return told


def records(told: Told, *recorded: Operation) -> Findings:
    findings = Findings()
    reckon_records(told, recorded, findings)
    return findings


def test_operations_are_recorded_as_they_were_told(told: Told) -> None:
    (made,) = told.asked["r"].told
    assert records(told, made) == Findings()
    assert len(records(told).lost) == 1
    assert len(records(told, replace(made, state=OperationState.FAILED)).lost) == 1
    assert len(records(told, made, replace(made, id="another")).doubled) == 1
    running = replace(made, id="running", request_ids=(), state=OperationState.RUNNING)
    assert len(records(told, made, running).leaked) == 1


def test_what_is_told_lies_on_disk(told: Told) -> None:
    (made,) = told.asked["r"].told
    whole = StateFound(operations={made.id: True}, requests=[("r", made.id)], files=["state.db"])

    def found(state: StateFound) -> Findings:
        findings = Findings()
        reckon_state(told, [made], state, findings)
        return findings

    assert found(whole) == Findings()
    assert len(found(replace(whole, operations={})).lost) == 1
    assert len(found(replace(whole, requests=[])).lost) == 1
    assert len(found(replace(whole, operations={made.id: False})).leaked) == 1
    assert len(found(replace(whole, files=["state.db", "core"])).leaked) == 1


@pytest.mark.parametrize(
    ("files", "by_virsh", "by_agent", "what"),
    [
        ({"v.raw": MIB}, {"v.raw": MIB}, {"v.raw": MIB}, (0, 0)),
        ({"v.raw": MIB, ".poolfleet-new.x": 1}, {"v.raw": MIB}, {"v.raw": MIB}, (0, 1)),
        ({"v.raw": MIB, "strange.raw": 1}, {"v.raw": MIB, "strange.raw": 1}, {"v.raw": MIB, "strange.raw": 1}, (0, 1)),
        ({"v.raw": MIB}, {"v.raw": MIB}, {}, (1, 0)),
        ({"v.raw": MIB}, {"v.raw": MIB}, {"v.raw": 2 * MIB}, (1, 0)),
        ({"v.raw": 1}, {"v.raw": MIB}, {"v.raw": MIB}, (1, 0)),
        ({}, {"v.raw": MIB}, {}, (0, 1)),
    ],
)
def test_folder_virsh_and_agent_agree(
    told: Told, files: dict[str, int], by_virsh: dict[str, int], by_agent: dict[str, int], what: tuple[int, int]
) -> None:
    findings = Findings()
    known = histories(told, told.asked["r"].told)
    reckon_volumes("p", known, files=files, by_virsh=by_virsh, by_agent={**by_agent}, findings=findings)
    assert (len(findings.lost), len(findings.leaked)) == what


def test_a_pool_is_to_be_active_after_its_last_start() -> None:
    start, stop = change(OperationKind.START_POOL), change(OperationKind.STOP_POOL)
    assert wanted_active([step(start).operation]) == {"p"}
    assert wanted_active([step(start).operation, step(stop, after=LATE).operation]) == set()
    assert wanted_active([step(start).operation, step(stop, error=CUT_OFF, after=LATE).operation]) == set()


def test_an_agent_may_not_grow_without_end() -> None:
    begin = AgentFigures(pid=1, threads=10, descriptors=40, children=3, pss_bytes=70 * MIB)

    def leaked(**more: int) -> int:
        findings = Findings()
        reckon_figures(begin, replace(begin, **more), 100, findings)
        return len(findings.leaked)

    assert leaked() == 0
    assert leaked(children=4) == 1
    assert leaked(threads=100, descriptors=500, pss_bytes=500 * MIB) == 3
