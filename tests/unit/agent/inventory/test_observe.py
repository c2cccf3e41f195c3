"""The task that looks: what it hears is seen soon, and what others do on the host becomes what is meant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest

from poolfleet_agent.inventory import observe
from poolfleet_agent.inventory.observe import STORED_EVERY_S, Observer
from poolfleet_agent.model.desired_state import Desired
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, PoolDefinition, PoolFacts, PoolState, Storage, StorageIdSource
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import ConnectionEvent, DomainEvent, PoolEvent, PoolEventKind, StoredSnapshot
from tests.unit.agent.fake_host import FakeHost, observer_of, pool_facts, until, volume_facts


@dataclass
class FullStore:
    """A snapshot store on a disk that may be full."""

    full: bool = False
    saved: list[StoredSnapshot] = field(default_factory=list)

    async def load(self) -> StoredSnapshot | None:
        return None

    async def save(self, snapshot: StoredSnapshot) -> None:
        if self.full:
            raise ModelError(Reason.NO_SPACE, "full")
        self.saved.append(snapshot)


@dataclass
class Observed:
    host: FakeHost
    observer: Observer
    store: FullStore

    def desired(self, pool: str) -> Desired | None:
        state = self.host.registry.snapshot.pools[pool].pool.desired
        return state.desired if state else None


@pytest.fixture
async def observed() -> AsyncIterator[Observed]:
    host, store = FakeHost(), FullStore()
    host.hypervisor.add(pool_facts("p"), "a")
    observer = observer_of(host, store)
    task = asyncio.create_task(observer.run())
    await until(lambda: bool(store.saved))
    yield Observed(host, observer, store)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await observer.close()
    await host.looker.close()


def is_desired(observed: Any, desired: Desired) -> bool:
    return bool(observed.desired("p") is desired)


async def test_what_is_stopped_or_started_on_the_host_is_meant_to_be_and_shown_at_once(observed: Any) -> None:
    pools = observed.host.hypervisor.pools
    assert observed.desired("p") is Desired.STARTED
    for state, kind, desired in (
        (PoolState.INACTIVE, PoolEventKind.STOPPED, Desired.STOPPED),
        (PoolState.RUNNING, PoolEventKind.STARTED, Desired.STARTED),
    ):
        pools["p"] = replace(pools["p"], state=state)
        observed.observer.hear(PoolEvent(kind=kind, pool="p"))
        await until(partial(is_desired, observed, desired))


async def test_what_is_wished_of_the_agent_since_stays_while_it_is_not_done_yet(observed: Any) -> None:
    host, hypervisor = observed.host, observed.host.hypervisor
    for kind, state, wished in (
        (PoolEventKind.STARTED, PoolState.RUNNING, Desired.STOPPED),
        (PoolEventKind.STOPPED, PoolState.INACTIVE, Desired.STARTED),
    ):
        hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=state)
        observed.observer.hear(PoolEvent(kind=kind, pool="p"))
        host.clock.time_s += 0.01
        await host.intents.want(hypervisor.pools["p"], wished, "an operation")
        await until(lambda: not observed.observer.wishes.is_undecided("p"))
        await host.looker.pool_facts("p")
        assert observed.desired("p") is wished


async def test_a_stop_that_was_meant_is_nobody_s_failure_and_asks_no_server(observed: Any) -> None:
    hypervisor, asked = observed.host.hypervisor, []

    async def server_answers(definition: PoolDefinition) -> bool:
        asked.append(definition.name)
        return False

    observed.observer.wishes.server_answers = server_answers
    hypervisor.pools = {name: as_share(facts) for name, facts in hypervisor.pools.items()}
    for wanted, expected in ((Desired.STARTED, ["p"]), (Desired.STOPPED, [])):
        asked.clear()
        hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=PoolState.RUNNING)
        await observed.host.looker.pool("p")
        await observed.host.intents.want(hypervisor.pools["p"], wanted, "StopPool")
        hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=PoolState.INACTIVE)
        looks = hypervisor.called.count("read_domains")
        observed.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="p"))
        observed.observer.hear(DomainEvent(domain="d"))
        await until(partial(more_looks, hypervisor.called, looks))
        assert (asked, observed.desired("p")) == (expected, wanted)


def more_looks(called: list[str], than: int) -> bool:
    return called.count("read_domains") > than


def as_share(facts: PoolFacts) -> PoolFacts:
    source = NetfsSource(host="nfs1", path="/export")
    definition = replace(facts.definition, type="netfs", source=source)
    return replace(facts, definition=definition, stored_definition=definition)


async def test_a_refresh_that_is_heard_of_is_looked_at(observed: Any) -> None:
    observed.host.hypervisor.volumes["p"]["b"] = volume_facts("p", "b")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await until(lambda: list(observed.host.registry.snapshot.pools["p"].volumes) == ["a", "b"])


async def test_what_is_heard_during_a_look_is_looked_at_after_it(observed: Any) -> None:
    hypervisor = observed.host.hypervisor
    hypervisor.called.clear()
    held = hypervisor.hold("look_at_folder p")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await until(lambda: "look_at_folder p" in hypervisor.called)
    hypervisor.volumes["p"]["b"] = volume_facts("p", "b")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    held.set()
    await until(lambda: list(observed.host.registry.snapshot.pools["p"].volumes) == ["a", "b"])


async def test_a_stop_that_is_heard_of_after_its_pool_was_looked_at_is_believed_after_the_next_look(
    observed: Any,
) -> None:
    hypervisor = observed.host.hypervisor
    hypervisor.add(pool_facts("q"))
    held = hypervisor.hold("read_pool q")
    for pool in ("p", "q"):
        observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool=pool))
    await until(lambda: "read_pool q" in hypervisor.called)
    hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=PoolState.INACTIVE)
    observed.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="p"))
    held.set()
    await until(partial(is_desired, observed, Desired.STOPPED))


def hear_of_a_stop_that_no_look_sees(observed: Observed, error: ModelError) -> None:
    """Libvirt tells of it, and refuses to be asked about the pool from then on; what is asked is counted from here."""
    hypervisor = observed.host.hypervisor
    hypervisor.failing["read_pool p"] = error
    observed.host.clock.time_s += 1
    hypervisor.called.clear()
    observed.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="p"))


async def test_a_stop_of_a_pool_that_cannot_be_looked_at_is_believed_once_it_can(
    observed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "RETRY_S", 0.01)
    hypervisor = observed.host.hypervisor
    hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=PoolState.INACTIVE)
    hear_of_a_stop_that_no_look_sees(observed, ModelError(Reason.TOO_BUSY, "no libvirt call came free"))
    await until(lambda: hypervisor.called.count("read_pool p") >= 2)
    assert observed.observer.wishes.is_undecided("p")
    assert observed.desired("p") is Desired.STARTED
    del hypervisor.failing["read_pool p"]
    await until(partial(is_desired, observed, Desired.STOPPED))


async def test_a_call_that_hangs_is_not_joined_by_another_to_judge_a_stop(
    observed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observe, "RETRY_S", 0.01)
    hypervisor = observed.host.hypervisor
    monkeypatch.setattr(hypervisor, "pool_hangs", lambda pool: pool == "p")
    hear_of_a_stop_that_no_look_sees(observed, ModelError(Reason.LIBVIRT_UNAVAILABLE, "libvirt did not answer"))
    await until(lambda: "read_pool p" in hypervisor.called)
    for _ in range(3):  # it goes on with others
        looks = hypervisor.called.count("read_domains")
        observed.observer.hear(DomainEvent(domain="d"))
        await until(partial(more_looks, hypervisor.called, looks))
    assert hypervisor.called.count("read_pool p") == 1
    assert observed.observer.wishes.is_undecided("p")


async def test_what_a_failed_refresh_has_stopped_is_meant_to_run_also_where_the_start_before_it_is_told_late(
    observed: Any,
) -> None:
    hypervisor = observed.host.hypervisor
    with pytest.raises(ValueError, match="stale"), observed.host.own_changes.refreshing("p"):
        raise ValueError("stale")
    hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=PoolState.INACTIVE)
    observed.observer.hear(PoolEvent(kind=PoolEventKind.STARTED, pool="p"))
    await until(lambda: not observed.host.registry.snapshot.pools["p"].pool.active)
    observed.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="p"))
    await until(lambda: not observed.observer.wishes.is_undecided("p"))
    assert observed.desired("p") is Desired.STARTED


async def test_nor_does_a_look_from_before_the_refresh_tell_that_it_was_started_since(observed: Any) -> None:
    hypervisor = observed.host.hypervisor
    hypervisor.called.clear()
    held = hypervisor.hold("look_at_folder p")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.STARTED, pool="p"))
    await until(lambda: "look_at_folder p" in hypervisor.called)
    with pytest.raises(ValueError, match="stale"), observed.host.own_changes.refreshing("p"):
        raise ValueError("stale")
    hypervisor.pools["p"] = replace(hypervisor.pools["p"], state=PoolState.INACTIVE)
    held.set()
    await until(lambda: not observed.observer.wishes.is_undecided("p"))
    observed.observer.hear(PoolEvent(kind=PoolEventKind.STOPPED, pool="p"))
    await until(lambda: not observed.observer.wishes.is_undecided("p"))
    assert observed.desired("p") is Desired.STARTED


async def test_after_a_reconnection_everything_is_looked_at(observed: Any) -> None:
    observed.host.hypervisor.add(pool_facts("q"))
    observed.observer.hear(ConnectionEvent(connected=True))
    await until(lambda: "q" in observed.host.registry.snapshot.pools)


async def test_a_snapshot_that_cannot_be_stored_costs_no_looks_and_is_stored_later(observed: Any) -> None:
    observed.store.full = True
    observed.host.hypervisor.called.clear()
    observed.host.hypervisor.volumes["p"]["b"] = volume_facts("p", "b")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await until(lambda: len(observed.host.registry.snapshot.pools["p"].volumes) == 2)
    await observed.observer.save()
    assert "pool_names" not in observed.host.hypervisor.called
    observed.store.full = False
    await observed.observer.save()
    assert observed.store.saved[-1].pools[0].volumes[-1].name == "b"


async def test_what_the_agent_s_own_changes_led_to_is_stored_before_a_look_that_may_hang(observed: Any) -> None:
    hypervisor = observed.host.hypervisor
    hypervisor.add(pool_facts("new"))
    await observed.host.looker.pool("new")
    hypervisor.called.clear()
    held = hypervisor.hold("look_at_folder p")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await until(lambda: "look_at_folder p" in hypervisor.called)
    assert [pool.pool.name for pool in observed.store.saved[-1].pools] == ["new", "p"]
    held.set()


async def test_which_storage_a_pool_lies_on_is_stored_at_once(observed: Any) -> None:
    registry, hypervisor = observed.host.registry, observed.host.hypervisor
    entry = registry.snapshot.pools["p"]
    adopted = Storage(id="adopted", source=StorageIdSource.MARKER)
    registry.put(replace(entry, pool=replace(entry.pool, storage=adopted), encoded=b"adopted"))
    hypervisor.called.clear()
    held = hypervisor.hold("look_at_folder p")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await until(lambda: "look_at_folder p" in hypervisor.called)
    assert [pool.pool.storage for pool in observed.store.saved[-1].pools] == [adopted]
    held.set()


async def test_who_asks_for_the_domains_while_they_are_read_shares_the_next_reading(observed: Any) -> None:
    hypervisor = observed.host.hypervisor
    hypervisor.called.clear()
    held = hypervisor.hold("read_domains")
    first = asyncio.create_task(observed.observer.look_at_domains())
    await until(lambda: "read_domains" in hypervisor.called)
    others = [asyncio.create_task(observed.observer.look_at_domains()) for _ in range(5)]
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(first, *others)
    assert hypervisor.called == ["read_domains"] * 2


async def test_what_domains_use_is_as_of_when_their_reading_began(observed: Any) -> None:
    hypervisor, clock = observed.host.hypervisor, observed.host.clock
    hypervisor.called.clear()
    held = hypervisor.hold("read_domains")
    began_s = clock.time_s = 1000.0
    reading = asyncio.create_task(observed.observer.look_at_domains())
    await until(lambda: "read_domains" in hypervisor.called)
    clock.time_s = 1010.0
    held.set()
    assert (await reading).as_of_s == began_s


async def test_the_first_look_waits_for_the_first_probes() -> None:
    host = FakeHost()
    host.hypervisor.add(pool_facts("p"))
    host.watch.mount("/mnt/share", "nfs:/export")
    host.watch.known.clear()
    observer = observer_of(host, FullStore())
    task = asyncio.create_task(observer.run())
    for _ in range(20):
        await asyncio.sleep(0)
    assert host.hypervisor.called == []
    host.watch.become("/mnt/share", HealthStatus.UNRESPONSIVE)
    await until(lambda: host.registry.snapshot.loaded)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await observer.close()
    await host.looker.close()


async def a_look_held(observed: Observed) -> asyncio.Event:
    """A refresh was heard of, and the look that it led to, the first to be counted, stands until the event is set."""
    hypervisor = observed.host.hypervisor
    await until(lambda: "look_at_folder p" in hypervisor.called)
    hypervisor.called.clear()
    held: asyncio.Event = hypervisor.hold("look_at_folder p")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await until(lambda: "look_at_folder p" in hypervisor.called)
    return held


async def test_events_that_come_faster_than_looks_end_are_looked_after_together(observed: Any) -> None:
    hypervisor, clock = observed.host.hypervisor, observed.host.clock
    held = await a_look_held(observed)
    # A look that took so long is rested from for a second, in which all events come, however busy the machine is.
    clock.time_s += 0.25
    held.set()
    hypervisor.volumes["p"]["b"] = volume_facts("p", "b")
    for _ in range(50):
        observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
        await asyncio.sleep(0)
    await until(lambda: "b" in observed.host.registry.snapshot.pools["p"].volumes)
    assert hypervisor.called.count("look_at_folder p") == 2


async def test_refreshes_wait_for_one_another_and_nothing_waits_for_them(
    observed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hypervisor, clock = observed.host.hypervisor, observed.host.clock
    for name in ("REFRESHES_REST", "LONGEST_REFRESHES_REST_S"):
        monkeypatch.setattr(observe, name, 1e6)
    held = await a_look_held(observed)
    clock.time_s += 0.001
    held.set()
    hypervisor.volumes["p"]["b"] = volume_facts("p", "b")
    observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
    await asyncio.sleep(2 * observe.REST * 0.001)  # it has rested
    assert hypervisor.called.count("look_at_folder p") == 1
    hypervisor.add(pool_facts("q"))
    observed.observer.hear(PoolEvent(kind=PoolEventKind.DEFINED, pool="q"))
    await until(lambda: "q" in observed.host.registry.snapshot.pools)
    await until(lambda: "b" in observed.host.registry.snapshot.pools["p"].volumes)


async def test_what_changes_all_the_time_is_stored_now_and_then_and_whole_in_the_end(observed: Any) -> None:
    hypervisor, store, clock = observed.host.hypervisor, observed.store, observed.host.clock

    async def look_at_one_more(volume: str) -> None:
        hypervisor.volumes["p"][volume] = volume_facts("p", volume)
        observed.observer.hear(PoolEvent(kind=PoolEventKind.REFRESHED, pool="p"))
        await until(lambda: volume in observed.host.registry.snapshot.pools["p"].volumes)

    assert len(store.saved) == 1
    for volume in "bcd":
        await look_at_one_more(volume)
    assert len(store.saved) == 1
    clock.time_s += STORED_EVERY_S
    await look_at_one_more("e")
    await until(lambda: len(store.saved) == 2)
    await look_at_one_more("f")
    assert "f" not in [volume.name for volume in store.saved[-1].pools[0].volumes]
    await observed.observer.save_at_end()
    assert [volume.name for volume in store.saved[-1].pools[0].volumes] == list("abcdef")
