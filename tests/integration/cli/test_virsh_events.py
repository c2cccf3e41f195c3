"""`pool-event` of virsh, and what it is here: both end with the first thing that happens to the pool, and tell it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet import AgentClient, PoolSpec
from scripts.embedded.host import EmbeddedHost

LIMIT_S = 60
WORDS = ["pool-event", "--pool", "vm_data", "--event", "lifecycle", "--timeout", str(LIMIT_S), "--timestamp"]


@pytest.fixture
def agent(host: EmbeddedHost) -> Iterator[AgentClient]:
    with AgentClient(host.agent.target) as client:
        (host.pools_dir / "vm_data").mkdir()
        client.pools.define(PoolSpec.dir("vm_data", target=str(host.pools_dir / "vm_data")))
        yield client


def running(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_both_tell_the_first_event_and_end(host: EmbeddedHost, agent: AgentClient, fleet: Path) -> None:
    ours = running(str(Path(sys.executable).with_name("poolfleet")), WORDS[0], "--fleet", str(fleet), *WORDS[1:])
    theirs = running("virsh", "--connect", host.libvirtd.uri, *WORDS)
    try:
        assert ours.stderr is not None
        while "watched" not in (line := ours.stderr.readline()):
            assert line, "it ended before it watched"
        # virsh does not say when it is ready: it is told again and again.
        while theirs.poll() is None:
            agent.pools.start("vm_data")
            agent.pools.stop("vm_data")
        told = ours.communicate(timeout=LIMIT_S)[0].split()
        their_event = re.search(r"pool vm_data: (\w+)", theirs.communicate(timeout=LIMIT_S)[0])
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()
    assert (ours.returncode, theirs.returncode) == (0, 0)
    assert their_event is not None
    assert their_event[1].lower() in {"started", "stopped"}
    assert told[1:] == ["kvm1", "vm_data", "started"]
