"""Whatever happens on several hosts and behind their backs: what is in use is neither destroyed nor called an orphan,
and what the fleet tells is what a walk of files and definitions finds, as soon as it says that it is as new."""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from poolfleet import BackingStore, Fleet, InventoryStore, PoolfleetError, VolumeSpec, open_store
from scripts.embedded.process import wait_until
from tests.integration.acting.conftest import POOLS, STORAGE, Hosts
from tests.integration.acting.told import orphans, stored_since, told, told_since
from tests.integration.acting.walked import SHARED, File, Use, Walked, walk
from tests.state_machines import examples, real_hosts
from tests.virsh import virsh

EXAMPLES = examples(5)
STEPS = 20
MOST_LOSSES = 2
STALENESS_S = 5.0
# What is told as complete is no older: a look takes time of its own.
OLDEST_S = 2 * STALENESS_S
# For a machine that has much else to do.
LIMIT_S = 60.0

MIB = 1 << 20
# Always there: two hosts that looked at different times and saw no file in common are not taken to have one storage.
KEPT = "kept.raw"
RAW, QCOW2 = ("a.raw", "b.raw"), ("c.qcow2", "d.qcow2", "e.qcow2")
IN_USE = "VOLUME_IN_USE"
# While an agent or a libvirtd is away.
AWAY = frozenset({"INCOMPLETE", "UNREACHABLE", "NO_HOST", "LIBVIRT_UNAVAILABLE"})

picks = st.integers(0, 9)
"""One of those that there are, counted on from the first again."""
any_host = st.sampled_from(("one", "two", "three"))
places = st.sampled_from((SHARED, SHARED, SHARED, "one", "two", "three"))
throughs = st.sampled_from((None, *POOLS))
"""The host that has to act; None: whichever the fleet chooses."""


Action = TypeVar("Action", bound=Callable[..., None])
ACTIONS: list[st.SearchStrategy[tuple[str, dict[str, Any]]]] = []


def action(**arguments: st.SearchStrategy[Any]) -> Callable[[Action], Action]:
    """One of all that may happen, each as often: of rules each example leaves most out."""

    def noted(method: Action) -> Action:
        ACTIONS.append(st.tuples(st.just(method.__name__), st.fixed_dictionaries(arguments)))
        return method

    return noted


class FleetMachine(RuleBasedStateMachine):
    """Does anything, in any order, by the fleet and past it."""

    hosts: ClassVar[Hosts]
    fleet: ClassVar[Fleet]
    store: ClassVar[InventoryStore]
    done: ClassVar[set[str]] = set()
    """What has happened at least once."""

    def __init__(self) -> None:
        super().__init__()
        self.away = ""
        """The host whose agent or libvirtd does not run; empty: all do."""
        self.steps_away = 0
        """After so many more it is there again."""
        self.losses = 0
        self.guests = 0
        self.changed_at = time.monotonic()
        self.since: dict[Use, float] = {}

    @initialize(pick=picks)
    def furnish(self, pick: int) -> None:
        """Something to work on."""
        for number in range(4):
            self.create(number, number, False, None)
        self.overlay(SHARED, 0, pick, False)
        self.define("three", 0, "path", False, None)
        self.destroy(1, None, False)

    @action(number=picks, pick=picks, linked=st.booleans(), on=throughs)
    def create(self, number: int, pick: int, linked: bool, on: str | None) -> None:
        """By the fleet, or by the agent of one host."""
        base, free = self._picked(pick), self._free(SHARED, RAW + QCOW2)
        if not free:
            return
        name = free[number % len(free)]
        backing = None
        if linked and base and _format(name) == "qcow2":
            backing = BackingStore(path=str(self._path(base)), format=_format(base.name))
        spec = VolumeSpec(name, capacity_bytes=MIB, format=_format(name), backing_store=backing)
        if on is None:
            reason = _refusal(lambda: self.fleet.storage(STORAGE).create(spec))
        else:
            reason = _refusal(lambda: self.fleet.client(on).volumes.create(POOLS[on], spec))
        assert not reason or (self.away and reason in AWAY), reason
        assert (self.hosts.shared / name).exists() is not bool(reason)

    @action(place=places, number=picks, pick=picks, relative=st.booleans())
    def overlay(self, place: str, number: int, pick: int, relative: bool) -> None:
        """A file that lies on another, which no agent made."""
        below, free = self._picked(pick), self._free(place, QCOW2)
        if below and free:
            path, base = self._path(File(place, free[number % len(free)])), self._path(below)
            named = base.name if relative and base.parent == path.parent else str(base)
            command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", _format(base.name), "-b", named, str(path)]
            subprocess.run(command, check=True, timeout=60)

    @action(
        name=st.sampled_from(RAW), mib=st.integers(1, 3), pick=picks, how=st.sampled_from(("grow", "replace", "remove"))
    )
    def change_behind(self, name: str, mib: int, pick: int, how: str) -> None:
        """A file is put there or grows, comes from elsewhere in place of another, or goes: by nobody who tells."""
        match how:
            case "grow":
                with (self.hosts.shared / name).open("ab") as file:
                    file.write(b"x" * mib * MIB)
            case "replace":
                fresh = self.hosts.shared.parent / "fresh"
                fresh.write_bytes(b"y" * mib * MIB)
                fresh.rename(self.hosts.shared / name)
            case _:
                gone = self._picked(pick, *self.hosts.by_name)
                if gone and not self._walk().used(gone):
                    self._path(gone).unlink()

    @action(
        host=any_host,
        pick=picks,
        how=st.sampled_from(("path", "volume", "link")),
        twice=st.booleans(),
        through=throughs,
    )
    def define(self, host: str, pick: int, how: str, twice: bool, through: str | None) -> None:
        """Guests with a shared volume, or one of their host's own, as their disk; it is in use at once."""
        file = self._picked(pick, host)
        if not file or self.hosts[host].libvirtd.pid is None:
            return
        if twice:
            # After this one the agent has just looked, and rests.
            self._define(host, file, "path")
        self._define(host, file, how)
        self._destroy(file, through)

    def _define(self, host: str, file: File, how: str) -> None:
        self.guests += 1
        name, path, pool = f"g{self.guests}", self._path(file), "local" if file.place else POOLS.get(host)
        source: Path | tuple[str, str] = path
        if how == "volume" and pool is not None:
            source = (pool, file.name)
        elif how == "link":
            source = self._links(host) / name
            source.symlink_to(path)
        self.hosts.define_guest(host, name, source, disk_format=_format(file.name))

    @action(pick=picks)
    def undefine(self, pick: int) -> None:
        guests = sorted({guest for each in self._walk().guests.values() for guest in each})
        if guests:
            host, domain = guests[pick % len(guests)]
            if self.hosts[host].libvirtd.pid is not None:
                virsh(self.hosts[host], "undefine", domain)

    @action(pick=picks, through=throughs, wipe=st.booleans())
    def destroy(self, pick: int, through: str | None, wipe: bool) -> None:
        if file := self._picked(pick, *self.hosts.by_name):
            # A wiped qcow2 is none any more.
            self._destroy(file, through, wipe=wipe and file.name in RAW)

    def _destroy(self, file: File, through: str | None, *, wipe: bool = False) -> None:
        """At once, however new what is used is: refused where it is, or where that cannot be told; else it is done."""
        if file.place:
            storage, away = self.fleet.select(hosts=[file.place]).storage("local"), self.away == file.place
        else:
            storage, away = self._part(through).storage(STORAGE), bool(self.away)
        path = self._path(file)
        used, before = self._walk().used(file), path.read_bytes()
        reason = _refusal(lambda: (storage.wipe if wipe else storage.delete)(file.name))
        allowed = (frozenset({IN_USE}) if used else frozenset()) | (AWAY if away else frozenset())
        assert reason in (allowed or {""}), (file, used, reason)
        if allowed:
            assert path.read_bytes() == before, file
        else:
            assert not path.exists() or not any(path.read_bytes())
        self.done.add(reason or "destroyed")

    @action(pick=picks, through=throughs)
    def resize(self, pick: int, through: str | None) -> None:
        """What stopped guests use, and files lie on, may grow."""
        file, before = self._picked(pick), self._walk()
        if file:
            reason = _refusal(lambda: self._part(through).storage(STORAGE).resize(file.name, delta_bytes=MIB))
            assert reason in (AWAY if self.away else {""}), reason
            grown = 0 if reason else MIB
            assert self._walk().capacity_bytes[file] == before.capacity_bytes[file] + grown

    @action(
        host=any_host,
        what=st.sampled_from(("kill agent", "stop agent", "kill libvirtd")),
        steps=st.integers(2, 5),
        pick=picks,
    )
    def lose(self, host: str, what: str, steps: int, pick: int) -> None:
        """An agent ends, or a libvirtd: nothing shared can be destroyed for some steps."""
        if self.away or self.losses == MOST_LOSSES:
            return
        match what:
            case "kill agent":
                self.hosts[host].agent.kill9()
            case "stop agent":
                self.hosts[host].agent.stop()
            case _:
                self.hosts[host].libvirtd.kill9()
        self.away, self.steps_away = host, steps
        self.losses += 1
        self.done.add(what)
        self.destroy(pick, None, False)

    def _bring_back(self) -> None:
        """What was lost is there again, and the fleet knows it."""
        name, self.away = self.away, ""
        host = self.hosts[name]
        if host.libvirtd.pid is None:
            host.libvirtd.restart()
        if host.agent.pid is None:
            host.agent.start()
        self._changed()
        back = f"the fleet knows {name} again"
        wait_until(lambda: told_since(self.fleet, self.changed_at, name) is not None, limit_s=LIMIT_S, what=back)

    @rule(what=st.deferred(lambda: st.one_of(ACTIONS)))
    def act(self, what: tuple[str, dict[str, Any]]) -> None:
        name, arguments = what
        getattr(self, name)(**arguments)

    @invariant()
    def what_is_told_is_true(self) -> None:
        self._changed()
        self._look()
        if self.away:
            self.steps_away -= 1
            if not self.steps_away:
                self._bring_back()

    def _changed(self) -> None:
        """Something may have changed up to now."""
        self.changed_at = now = time.monotonic()
        self.since = {use: self.since.get(use, now) for use in self._walk().uses()}

    def _look(self) -> bool:
        """Whether everything is told as new as it is. True it is in any case, of the moment that it says it is of."""
        walked = self._walk()
        stored_at = stored_since(self.fleet, self.store)
        free = orphans(self.store, STORAGE)
        known = {file for (file, _), since in self.since.items() if since < stored_at}
        assert not {file for file in known if file.place == SHARED and file.name in free}, "used, and called orphans"
        if self.away and self.hosts[self.away].agent.pid is None:
            assert not free, f"{self.away} is not heard"
        inventory = told_since(self.fleet, self.changed_at)
        if inventory is None or stored_at < self.changed_at:
            return False
        assert inventory.oldest_age_s is not None
        assert inventory.oldest_age_s < OLDEST_S
        assert told(inventory, STORAGE) == walked.as_told(POOLS)
        assert free == walked.unused(SHARED)
        self.done.add("converged")
        return True

    def teardown(self) -> None:
        """The inventory comes to what there is; then leave nothing to the next example."""
        if failed := isinstance(sys.exception(), Exception):
            # It is tried once more, and may go well then.
            traceback.print_exc()
        try:
            if self.away:
                self._bring_back()
            if not failed:
                self._changed()
                wait_until(self._look, limit_s=LIMIT_S, what="all is told as it is now", every_s=0.1)
        finally:
            self._empty()

    def _empty(self) -> None:
        for name in self.hosts.by_name:
            guests = virsh(self.hosts[name], "list", "--all", "--name").split()
            if guests:
                virsh(self.hosts[name], "; ".join(f"undefine {guest}" for guest in guests))
            for link in self._links(name).iterdir():
                link.unlink()
        for folder in self._folders().values():
            for path in folder.iterdir():
                if path.name != KEPT:
                    path.unlink()

    def _part(self, through: str | None) -> Fleet:
        return self.fleet if through is None else self.fleet.select(hosts=[through])

    def _picked(self, pick: int, *own: str) -> File | None:
        """A shared file, or one of these hosts' own; None: there is none."""
        walked = self._walk().capacity_bytes
        there = sorted(file for file in walked if file.place in (SHARED, *own) and file.name != KEPT)
        return there[pick % len(there)] if there else None

    def _free(self, place: str, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if not self._path(File(place, name)).exists()]

    def _folders(self) -> Mapping[str, Path]:
        own = {name: host.pools_dir / "local" for name, host in self.hosts.by_name.items()}
        return {SHARED: self.hosts.shared, **own}

    def _path(self, file: File) -> Path:
        return self._folders()[file.place] / file.name

    def _links(self, host: str) -> Path:
        folder = self.hosts[host].root / "links"
        folder.mkdir(exist_ok=True)
        return folder

    def _walk(self) -> Walked:
        return walk(self._folders(), self.hosts.by_name)


def _format(name: str) -> str:
    return name.rpartition(".")[2]


def _refusal(change: Callable[[], object]) -> str:
    """The reason; empty: it was done."""
    try:
        change()
    except PoolfleetError as error:
        return error.reason
    return ""


@pytest.fixture(scope="module")
def agent_settings() -> Mapping[str, Any]:
    return {"staleness_s": STALENESS_S}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InventoryStore]:
    opened = open_store(f"sqlite:///{tmp_path}/inventory.db")
    yield opened
    opened.close()


@pytest.mark.timeout(300 + 60 * EXAMPLES)
def test_whatever_happens_nothing_in_use_is_destroyed_and_what_is_told_is_what_there_is(
    hosts: Hosts, fleet: Fleet, store: InventoryStore
) -> None:
    FleetMachine.hosts, FleetMachine.fleet, FleetMachine.store = hosts, fleet, store
    (hosts.shared / KEPT).write_bytes(bytes(MIB))
    for name, pool in POOLS.items():
        fleet.client(name).pools.refresh(pool)
    run_state_machine_as_test(FleetMachine, settings=real_hosts(examples=EXAMPLES, steps=STEPS))
    assert {"destroyed", IN_USE, "INCOMPLETE", "converged"} <= FleetMachine.done
