"""`pool events` tells what happens to the pools of a real host, also after its agent was away."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

import poolfleet
from poolfleet import PoolSpec
from scripts.embedded.host import EmbeddedHost
from tests.virsh import virsh

LIMIT_S = 60


class Events:
    """A running `pool events`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def note(self) -> str:
        """The next remark on standard error."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def next(self) -> dict[str, str]:
        """The next event."""
        assert self._process.stdout is not None
        told: dict[str, str] = json.loads(self._process.stdout.readline())
        return told

    def next_words(self) -> tuple[str, str]:
        """Pool and event of the next one."""
        told = self.next()
        return told["pool"], told["event"]

    def wait(self) -> int:
        return self._process.wait(LIMIT_S)


@contextmanager
def following(fleet: Path, *words: str) -> Iterator[Events]:
    command = [str(Path(sys.executable).with_name("poolfleet")), "pool", "events", "--fleet", str(fleet), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Events(process)
        finally:
            process.kill()


@pytest.fixture
def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(host.agent.target) as client:
        client.pools.ensure(PoolSpec.dir("a", target=str(host.pools_dir / "a")))
        yield client


def test_each_thing_that_happens_is_a_line(host: EmbeddedHost, fleet: Path, agent: poolfleet.AgentClient) -> None:
    with following(fleet, "-o", "json", "--timeout", "5m") as events:
        assert events.note() == "kvm1: pools that are watched: 1\n"
        agent.pools.define(PoolSpec.dir("b", target=str(host.pools_dir / "b")))
        assert events.next_words() == ("b", "defined")
        agent.pools.stop("a")
        assert events.next_words() == ("a", "stopped")
        agent.pools.update("b", autostart=True)
        told = events.next()
        assert (told["host"], told["kind"], told["detail"]) == ("kvm1", "definition", "autostart")
        host.agent.stop()
        assert "It is tried again." in events.note()
        virsh(host, "pool-undefine", "b")
        host.agent.start()
        assert events.next_words() == ("b", "undefined")


def test_one_is_enough_where_that_is_asked(fleet: Path, agent: poolfleet.AgentClient) -> None:
    with following(fleet, "a", "--event", "lifecycle", "--once") as events:
        assert "watched: 1" in events.note()
        agent.pools.update("a", autostart=False)
        agent.pools.stop("a")
        assert events.wait() == 0
    with following(fleet, "--once", "--timeout", "1s") as events:
        assert events.wait() == 6


def test_a_host_that_refuses_ends_nobody_elses_watch(
    host: EmbeddedHost, fleet: Path, agent: poolfleet.AgentClient
) -> None:
    with refusing_agent(fleet.with_name("old.sock")) as old:
        with fleet.open("a") as file:
            file.write(f'[[host]]\nname = "kvm0"\ntarget = "{old}"\n')
        with following(fleet, "-o", "json", "--timeout", "20s") as events:
            assert sorted((events.note()[:5], events.note()[:5])) == ["kvm0:", "kvm1:"]
            agent.pools.stop("a")
            assert events.next_words() == ("a", "stopped")
            assert events.wait() == 1


@contextmanager
def refusing_agent(socket: Path) -> Iterator[str]:
    """A server that has none of an agent's services."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield f"unix:{socket}"
    finally:
        server.stop(None).wait()
