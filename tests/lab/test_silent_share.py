"""A mounted share that goes silent: known within two missed probes, harmless to all else, healthy again by itself."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

import pytest

from poolfleet import AgentClient, PoolfleetError, PoolSpec, Unavailable, VolumeSpec
from poolfleet.types.pool import HealthStatus, PoolState
from scripts.embedded.process import wait_until
from scripts.virtual_lab.host import Host, Usage
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import ASKED_EVERY_S, MIB, NOTICED_LIMIT_S, SLOWER, local, share, wait_for
from tests.lab.storm import HANGS_S, Storm, crowd

BACK_LIMIT_S = 120.0
GONE_WITHIN_S = 30.0 * SLOWER
VIRSH_LIMIT_S = 100.0
HEALTHY_RUN_S = 20.0
# Of what may be at work when it is counted: a probe of each mount, a call that ends just then.
SOME = 12
MEMORY_SLACK_BYTES = 40 * MIB
# What the agent may say of a change of a pool that does not answer.
REFUSALS = frozenset({"POOL_UNRESPONSIVE", "OPERATION_IN_PROGRESS"})

Record = Callable[[str, object], None]


@pytest.mark.full
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


def test_50_clients_are_answered_beside_one_that_fell_silent_under_a_refresh_until_it_is_got_rid_of(
    healthy: Lab, record_property: Record
) -> None:
    with healthy.hosts[0].agent(timeout_s=240) as agent:
        ride_out(healthy, agent, [share()], lasts_s=60, record=record_property)
        got_rid_of(healthy.hosts[0], agent, "vm_data", record_property)
        healthy.server.heal()
        agent.pools.start("vm_data")


@pytest.mark.full
def test_one_that_was_silent_for_long_is_got_rid_of_too(healthy: Lab, record_property: Record) -> None:
    """Longer than the lease of 90 s, by which version 4 waits for its state to be recovered."""
    with healthy.hosts[0].agent(timeout_s=240) as agent:
        ride_out(healthy, agent, [share()], lasts_s=120, record=record_property)
        got_rid_of(healthy.hosts[0], agent, "vm_data", record_property)
        healthy.server.heal()
        agent.pools.start("vm_data")


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_so_they_are_beside_16_of_one_server_for_five_minutes(healthy: Lab, record_property: Record) -> None:
    healthy.server.ssh("mkdir -p /srv/nfs/vm_data/{0..15}")
    # A folder of the export each: 16 mounts.
    specs = [share(f"p{number:02}", export=f"vm_data/{number}") for number in range(16)]
    with healthy.hosts[0].agent(timeout_s=240) as agent:
        healthy_run, silent_run = ride_out(healthy, agent, specs, lasts_s=300, record=record_property)
        assert silent_run.p99_s("near") < 3 * healthy_run.p99_s("near")
        healthy.server.heal()
        for spec in specs:
            wait_for(agent, HealthStatus.HEALTHY, spec.name, limit_s=BACK_LIMIT_S)


def ride_out(
    lab: Lab, agent: AgentClient, dead: Sequence[PoolSpec], *, lasts_s: float, record: Record
) -> tuple[Storm, Storm]:
    """50 clients call everything: the healthy host, then the one whose pools `dead` fell silent; how both were."""
    host = lab.hosts[0]
    for spec in (*dead, local()):
        agent.pools.ensure(spec)
    names = [spec.name for spec in dead]
    with crowd(host) as clients:
        healthy_run = clients.storm(dead=names, near="local", lasts_s=HEALTHY_RUN_S)
        record("healthy", healthy_run.figures())
        falls_silent_under_a_refresh(lab, agent, names)
        for name in names:
            wait_for(agent, HealthStatus.UNRESPONSIVE, name, limit_s=NOTICED_LIMIT_S)
        before = host.usage()
        silent_run = clients.storm(dead=names, near="local", lasts_s=lasts_s)
        record("silent", silent_run.figures())
        after = host.usage()
        record("usage", f"{before} then {after}")
    check_quarantine(silent_run)
    check_flat(before, after)
    # One of a living pool, that came too late for its caller, may be on its way back.
    wait_until(lambda: hung_calls(host) <= 2, limit_s=NOTICED_LIMIT_S, what="at most two calls to libvirt hang")
    done = host.virsh_within(VIRSH_LIMIT_S, "vol-list", "local")
    assert done is not None
    assert done.status == 0
    return healthy_run, silent_run


def falls_silent_under_a_refresh(lab: Lab, agent: AgentClient, pools: Sequence[str]) -> None:
    """Under the agent's of all of them, which may see it in time, and under one of virsh, by which libvirt hangs."""
    lab.server.silent()
    lab.hosts[0].ssh(f"setsid virsh pool-refresh {pools[0]} >/dev/null 2>&1 </dev/null &")
    for pool in pools:
        try:
            agent.pools.refresh(pool, wait=False)
        except Unavailable as refused:
            # Of many the last are asked for when the silence was noticed.
            if refused.reason != "POOL_UNRESPONSIVE":
                raise


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


def hung_calls(host: Host) -> int:
    """How many calls to libvirt its agent has given up on, and not got back."""
    found = re.search(r'^poolfleet_libvirt_calls\{state="hung"\} (\S+)$', host.metrics(), re.MULTILINE)
    assert found
    return int(float(found[1]))


def got_rid_of(host: Host, agent: AgentClient, pool: str, record: Record) -> None:
    """StopPool{force} ends it while its server is silent, and libvirt, which hung, answers without a restart."""
    running = libvirtd_pid(host)
    assert host.virsh_within(10, "pool-list") is None
    began = time.monotonic()
    agent.pools.stop(pool, force=True)
    taken_s = time.monotonic() - began
    record("got rid of in", f"{taken_s:.0f} s")
    assert taken_s < GONE_WITHIN_S
    assert host.mounts() == []
    done = host.virsh_within(VIRSH_LIMIT_S, "pool-list")
    assert done is not None, "virsh pool-list still hangs"
    assert done.status == 0
    assert "local" in done.out
    assert pool not in done.out
    assert libvirtd_pid(host) == running
    assert agent.pools.get(pool, max_staleness_s=0).state is PoolState.INACTIVE


def libvirtd_pid(host: Host) -> str:
    return host.ssh("systemctl show --property MainPID --value libvirtd").strip()


@pytest.mark.full
@pytest.mark.parametrize("version", ["3", "4.2"])
def test_it_is_got_rid_of_in_whatever_version_of_the_protocol(
    healthy: Lab, record_property: Record, version: str
) -> None:
    host = healthy.hosts[0]
    with host.agent(timeout_s=240) as agent:
        for spec in (share(version=version), local()):
            agent.pools.ensure(spec)
        falls_silent_under_a_refresh(healthy, agent, ["vm_data"])
        wait_for(agent, HealthStatus.UNRESPONSIVE, limit_s=NOTICED_LIMIT_S)
        got_rid_of(host, agent, "vm_data", record_property)
        healthy.server.heal()
        agent.pools.start("vm_data")


@pytest.mark.full
def test_beside_a_dead_mount_that_is_no_pool_a_share_is_not_started_and_nothing_hangs(healthy: Lab) -> None:
    host = healthy.hosts[0]
    host.ssh("mkdir -p /mnt/bystander && mount -t nfs nfs.lab:/srv/nfs/small /mnt/bystander")
    with host.agent(timeout_s=240) as agent:
        agent.pools.ensure(share(), start=False)
        agent.pools.build("vm_data")
        agent.pools.ensure(local())
        healthy.server.silent()

        def refused() -> bool:
            try:
                agent.pools.start("vm_data")
            except PoolfleetError as error:
                return error.reason == "HOST_MOUNT_UNRESPONSIVE" and error.metadata["mount"] == "/mnt/bystander"
            return False

        wait_until(refused, limit_s=NOTICED_LIMIT_S, what="the start is refused", every_s=ASKED_EVERY_S)
        agent.pools.refresh("local")
        agent.pools.stop("local")
        agent.pools.start("local")
        done = host.virsh_within(VIRSH_LIMIT_S, "pool-list", "--all")
        assert done is not None
        assert "vm_data" in done.out
