"""`storage check` on real hosts that share a folder: what it finds is mended by the commands that it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poolfleet import AgentClient, Fleet, PoolSpec
from scripts.embedded.fleet import EmbeddedFleet

PROGRAMS = Path(sys.executable).parent
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def running(short_dir: Path) -> Iterator[EmbeddedFleet]:
    started = EmbeddedFleet(short_dir / "check", ["kvm1", "kvm2", "kvm3"])
    try:
        started.start()
        yield started
    finally:
        started.remove()


@pytest.fixture
def fleet(running: EmbeddedFleet) -> Iterator[EmbeddedFleet]:
    """Three hosts, all with the pool `vm` on the folder that they share, and nothing else."""
    with Fleet.from_file(running.file) as hosts:
        hosts.ensure_pool(PoolSpec.dir("vm", target=str(running.shared))).raise_for_failures()
    yield running
    # With connections of its own: those of before may still wait to try an agent again that a test has ended.
    with Fleet.from_file(running.file) as hosts:
        hosts.map(forget_pools).raise_for_failures()


def forget_pools(agent: AgentClient) -> None:
    for pool in list(agent.pools.list()):
        forget(agent, pool.name)


def forget(agent: AgentClient, pool: str) -> None:
    agent.pools.stop(pool)
    agent.pools.undefine(pool)


def run(fleet: EmbeddedFleet, line: str) -> subprocess.CompletedProcess[str]:
    """Have a shell run a command line, as people do."""
    path = f"{PROGRAMS}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=LIMIT_S, check=False,
        env={"PATH": path, "POOLFLEET_FLEET": str(fleet.file), "HOME": str(fleet.root)},
    )  # fmt: skip


def checked(fleet: EmbeddedFleet, *words: str) -> tuple[int, dict[str, Any]]:
    done = run(fleet, " ".join(["poolfleet storage check -o json", *words]))
    return done.returncode, json.loads(done.stdout)


def found(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["host"], each["kind"]) for storage in document["storages"] for each in storage["findings"]]


def mend(fleet: EmbeddedFleet, document: dict[str, Any]) -> None:
    for storage in document["storages"]:
        for each in storage["findings"]:
            for command in each["commands"]:
                done = run(fleet, command)
                assert done.returncode == 0, (command, done.stderr)


def client(fleet: EmbeddedFleet, name: str) -> AgentClient:
    [host] = [host for host in fleet.hosts if host.name == name]
    return AgentClient(host.agent.target)


def test_where_all_is_alike_the_code_is_0(fleet: EmbeddedFleet) -> None:
    code, document = checked(fleet)
    assert (code, document["complete"], found(document)) == (0, True, [])
    assert [storage["hosts"] for storage in document["storages"]] == [["kvm1", "kvm2", "kvm3"]]
    assert run(fleet, "poolfleet storage check").stdout == "complete: 3 hosts, 1 shared storage, nothing found\n"


def test_what_differs_is_found_and_mended_by_the_commands_told(fleet: EmbeddedFleet) -> None:
    with client(fleet, "kvm2") as agent:
        agent.pools.update("vm", autostart=False)
        agent.pools.stop("vm")
    with client(fleet, "kvm3") as agent:
        forget(agent, "vm")
    code, document = checked(fleet)
    assert (code, found(document)) == (5, [("kvm2", "inactive"), ("kvm2", "not-autostarted"), ("kvm3", "missing")])
    shown = run(fleet, "poolfleet storage check")
    assert shown.stdout.splitlines()[0] == "complete: 3 hosts, 1 shared storage, 3 findings"
    assert "poolfleet pool start vm -H kvm2" in shown.stdout.splitlines()
    mend(fleet, document)
    assert checked(fleet)[0] == 0


def test_another_path_and_another_name_are_found_and_mended(fleet: EmbeddedFleet) -> None:
    [kvm2] = [host for host in fleet.hosts if host.name == "kvm2"]
    link = kvm2.pools_dir / "link"
    link.symlink_to(fleet.shared)
    with client(fleet, "kvm2") as agent:
        forget(agent, "vm")
        agent.pools.ensure(PoolSpec.dir("vm", target=str(link)))
    with client(fleet, "kvm3") as agent:
        forget(agent, "vm")
        agent.pools.ensure(PoolSpec.dir("images", target=str(fleet.shared)))
    code, document = checked(fleet, "demo-shared")
    assert (code, found(document)) == (5, [("kvm2", "other-target"), ("kvm3", "other-name")])
    mend(fleet, document)
    assert checked(fleet, "vm")[0] == 0


def test_a_host_that_does_not_answer_is_told_and_has_no_findings(fleet: EmbeddedFleet) -> None:
    [silent] = [host for host in fleet.hosts if host.name == "kvm3"]
    silent.agent.kill9()
    try:
        code, document = checked(fleet)
        assert (code, document["complete"], found(document)) == (1, False, [])
        assert [storage["hosts"] for storage in document["storages"]] == [["kvm1", "kvm2"]]
        assert [host["status"] for host in document["hosts"]] == ["ok", "ok", "unreachable"]
        shown = run(fleet, "poolfleet storage check")
        assert shown.stderr.startswith("missing: kvm3: unreachable: ")
        assert shown.stdout == "INCOMPLETE: 2 of 3 hosts, 1 shared storage, nothing found\n"
    finally:
        silent.agent.start()
        silent.agent.wait_looked()


def test_a_host_s_own_storage_has_nothing_to_be_compared_with(fleet: EmbeddedFleet) -> None:
    [host] = [host for host in fleet.hosts if host.name == "kvm1"]
    with client(fleet, "kvm1") as agent:
        agent.pools.ensure(PoolSpec.dir("own", target=str(host.pools_dir / "own")))
        assert checked(fleet)[0] == 0
        shown = run(fleet, "poolfleet storage check own")
        assert (shown.returncode, shown.stdout) == (
            0,
            "complete: 3 hosts, nothing to compare: it is on kvm1 alone\n",
        )


def test_what_no_host_has_is_told(fleet: EmbeddedFleet) -> None:
    done = run(fleet, "poolfleet storage check nix")
    assert (done.returncode, done.stdout) == (4, "")
    assert "no host has storage nix" in done.stderr
