"""A mounted share that goes silent: known within two missed probes, harmless to all else, healthy again by itself."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from poolfleet import AgentClient, Unavailable, VolumeSpec
from poolfleet.types.pool import HealthStatus
from scripts.virtual_lab.host import Host, Usage
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, NOTICED_LIMIT_S, local, share, wait_for
from tests.lab.storm import HANGS_S, Storm, crowd

BACK_LIMIT_S = 120.0
VIRSH_LIMIT_S = 30.0
HEALTHY_RUN_S = 30.0
# Of what may be at work when it is counted: a probe of each mount, a call that ends just then.
SOME = 12
MEMORY_SLACK_BYTES = 40 * MIB
# What the agent may say of a call for a pool that does not answer.
REFUSALS = frozenset({"POOL_UNRESPONSIVE", "OPERATION_IN_PROGRESS", "NAME_RESERVED", "TOO_BUSY"})


def test_it_holds_up_nothing_else_and_is_back_with_its_server(healthy: Lab) -> None:
    host = healthy.hosts[0]
    with host.agent() as agent:
        agent.pools.ensure(local())
        agent.pools.ensure(share())
        agent.volumes.create("vm_data", VolumeSpec("seen.raw", capacity_bytes=MIB, allocation_bytes=0))
        healthy.server.silent()
        wait_for(agent, HealthStatus.UNRESPONSIVE, limit_s=NOTICED_LIMIT_S)
        assert [volume.name for volume in agent.volumes.list("vm_data")] == ["seen.raw"]
        with pytest.raises(Unavailable) as refused:
            agent.volumes.create("vm_data", VolumeSpec("more.raw", capacity_bytes=MIB))
        assert refused.value.reason == "POOL_UNRESPONSIVE"
        assert {pool.name for pool in agent.pools.list()} >= {"local", "vm_data"}
        agent.pools.refresh("local")
        assert "local" in host.virsh("pool-info", "local")
        healthy.server.heal()
        wait_for(agent, HealthStatus.HEALTHY, limit_s=BACK_LIMIT_S)
        agent.volumes.delete("vm_data", "seen.raw")


def hung_calls(host: Host) -> int:
    """How many calls to libvirt its agent has given up on, and not got back."""
    found = re.search(r'^poolfleet_libvirt_calls\{state="hung"\} (\S+)$', host.metrics(), re.MULTILINE)
    assert found
    return int(float(found[1]))


def falls_silent_under_a_refresh(lab: Lab, agent: AgentClient, dead: list[str]) -> None:
    lab.server.silent()
    for pool in dead:
        agent.pools.refresh(pool, wait=False)


def check_quarantine(seen: Storm) -> None:
    """Everybody was answered, of other pools as always, of the dead ones with what was known or a refusal."""
    kinds = [*seen.outcomes["near"], *seen.outcomes["dead"]]
    ended = {kind.partition(": ")[::2] for kind in kinds}
    assert {outcome for kind, outcome in ended if kind.startswith("near")} <= {"OK", "OPERATION_IN_PROGRESS"}
    changes = {"dead create", "dead delete"}
    assert {outcome for kind, outcome in ended if kind in changes} <= REFUSALS
    assert {outcome for kind, outcome in ended if kind.startswith("dead") and kind not in changes} <= {"OK", *REFUSALS}
    assert max(seen.slowest_s("near"), seen.slowest_s("dead")) < HANGS_S


def check_flat(before: Usage, after: Usage) -> None:
    assert after.threads <= before.threads + SOME
    assert after.descriptors <= before.descriptors + SOME
    assert after.children <= before.children + SOME
    assert after.memory_bytes <= before.memory_bytes + MEMORY_SLACK_BYTES


def ride_out(
    lab: Lab, agent: AgentClient, dead: list[str], *, lasts_s: float, record: Callable[[str, object], None]
) -> tuple[Storm, Storm]:
    """50 clients call everything: the healthy host, then the one whose pools `dead` fell silent; how both were."""
    host = lab.hosts[0]
    agent.pools.ensure(local())
    with crowd(host) as clients:
        healthy_run = clients.storm(dead=dead, near="local", lasts_s=HEALTHY_RUN_S)
        record("healthy", healthy_run.figures())
        falls_silent_under_a_refresh(lab, agent, dead)
        for pool in dead:
            wait_for(agent, HealthStatus.UNRESPONSIVE, pool, limit_s=NOTICED_LIMIT_S)
        before = host.usage()
        silent_run = clients.storm(dead=dead, near="local", lasts_s=lasts_s)
        after = host.usage()
    record("silent", silent_run.figures())
    record("usage", f"{before} then {after}")
    check_quarantine(silent_run)
    check_flat(before, after)
    assert hung_calls(host) <= 2
    done = host.virsh_within(VIRSH_LIMIT_S, "vol-list", "local")
    assert done is not None
    assert done.status == 0
    return healthy_run, silent_run


def test_50_clients_are_answered_beside_a_share_that_fell_silent_under_a_refresh(
    healthy: Lab, record_property: Callable[[str, object], None]
) -> None:
    with healthy.hosts[0].agent() as agent:
        agent.pools.ensure(share())
        ride_out(healthy, agent, ["vm_data"], lasts_s=60, record=record_property)
        healthy.server.heal()
        wait_for(agent, HealthStatus.HEALTHY, limit_s=BACK_LIMIT_S)
