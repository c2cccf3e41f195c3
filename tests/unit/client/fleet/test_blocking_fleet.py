"""The blocking fleet: the same answers on a background loop, and `map` over plain functions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet.blocking.agent import AgentClient
from poolfleet.blocking.fleet import Fleet
from poolfleet.blocking.loop import run
from poolfleet.fleet.hosts import Host
from poolfleet.types.pool_spec import PoolSpec
from tests.unit.client.fleet.stub_hosts import Stubs, stub_agents


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    serving = stub_agents()
    yield run(serving.__aenter__())
    run(serving.__aexit__(None, None, None))


def test_it_asks_as_the_asynchronous_one_does(stubs: Stubs) -> None:
    with Fleet([*run(stubs.add("a", "b")), stubs.absent("gone")]) as fleet:
        ensured = fleet.ensure_pool(PoolSpec.dir("vm", target="/srv/vm"))
        assert ensured.summary() == "2 changed, 1 unreachable"
        assert {host: [pool.name for pool in value] for host, value in fleet.pools().answers()} == {
            "a": ["vm"],
            "b": ["vm"],
        }
        assert list(fleet.agents().ok) == list(fleet.volumes().ok) == list(fleet.disks().ok) == ["a", "b"]
        assert [host.status for host in fleet.inventory().hosts] == ["ok", "ok", "unreachable"]
        assert [pool.name for pool in fleet.client("a").pools.list()] == ["vm"]


def test_a_plain_function_runs_on_many_hosts_at_once(stubs: Stubs) -> None:
    together = threading.Barrier(3, timeout=20)

    def call(client: AgentClient) -> str:
        together.wait()
        if client.name == "b":
            raise ValueError("no")
        return client.get().agent_id

    with Fleet(run(stubs.add("a", "b", "c"))) as fleet:
        result = fleet.map(call)
    assert dict(result.answers()) == {"a": "agent-of-a", "c": "agent-of-c"}
    assert result["b"].error is not None and isinstance(result["b"].error.__cause__, ValueError)


def test_batches_and_limits_are_those_of_the_asynchronous_one(stubs: Stubs) -> None:
    def call(client: AgentClient) -> None:
        raise ValueError("no")

    with Fleet(run(stubs.add("a", "b", "c"))) as fleet:
        assert fleet.map(call, batch=1).summary() == "1 failed, 2 skipped"


def test_a_selection_and_a_file_give_fleets(stubs: Stubs, tmp_path: Path) -> None:
    hosts: list[Host] = run(stubs.add("a", "b"))
    file = tmp_path / "fleet.toml"
    file.write_text("".join(f'[[host]]\nname = "{host.name}"\ntarget = "{host.target}"\n' for host in hosts))
    with Fleet.from_file(file) as fleet:
        assert list(fleet.select(["b"]).pools()) == ["b"]
        assert [host.name for host in fleet.hosts] == ["a", "b"]
