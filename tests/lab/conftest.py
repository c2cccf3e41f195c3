"""The lab that `scripts/lab test` started: a server with kernel NFS, and two hosts. Nothing here runs without it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet import AgentClient
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab

FOLDER = os.environ.get("POOLFLEET_LAB")
collect_ignore_glob = [] if FOLDER else ["test_*"]


@pytest.fixture(scope="session")
def lab() -> Lab:
    """All machines, booted and in order; who needs them so afterwards takes `healthy`."""
    assert FOLDER
    return Lab.found_in(Path(FOLDER))


@pytest.fixture
def healthy(lab: Lab) -> Iterator[Lab]:
    """The lab with a server that answers and has no files, and hosts without pools; the test may fail it in any way."""
    yield lab
    make_healthy(lab)


@pytest.fixture(scope="module")
def healthy_for_all(lab: Lab) -> Iterator[Lab]:
    """The same for all tests of a module: what they ask for takes long to bring about, and they leave it as it is."""
    yield lab
    make_healthy(lab)


def make_healthy(lab: Lab) -> None:
    """Undo what tests did to it."""
    lab.server.thaw()
    for machine in lab.machines:
        machine.wait_settled()
    lab.server.heal()
    lab.server.reexport()
    for host in lab.hosts:
        host.wait_agent()
        host.clear()
    lab.server.clear()


@pytest.fixture
def host(healthy: Lab) -> Host:
    """One of its hosts."""
    return healthy.hosts[0]


@pytest.fixture
def agent(host: Host) -> Iterator[AgentClient]:
    """The agent of that host, whose pools are gone after the test."""
    with host.agent(timeout_s=240) as client:
        yield client
