"""Exclusive create: whose a name is, what is left over, and what stays reserved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control import grace
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.left_overs import LeftOvers
from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.reserve import reserved
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from poolfleet_agent.model.reservation import Holder, reservation_name
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import VolumeDefinition
from tests.unit.agent.fake_host import MIB, FakeHost, operations, until, use_case_host, volume_facts
from tests.unit.agent.memory_operations import MemoryOperations

DAY_S = 24 * 3600.0
RESERVATION = "/pools/p/.poolfleet-reserve.v"
ANOTHERS = Holder(agent_id="another", operation_id="theirs", host="far", created=1.0).content()
OPERATION = Operation(id="now", kind=OperationKind.CREATE_VOLUME, pool="p", volume="v", state=OperationState.RUNNING)
OUR_EARLIER = Holder(agent_id="agent", operation_id="ours", host="here", created=1.0).content()


@pytest.fixture
def on_share(fake: FakeHost) -> FakeHost:
    fake.watch.mount("/pools/p", "server:/export")
    return fake


def mutation(fake: FakeHost, **asked: Any) -> CreateVolume:
    stated: dict[str, Any] = {"name": "v", "format": "raw", "capacity_bytes": MIB, "allocation_bytes": 0}
    definition = VolumeDefinition(**stated | asked)
    return CreateVolume(host=use_case_host(fake), promises=Promises(), pool="p", definition=definition)


async def create(fake: FakeHost, **asked: Any) -> Operation:
    return await operations().submit(mutation(fake, **asked), Caller(name="unix", rpc="CreateVolume"))


def grow_old(fake: FakeHost, *, age_s: float, server_s: float | None = None) -> None:
    """Let that time pass on this host's clock, and on that of the files."""
    fake.clock.time_s += age_s
    fake.files.clock_now_s += age_s if server_s is None else server_s


async def test_the_name_is_reserved_while_libvirt_creates_and_free_afterwards(fake: FakeHost) -> None:
    seen: list[dict[str, bytes]] = []
    creating = fake.hypervisor.create_volume

    async def create_volume(pool: str, xml: str, **how: Any) -> Any:
        seen.append(dict(fake.files.kept))
        return await creating(pool, xml, **how)

    fake.hypervisor.create_volume = create_volume
    assert (await create(fake)).changed
    assert [list(kept) for kept in seen] == [[RESERVATION]]
    assert fake.files.kept == {}


async def test_what_another_agent_is_creating_is_refused_naming_it(fake: FakeHost) -> None:
    fake.files.kept[RESERVATION] = ANOTHERS
    failure = (await create(fake)).failure
    assert failure is not None
    assert failure.reason is Reason.NAME_RESERVED
    assert dict(failure.metadata) == {
        "pool": "p", "volume": "v", "agent": "another", "host": "far", "operation": "theirs"
    }  # fmt: skip
    assert failure.retry_delay_s
    assert fake.hypervisor.volumes["p"] == {}
    assert fake.files.kept[RESERVATION] == ANOTHERS


@pytest.mark.parametrize(
    ("content", "age_s", "passes"),
    [
        (OUR_EARLIER, 0.0, True),
        (ANOTHERS, DAY_S - 60, False),
        (ANOTHERS, DAY_S + 60, True),
        (b"", 60.0, False),
        (b"", 660.0, True),
        (b"{\xff", 660.0, True),
    ],
    ids=["our earlier life's", "not a day old", "a day old", "only just made", "never written", "not readable"],
)
async def test_what_is_left_over_holds_nobody_up(fake: FakeHost, content: bytes, age_s: float, passes: bool) -> None:
    fake.files.kept[RESERVATION] = content
    grow_old(fake, age_s=age_s)
    operation = await create(fake)
    assert operation.changed is passes
    assert (RESERVATION in fake.files.kept) is not passes


@pytest.mark.parametrize(("age_s", "passes"), [(DAY_S - 60, False), (DAY_S + 60, True)])
async def test_what_cannot_be_read_is_not_taken_for_never_written(fake: FakeHost, age_s: float, passes: bool) -> None:
    fake.files.kept[RESERVATION] = ANOTHERS
    fake.files.private[RESERVATION] = ShareUser(uid=1000, gid=100)
    grow_old(fake, age_s=age_s)
    assert (await create(fake)).changed is passes


async def test_a_clock_that_is_wrong_by_days_makes_no_reservation_old(fake: FakeHost) -> None:
    fake.files.kept[RESERVATION] = ANOTHERS
    grow_old(fake, age_s=3 * DAY_S, server_s=60.0)
    failure = (await create(fake)).failure
    assert failure is not None
    assert failure.reason is Reason.NAME_RESERVED
    assert fake.files.kept[RESERVATION] == ANOTHERS


@pytest.mark.parametrize("reason", [Reason.FULL, Reason.INTERNAL])
async def test_a_creation_that_failed_reserves_nothing(fake: FakeHost, reason: Reason) -> None:
    fake.hypervisor.failing["create_volume p v"] = ModelError(reason, "no")
    assert (await create(fake)).failure is not None
    assert fake.files.kept == {}


@pytest.mark.parametrize("reason", [Reason.LIBVIRT_UNAVAILABLE, Reason.OPERATION_TIMED_OUT])
async def test_what_libvirt_may_yet_create_stays_reserved_until_we_create_it_again(
    fake: FakeHost, reason: Reason
) -> None:
    fake.hypervisor.failing["create_volume p v"] = ModelError(reason, "no")
    assert (await create(fake)).failure is not None
    assert list(fake.files.kept) == [RESERVATION]
    fake.hypervisor.failing.clear()
    assert (await create(fake)).changed
    assert fake.files.kept == {}


async def test_a_file_that_came_after_our_look_is_compared_and_not_overwritten(fake: FakeHost) -> None:
    made = fake.files.make_exclusive

    async def make_exclusive(path: str, content: bytes, **how: Any) -> Any:
        fake.files.kept["/pools/p/v"] = b"a neighbour's"
        fake.hypervisor.volumes["p"]["v"] = volume_facts("p", "v", capacity_bytes=2 * MIB)
        return await made(path, content, **how)

    fake.files.make_exclusive = make_exclusive
    operation = await create(fake)
    assert operation.failure is not None
    assert operation.failure.reason is Reason.VOLUME_EXISTS
    assert "create_volume p v" not in fake.hypervisor.called
    assert fake.files.kept == {"/pools/p/v": b"a neighbour's"}


async def test_a_volume_that_another_agent_is_only_just_creating_is_none_yet(fake: FakeHost) -> None:
    fake.hypervisor.volumes["p"]["v"] = volume_facts("p", "v")
    fake.files.kept[RESERVATION] = ANOTHERS
    with pytest.raises(ModelError) as refused:
        await create(fake)
    assert refused.value.reason is Reason.NAME_RESERVED
    deletion = DeleteVolume(host=use_case_host(fake), pool="p", volume="v", allow_in_use=True)
    with pytest.raises(ModelError) as refused:
        await operations().submit(deletion, Caller(name="unix", rpc="DeleteVolume"))
    assert refused.value.reason is Reason.NAME_RESERVED
    assert "v" in fake.hypervisor.volumes["p"]


def test_each_name_has_a_reservation_of_its_own_that_a_file_can_have() -> None:
    names = ["v", "v" * 235, "v" * 251, "w" * 251, "ö" * 125]
    reservations = {reservation_name(name) for name in names}
    assert len(reservations) == len(names)
    assert all(len(name.encode()) <= 255 for name in reservations)


async def test_a_creation_waits_out_the_server_s_grace_before_it_reserves(
    on_share: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_open = asyncio.Event()

    async def open_first(path: str, *, timeout_s: float) -> None:
        await may_open.wait()

    monkeypatch.setattr(grace, "SAID_AFTER_S", 0.01)
    on_share.files.open_first = open_first
    running = operations()
    creating = asyncio.create_task(running.submit(mutation(on_share), Caller(name="unix", rpc="CreateVolume")))
    await until(lambda: any(one.warnings for one in running.journal.newest_first()))
    assert on_share.files.kept == {}
    may_open.set()
    operation = await running.journal.wait((await creating).id, 5)
    assert operation.changed
    assert operation.warnings == (grace.MESSAGE,)


async def test_a_reservation_is_waited_for_as_long_as_a_grace_period_lasts(on_share: FakeHost) -> None:
    limits: list[float] = []
    made = on_share.files.make_exclusive

    async def make_exclusive(path: str, content: bytes, *, timeout_s: float, **how: Any) -> Any:
        limits.append(timeout_s)
        return await made(path, content, **how)

    on_share.files.make_exclusive = make_exclusive
    assert (await create(on_share)).changed
    assert limits == [grace.LONGEST_GRACE_S]


@pytest.mark.parametrize("ends_by", ["POOL_UNRESPONSIVE", "cancellation", "a removal that failed"])
async def test_a_reservation_that_may_come_late_is_swept_when_its_operation_has_ended(
    fake: FakeHost, ends_by: str
) -> None:
    made, asked = fake.files.make_exclusive, asyncio.Event()

    async def made_late(path: str, content: bytes, **how: Any) -> Any:
        answer = await made(path, content, **how)
        asked.set()
        if ends_by == "cancellation":
            await asyncio.Event().wait()
        if ends_by == "POOL_UNRESPONSIVE":
            raise ModelError(Reason.POOL_UNRESPONSIVE, "no answer")
        return answer

    async def not_removed(path: str, **how: Any) -> bool:
        raise ModelError(Reason.POOL_UNRESPONSIVE, "no answer")

    fake.files.make_exclusive, removing = made_late, fake.files.unlink_if
    fake.files.unlink_if = not_removed
    journal = Journal(store=MemoryOperations())
    left_overs = LeftOvers(host=use_case_host(fake), journal=journal)
    report = Report(journal=journal, operation_id=OPERATION.id)
    await journal.begin(OPERATION, None)

    async def hold() -> None:
        async with reserved(use_case_host(fake), fake.registry.snapshot.entry("p"), "v", report):
            pass

    going_on = asyncio.create_task(hold())
    await asked.wait()
    if ends_by == "cancellation":
        going_on.cancel()
    await asyncio.gather(going_on, return_exceptions=True)
    fake.files.unlink_if = removing
    await left_overs.sweep()
    assert list(fake.files.kept) == [RESERVATION]
    await journal.change("now", lambda known: replace(known, state=OperationState.FAILED))
    await left_overs.sweep()
    assert fake.files.kept == {}


async def test_a_reservation_stays_while_libvirt_may_yet_create_for_an_operation_that_has_ended(fake: FakeHost) -> None:
    fake.hypervisor.failing["create_volume p v"] = ModelError(Reason.LIBVIRT_UNAVAILABLE, "no")
    running = operations()
    await running.submit(mutation(fake), Caller(name="unix", rpc="CreateVolume"))
    await LeftOvers(host=use_case_host(fake), journal=running.journal).sweep()
    assert list(fake.files.kept) == [RESERVATION]


async def test_a_half_made_volume_stays_where_the_share_is_gone_and_the_failure_is_that_of_the_creation(
    on_share: FakeHost,
) -> None:
    async def create_volume(pool: str, xml: str, **how: Any) -> Any:
        on_share.files.kept["/pools/p/v"] = b"below the share"
        on_share.files.lies_on = "8:1"
        raise ModelError(Reason.INTERNAL, "qemu-img failed")

    on_share.hypervisor.create_volume = create_volume
    failure = (await create(on_share, format="qcow2")).failure
    assert failure is not None
    assert failure.reason is Reason.INTERNAL
    assert on_share.files.kept["/pools/p/v"] == b"below the share"
