"""Pools that are meant to be started are so again by themselves, whatever took them away: proven, and correct."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from poolfleet import AgentClient, Operation, PoolfleetError, VolumeSpec
from poolfleet.types.pool import HealthStatus, PoolState
from poolfleet.types.retry import RetryPolicy
from scripts.embedded.process import wait_until
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.server import GRACE_S
from tests.lab.shares import ASKED_EVERY_S, MIB, NOTICED_LIMIT_S, SLOWER, health, local, share, wait_for

pytestmark = pytest.mark.full

BACK_WITHIN_S = 15.0 * SLOWER
"""Counted from the server's return; where it was restarted, from the end of its grace period."""
ANSWER_LIMIT_S = 60.0

Record = Callable[[str, object], None]


@pytest.fixture
def agent(host: Host) -> Iterator[AgentClient]:
    """The agent of one host, whose pool `vm_data` is started and has the volume `seen.raw`."""
    with host.agent(timeout_s=240) as client:
        client.pools.ensure(share())
        client.volumes.create("vm_data", VolumeSpec("seen.raw", capacity_bytes=MIB, allocation_bytes=0))
        wait_for(client, HealthStatus.HEALTHY, limit_s=NOTICED_LIMIT_S)
        yield client


@contextmanager
def back_in_time(agent: AgentClient, record: Record, *, grace_s: float = 0.0) -> Iterator[None]:
    """What is done in the block brings the server back; the pool has to be healthy, and libvirt's, soon after it."""
    yield
    began = time.monotonic()
    wait_for(agent, HealthStatus.HEALTHY, limit_s=BACK_WITHIN_S + grace_s)
    record("healthy again after", f"{time.monotonic() - began:.0f} s")
    assert agent.pools.get("vm_data", max_staleness_s=0).state is PoolState.RUNNING


def volumes(agent: AgentClient) -> list[str]:
    agent.pools.refresh("vm_data")
    return [volume.name for volume in agent.volumes.list("vm_data")]


def test_after_a_silence(healthy: Lab, agent: AgentClient, record_property: Record) -> None:
    healthy.server.silent()
    wait_for(agent, HealthStatus.UNRESPONSIVE, limit_s=NOTICED_LIMIT_S)
    with back_in_time(agent, record_property):
        healthy.server.heal()
    assert volumes(agent) == ["seen.raw"]


def test_after_a_restart_of_the_server_and_nothing_hangs_in_its_grace_period(
    healthy: Lab, host: Host, agent: AgentClient, record_property: Record
) -> None:
    agent.pools.ensure(local())
    healthy.server.ssh("sync")
    healthy.server.reset()
    wait_for(agent, HealthStatus.UNRESPONSIVE, limit_s=NOTICED_LIMIT_S)
    with back_in_time(agent, record_property, grace_s=GRACE_S):
        healthy.server.wait_booted()
        healthy.server.wait_serving()
        done = host.virsh_within(ANSWER_LIMIT_S, "pool-list")
        assert done is not None, "virsh pool-list hangs in the grace period"
        agent.pools.refresh("local", timeout_s=ANSWER_LIMIT_S)
    assert volumes(agent) == ["seen.raw"]


def test_after_its_export_was_replaced(healthy: Lab, host: Host, agent: AgentClient, record_property: Record) -> None:
    """Every handle that the host has is stale then."""
    with back_in_time(agent, record_property):
        healthy.server.replace_export("vm_data", holding="newer.raw")
        wait_until(lambda: health(agent) is not HealthStatus.HEALTHY, limit_s=NOTICED_LIMIT_S, what="it is noticed")
    assert volumes(agent) == ["newer.raw"]
    assert host.mounts() == ["/srv/pools/vm_data"]


def test_after_it_was_unmounted_behind_its_back(host: Host, agent: AgentClient, record_property: Record) -> None:
    with back_in_time(agent, record_property):
        host.ssh("umount -l /srv/pools/vm_data")
        wait_until(lambda: health(agent) is not HealthStatus.HEALTHY, limit_s=NOTICED_LIMIT_S, what="it is noticed")
    assert volumes(agent) == ["seen.raw"]
    assert host.mounts() == ["/srv/pools/vm_data"]


def test_after_libvirtd_was_killed_while_the_share_was_mounted(healthy: Lab, host: Host, agent: AgentClient) -> None:
    agent.pools.stop("vm_data")
    healthy.server.refuse()
    ended: list[Operation | PoolfleetError] = []
    starting = threading.Thread(target=lambda: ended.append(start(agent)))
    starting.start()
    wait_until(lambda: len(attempts(agent)) > 1, limit_s=60, what="it is tried again", every_s=ASKED_EVERY_S)
    host.ssh("systemctl kill --signal KILL libvirtd")
    healthy.server.heal()
    starting.join()
    wait_for(agent, HealthStatus.HEALTHY, limit_s=NOTICED_LIMIT_S)
    assert host.mounts() == ["/srv/pools/vm_data"]
    assert "vm_data" in host.virsh("pool-list")
    assert volumes(agent) == ["seen.raw"]


def start(agent: AgentClient) -> Operation | PoolfleetError:
    """The operation fails where libvirt is away just then; the supervisor brings the pool up all the same."""
    try:
        return agent.pools.start("vm_data", retry=RetryPolicy(deadline_s=120))
    except PoolfleetError as error:
        return error


def attempts(agent: AgentClient) -> tuple[object, ...]:
    running = [operation for operation in agent.operations.list() if not operation.ended]
    return running[0].attempts if running else ()
