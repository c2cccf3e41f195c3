"""The agent is killed, or restarted, in the midst of its work: what it was at is done again, and nothing is left."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from poolfleet import AgentClient, VolumeSpec
from poolfleet.types.operation import OperationState
from poolfleet.types.pool import HealthStatus, PoolState
from poolfleet.types.retry import RetryPolicy
from scripts.embedded.process import wait_until
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.payload import collect_for_renewal
from tests.lab.shares import ASKED_EVERY_S, MIB, NOTICED_LIMIT_S, SLOWER, answers, share, wait_for

pytestmark = pytest.mark.full

BACK_WITHIN_S = 20.0 * SLOWER
SEEN_LIMIT_S = 60.0
# Takes the lab's server some seconds to fill.
LARGE_BYTES = 192 * MIB


def kill(host: Host) -> None:
    """As a crash: systemd starts it again."""
    host.ssh("systemctl kill --kill-whom main --signal KILL poolfleet-agent")
    host.wait_agent()


def test_killed_at_a_mount_the_next_start_succeeds_and_nothing_is_left(
    healthy: Lab, host: Host, agent: AgentClient
) -> None:
    agent.pools.define(share(version="4.2"))
    agent.pools.build("vm_data")
    # A server that answers the probe, and to what mount.nfs says is silent.
    healthy.server.silent_to_mounts()
    started = agent.pools.start("vm_data", retry=RetryPolicy(deadline_s=120), wait=False)
    wait_until(lambda: mount_helpers(host) > 0, limit_s=SEEN_LIMIT_S, what="mount.nfs runs", every_s=ASKED_EVERY_S)
    kill(host)
    failed = agent.operations.get(started.id)
    assert failed.state is OperationState.FAILED
    assert failed.error
    assert failed.error.reason == "AGENT_RESTARTED"
    healthy.server.heal()
    agent.pools.start("vm_data")
    assert host.mounts() == ["/srv/pools/vm_data"]
    wait_until(lambda: mount_helpers(host) == 0, limit_s=SEEN_LIMIT_S, what="no mount.nfs is left", every_s=1)
    agent.pools.stop("vm_data")
    assert host.mounts() == []


def mount_helpers(host: Host) -> int:
    return int(host.ssh("pgrep -c -x mount.nfs || true"))


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_killed_at_a_create_the_next_one_succeeds_and_nothing_is_left(
    healthy: Lab, host: Host, agent: AgentClient, volume_format: str
) -> None:
    agent.pools.ensure(share())
    spec = VolumeSpec("large", capacity_bytes=LARGE_BYTES, allocation_bytes=LARGE_BYTES, format=volume_format)
    made = agent.volumes.create("vm_data", spec, wait=False)
    wait_until(lambda: files(healthy) != [], limit_s=SEEN_LIMIT_S, what="the create has begun")
    kill(host)
    ended = agent.operations.get(made.id)
    assert ended.state in (OperationState.FAILED, OperationState.SUCCEEDED)
    agent.volumes.create("vm_data", spec)
    assert files(healthy) == ["large"]
    assert agent.volumes.get("vm_data", "large").capacity_bytes == LARGE_BYTES


def files(lab: Lab) -> list[str]:
    return lab.server.ssh("ls -A /srv/nfs/vm_data").split()


def next_version(folder: Path) -> Path:
    """The checkout's code, which says that it is of another version."""
    collect_for_renewal(folder)
    (metadata,) = folder.glob("*.dist-info/METADATA")
    later = rf"Version: \1+later{time.time_ns()}"
    metadata.write_text(re.sub(r"(?m)^Version: (.*)$", later, metadata.read_text(), count=1))
    return folder


def restart(host: Host) -> None:
    host.ssh("systemctl restart poolfleet-agent", timeout_s=180)


@pytest.mark.parametrize("renewed", [False, True], ids=["restarted", "upgraded"])
def test_anew_beside_a_silent_share_it_is_back_in_time_and_the_mounts_live(
    healthy: Lab,
    host: Host,
    agent: AgentClient,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    renewed: bool,
) -> None:
    before = agent.get().versions
    if renewed:
        host.take_in(next_version(tmp_path / "code"))
    agent.pools.ensure(share())
    agent.volumes.create("vm_data", VolumeSpec("seen.raw", capacity_bytes=MIB, allocation_bytes=0))
    healthy.server.silent()
    wait_for(agent, HealthStatus.UNRESPONSIVE, limit_s=NOTICED_LIMIT_S)
    began = time.monotonic()
    (Host.upgrade_agent if renewed else restart)(host)
    wait_until(lambda: answers(agent, "vm_data"), limit_s=BACK_WITHIN_S, what="it answers again", every_s=ASKED_EVERY_S)
    taken_s = time.monotonic() - began
    record_property("answers again after", f"{taken_s:.0f} s")
    assert taken_s < BACK_WITHIN_S
    assert (agent.get().versions != before) is renewed
    assert host.mounts() == ["/srv/pools/vm_data"]
    assert [volume.name for volume in agent.volumes.list("vm_data")] == ["seen.raw"]
    healthy.server.heal()
    wait_for(agent, HealthStatus.HEALTHY, limit_s=NOTICED_LIMIT_S)
    assert agent.pools.get("vm_data").state is PoolState.RUNNING
