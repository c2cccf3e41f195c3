"""Pools come to be what they are meant to be, by themselves; and stay as they are under maintenance."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import poolfleet
from poolfleet import PoolSpec
from poolfleet.types.pool import Desired, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.process import wait_until
from scripts.embedded.standin import NetfsStandIn

LIMIT_S = 60.0


@pytest.fixture
def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(host.agent.target) as client:
        yield client


def wait_for(agent: poolfleet.AgentClient, pool: str, state: PoolState) -> None:
    def there() -> bool:
        return agent.pools.get(pool).state is state

    wait_until(there, limit_s=LIMIT_S, what=f"pool {pool} is {state}")


def desired(agent: poolfleet.AgentClient, pool: str) -> Desired | None:
    state = agent.pools.get(pool).desired_state
    return state.desired if state else None


def test_a_pool_that_was_started_comes_back_when_its_folder_does(
    host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    folder = host.pools_dir / "p"
    agent.pools.ensure(PoolSpec.dir("p", target=str(folder)))
    folder.rmdir()
    with pytest.raises(poolfleet.PoolfleetError):
        agent.pools.refresh("p")
    assert agent.pools.get("p").state is PoolState.INACTIVE
    assert desired(agent, "p") is Desired.STARTED
    folder.mkdir()
    wait_for(agent, "p", PoolState.RUNNING)
    assert {operation.caller for operation in agent.operations.list()} == {"unix", "supervisor"}


def test_what_a_person_stops_on_the_host_stays_stopped(host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    agent.pools.ensure(PoolSpec.dir("p", target=str(host.pools_dir / "p")))
    subprocess.run(["virsh", "--connect", host.libvirtd.uri, "pool-destroy", "p"], check=True, timeout=60)
    wait_until(lambda: desired(agent, "p") is Desired.STOPPED, limit_s=LIMIT_S, what="the stop is taken for meant")
    assert agent.pools.get("p", max_staleness_s=0).state is PoolState.INACTIVE
    assert not [operation for operation in agent.operations.list() if operation.caller == "supervisor"]


def test_under_maintenance_nothing_is_started_and_it_outlives_the_agent(
    host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    folder = host.pools_dir / "p"
    agent.pools.ensure(PoolSpec.dir("p", target=str(folder)))
    until = datetime.now(UTC) + timedelta(hours=1)
    said = agent.set_maintenance(enabled=True, reason="new disks", until=until).maintenance
    assert (said.enabled, said.reason, said.until) == (True, "new disks", until)
    host.agent.stop()
    host.agent.start()
    host.agent.wait_loaded()
    assert agent.get().maintenance == said

    folder.rmdir()
    with pytest.raises(poolfleet.PoolfleetError):
        agent.pools.refresh("p")
    folder.mkdir()
    agent.pools.ensure(PoolSpec.dir("witness", target=str(host.pools_dir / "witness")))
    assert agent.pools.get("p").state is PoolState.INACTIVE
    assert not agent.set_maintenance(enabled=False).maintenance.enabled
    wait_for(agent, "p", PoolState.RUNNING)


def test_maintenance_that_makes_no_sense_is_refused(agent: poolfleet.AgentClient) -> None:
    for wrong in ({"enabled": True, "until": datetime(2020, 1, 1, tzinfo=UTC)}, {"enabled": False, "reason": "why"}):
        with pytest.raises(poolfleet.InvalidArgument):
            agent.set_maintenance(**wrong)  # type: ignore[arg-type]


if os.geteuid() == 0:

    def test_a_share_comes_up_by_itself_after_its_server_does(short_dir: Path) -> None:
        with (
            NullNfsServer() as server,
            NetfsStandIn(short_dir / "nfs", host="127.0.0.1") as share,
            EmbeddedHost("s", short_dir, share=share) as host,
            poolfleet.AgentClient(host.agent.target) as agent,
        ):
            target = str(host.pools_dir / "vm_data")
            options = [f"port={server.port}"]
            spec = PoolSpec.netfs("vm_data", host=share.host, path=share.path, target=target, options=options)
            agent.pools.define(spec)
            agent.pools.build("vm_data")
            server.close()
            with contextlib.suppress(poolfleet.DeadlineExceeded):
                agent.pools.start("vm_data", timeout_s=3)
            host.agent.kill9()
            host.agent.start()
            server.open()
            wait_for(agent, "vm_data", PoolState.RUNNING)
            agent.pools.stop("vm_data")
            assert desired(agent, "vm_data") is Desired.STOPPED
