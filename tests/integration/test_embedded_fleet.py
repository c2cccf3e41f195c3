"""Hosts with their agents: ready when they say so, gone when they are stopped, whoever stops them."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolfleet import AgentClient, Fleet
from scripts.embedded.fleet import EmbeddedFleet
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import NotReadyError
from tests.integration.leftovers import processes_naming


def test_a_host_that_has_started_knows_what_it_has(host: EmbeddedHost) -> None:
    with AgentClient(host.agent.target) as agent:
        assert agent.get().registry_loaded
        assert list(agent.pools.list()) == []


def test_an_agent_comes_back_as_itself_after_a_crash(host: EmbeddedHost) -> None:
    with AgentClient(host.agent.target) as agent:
        before = agent.get()
        host.agent.kill9()
        assert host.agent.pid is None
        host.agent.start()
        after = agent.get()
    assert after.agent_id == before.agent_id
    assert after.started_at != before.started_at


def test_of_a_stopped_host_no_process_is_left(host: EmbeddedHost) -> None:
    with AgentClient(host.agent.target) as agent:
        agent.get()
    assert len(processes_naming(host.root)) >= 2
    host.stop()
    assert processes_naming(host.root) == []


def test_a_fleet_is_found_and_removed_by_its_folder(short_dir: Path) -> None:
    root = short_dir / "f"
    started = EmbeddedFleet(root, ["one", "two"])
    try:
        started.start()
        with Fleet.from_file(started.file) as fleet:
            assert fleet.agents().raise_for_failures().keys() == {"one", "two"}
    finally:
        EmbeddedFleet.found_in(root).remove()
    assert not root.exists()
    assert processes_naming(root) == []


def test_a_fleet_of_which_one_host_cannot_start_is_removed_whole(short_dir: Path) -> None:
    root = short_dir / "g"
    broken = EmbeddedFleet(root, ["one", "two"])
    (root / "two/libvirtd.lock").mkdir(parents=True)
    with pytest.raises(NotReadyError):
        broken.start()
    broken.remove()
    assert not root.exists()
    assert processes_naming(root) == []


def test_what_a_person_put_beside_a_fleet_stays(short_dir: Path) -> None:
    root = short_dir / "k"
    fleet = EmbeddedFleet(root, ["one"])
    fleet.shared.mkdir(parents=True)
    (root / "notes").touch()
    fleet.remove()
    assert [path.name for path in root.iterdir()] == ["notes"]


def test_where_no_fleet_was_kept_there_is_none_to_find(short_dir: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no fleet was kept"):
        EmbeddedFleet.found_in(short_dir)
