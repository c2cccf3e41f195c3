"""After a restart: what was cut off is failed, its debris removed, and nobody else's volume touched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Lanes
from poolfleet_agent.control.recovery import Recovery
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.ports import PoolEvent, PoolEventKind
from poolfleet_agent.model.reservation import Holder
from poolfleet_agent.model.share_user import ShareUser
from tests.unit.agent.fake_host import MIB, FakeHost, pool_facts, until, use_case_host, volume_facts
from tests.unit.agent.memory_operations import MemoryOperations

RESERVATION = "/pools/p/.poolfleet-reserve.v"

CUT_OFF = Operation(
    id="o", kind=OperationKind.CREATE_VOLUME, pool="p", volume="v", created_at_s=1000.0,
    debris=json.dumps({"pool": "p", "volume": "v", "capacity_bytes": MIB, "format": "raw"}),
)  # fmt: skip


def reserved_by(operation_id: str) -> bytes:
    return Holder(agent_id="agent", operation_id=operation_id, host="h", created=1000.0).content()


@dataclass
class Restarted:
    fake: FakeHost
    recovery: Recovery
    journal: Journal

    async def clean(self) -> None:
        left = await self.recovery.fail_unfinished(await self.journal.load())
        held = [(operation, self.recovery.claim(operation)) for operation in left]
        cleaning = asyncio.create_task(self.recovery.clean(held))
        async with asyncio.timeout(60):
            while not cleaning.done():
                self.fake.clock.time_s += 10
                await asyncio.sleep(0.05)
        await cleaning


@pytest.fixture
async def restarted() -> AsyncIterator[Restarted]:
    fake, journal, lanes = FakeHost(), Journal(store=MemoryOperations()), Lanes()
    fake.hypervisor.add(pool_facts("p"), "v")
    fake.hypervisor.volumes["p"]["v"] = replace(volume_facts("p", "v"), modified_at_s=1000.0)
    fake.files.kept[RESERVATION] = reserved_by("o")
    await fake.looker.all_pools()
    await journal.store.save(CUT_OFF)
    yield Restarted(fake, Recovery(host=use_case_host(fake), journal=journal, lanes=lanes), journal)
    await fake.looker.close()


async def test_what_was_cut_off_is_failed_and_what_it_made_is_removed(restarted: Any) -> None:
    await restarted.clean()
    operation = restarted.journal.get("o")
    assert operation.failure is not None
    assert (operation.state, operation.failure.reason) == (OperationState.FAILED, Reason.AGENT_RESTARTED)
    assert restarted.fake.hypervisor.volumes["p"] == {}
    assert restarted.fake.files.kept == {}


async def test_a_clone_that_was_cut_off_leaves_nothing_either(restarted: Any) -> None:
    asked = json.loads(CUT_OFF.debris)
    clone = replace(CUT_OFF, kind=OperationKind.CLONE_VOLUME, debris=json.dumps(asked | {"made_here": True}))
    await restarted.journal.store.save(clone)
    restarted.fake.files.kept["/pools/p/.poolfleet-new.o"] = b"half"
    await restarted.clean()
    assert restarted.fake.files.kept == {}


async def test_of_what_the_agent_makes_itself_only_what_has_no_name_yet_is_removed(restarted: Any) -> None:
    asked = json.loads(CUT_OFF.debris)
    await restarted.journal.store.save(replace(CUT_OFF, debris=json.dumps(asked | {"made_here": True})))
    restarted.fake.files.kept["/pools/p/.poolfleet-new.o"] = b"half"
    await restarted.clean()
    assert restarted.fake.files.kept == {}
    assert "v" in restarted.fake.hypervisor.volumes["p"]


@pytest.mark.parametrize("reservation", [None, b"", reserved_by("another")], ids=["none", "unreadable", "another's"])
async def test_a_volume_whose_reservation_is_not_that_operation_s_stays_and_the_reservation_too(
    restarted: Any, reservation: bytes | None
) -> None:
    kept = {} if reservation is None else {RESERVATION: reservation}
    restarted.fake.files.kept = dict(kept)
    await restarted.clean()
    assert "v" in restarted.fake.hypervisor.volumes["p"]
    assert restarted.fake.files.kept == kept


@pytest.mark.parametrize(
    "found",
    [
        {"modified_at_s": 1100.0, "capacity_bytes": 2 * MIB},
        {"modified_at_s": 1100.0, "format": "qcow2"},
    ],
    ids=["larger", "another format"],
)
async def test_a_volume_of_that_name_that_is_somebody_elses_stays(restarted: Any, found: Any) -> None:
    volumes = restarted.fake.hypervisor.volumes["p"]
    volumes["v"] = replace(volumes["v"], **found)
    await restarted.clean()
    assert "v" in volumes


async def test_a_volume_that_a_domain_uses_by_now_stays(restarted: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    reference = DomainReference(
        domain="d", domain_uuid="u", domain_state=DomainState.INACTIVE, role=DiskRole.DISK, target="vda",
        source_kind="file", path="/pools/p/v",
    )  # fmt: skip

    async def read_domains() -> DomainReading:
        return DomainReading(references=(reference,))

    monkeypatch.setattr(restarted.fake.hypervisor, "read_domains", read_domains)
    await restarted.clean()
    assert "v" in restarted.fake.hypervisor.volumes["p"]


async def test_nothing_is_removed_while_it_cannot_be_told_whether_it_is_used(
    restarted: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    readings = 0

    async def read_domains() -> DomainReading:
        nonlocal readings
        readings += 1
        return DomainReading(references=(), missing=("qemu:///system is away",))

    monkeypatch.setattr(restarted.fake.hypervisor, "read_domains", read_domains)
    cleaning = asyncio.create_task(restarted.clean())
    async with asyncio.timeout(60):
        while readings < 3:
            await asyncio.sleep(0.05)
    assert "v" in restarted.fake.hypervisor.volumes["p"]
    cleaning.cancel()
    await asyncio.gather(cleaning, return_exceptions=True)


async def test_what_libvirt_has_yet_to_see_is_refreshed_and_a_stop_by_that_is_not_taken_for_a_persons(
    restarted: Any,
) -> None:
    fake = restarted.fake
    fake.hypervisor.volumes["p"].clear()
    fake.files.kept["/pools/p/v"] = b""
    fake.hypervisor.failing["refresh_pool p"] = ModelError(Reason.INTERNAL, "cannot open volume")
    cleaning = asyncio.create_task(restarted.clean())
    await until(lambda: "refresh_pool p" in fake.hypervisor.called)
    stopped = PoolEvent(kind=PoolEventKind.STOPPED, pool="p")
    await until(lambda: fake.own_changes.explain(stopped, heard_at_s=fake.clock.monotonic_s()))
    del fake.hypervisor.failing["refresh_pool p"]
    await cleaning
    assert fake.hypervisor.volumes["p"] == {}


async def put_on_share(fake: Any, *, active: bool = True) -> None:
    """Let the folder of `p` be one of a share that somebody mounted on the host, which the agent has seen."""
    fake.watch.mount("/pools/p", "server:/export")
    await fake.looker.all_pools()
    fake.hypervisor.add(pool_facts("p", active=active), "v")
    await fake.looker.all_pools()


@pytest.mark.parametrize("kept_by", ["silence", "unmounted", "unmounted, and the pool stopped"])
async def test_what_could_not_be_removed_is_owed_over_restarts_until_its_share_is_back(
    restarted: Any, monkeypatch: pytest.MonkeyPatch, kept_by: str
) -> None:
    monkeypatch.setattr("poolfleet_agent.control.recovery.LONGEST_WAIT_S", 0.0)
    monkeypatch.setattr("poolfleet_agent.control.recovery.SETTLE_S", 0.0)
    fake, volumes = restarted.fake, restarted.fake.hypervisor.volumes
    on_share, fake.files.kept = fake.files.kept, {}
    await put_on_share(fake, active=not kept_by.endswith("stopped"))
    if kept_by == "silence":
        fake.files.kept = on_share
        fake.watch.become("/pools/p", HealthStatus.UNRESPONSIVE)
    else:
        fake.watch.unmount("/pools/p")
    await restarted.clean()
    assert restarted.journal.owes("o")

    journal = Journal(store=restarted.journal.store)
    assert await journal.load() == []
    recovery = Recovery(host=restarted.recovery.host, journal=journal, lanes=Lanes())
    assert await recovery.clean_owed()
    recovery.lanes.release(recovery.claim(CUT_OFF))  # meanwhile others may work there
    assert "v" in volumes["p"]

    fake.watch.entries = []
    fake.files.kept = on_share
    await put_on_share(fake)
    monkeypatch.setattr("poolfleet_agent.control.recovery.LONGEST_WAIT_S", 5.0)
    assert not await recovery.clean_owed()
    assert (volumes["p"], fake.files.kept) == ({}, {})
    assert not journal.owes("o")


async def test_nothing_is_owed_any_more_of_what_was_cleaned_up(restarted: Any) -> None:
    await restarted.clean()
    assert restarted.journal.owed() == []
    assert restarted.journal.get("o").state is OperationState.FAILED


async def test_what_no_reservation_tells_from_a_volume_that_was_made_anew_is_never_removed_later(
    restarted: Any,
) -> None:
    fake = restarted.fake
    facts = fake.hypervisor.pools["p"]
    fake.hypervisor.pools["p"] = replace(facts, definition=replace(facts.definition, type="logical"))
    await fake.looker.all_pools()
    await restarted.recovery.fail_unfinished(await restarted.journal.load())
    await restarted.recovery.clean_owed()
    assert "v" in fake.hypervisor.volumes["p"]


async def test_a_new_creation_of_that_name_waits_for_the_cleaning(restarted: Any) -> None:
    (left,) = await restarted.recovery.fail_unfinished(await restarted.journal.load())
    claim = restarted.recovery.claim(left)
    with pytest.raises(ModelError) as held:
        restarted.recovery.lanes.claim(kind=OperationKind.CREATE_VOLUME, pool="p", volume="v", fingerprint="new")
    assert held.value.reason is Reason.OPERATION_IN_PROGRESS
    restarted.recovery.lanes.release(claim)


async def test_a_reservation_that_cannot_be_read_yet_does_not_end_the_search(restarted: Any) -> None:
    restarted.fake.files.private[RESERVATION] = ShareUser(uid=1000, gid=100)
    cleaning = asyncio.create_task(restarted.clean())
    await asyncio.sleep(0.4)
    assert not cleaning.done()
    restarted.fake.files.private.clear()
    await cleaning
    assert restarted.fake.hypervisor.volumes["p"] == {}
    assert restarted.fake.files.kept == {}
