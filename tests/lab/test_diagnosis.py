"""What is told of shares of a kernel NFS server: who is who on them, which layer fails, and what a server exports."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from poolfleet import AgentClient, DiscoveredBy, PoolProbe
from poolfleet.types.probe import LayerOutcome
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import SLOWER, share

RPCBIND_PORT = 111
# A silent server's layers, and a mount's that is dead.
PROBE_S = 5.0


@pytest.fixture
def agent(healthy: Lab) -> Iterator[AgentClient]:
    """The agent of one host, whose pools are gone after the test."""
    with healthy.hosts[0].agent(timeout_s=240) as client:
        yield client


def started(agent: AgentClient, export: str, version: str) -> None:
    agent.pools.ensure(share(export, version=version), autostart=False)


def failures(probe: PoolProbe) -> dict[str, str]:
    return {layer.layer: layer.failure for layer in probe.layers if layer.outcome is LayerOutcome.FAILED}


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_a_share_on_which_root_is_root_is_well_and_known_for_it_without_writing(
    agent: AgentClient, version: str
) -> None:
    started(agent, "vm_data", version)
    found = agent.pools.probe("vm_data")
    assert failures(found) == {}
    assert found.users is not None
    assert (found.users.root_squashed, found.users.libvirt_can_list) == (False, True)
    found = agent.pools.probe("vm_data", write_test=True)
    assert failures(found) == {}
    assert found.users is not None
    assert found.users.root_uid == 0


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_a_directory_that_root_cannot_list_is_told_before_anybody_asks_libvirt(
    healthy: Lab, agent: AgentClient, version: str
) -> None:
    spec = share("squashed0750", version=version)
    agent.pools.define(spec)
    agent.pools.build("squashed0750")
    target = "/srv/pools/squashed0750"
    healthy.hosts[0].ssh(f"mount -t nfs -o nfsvers={version} nfs.lab:/srv/nfs/squashed0750 {target}")
    found = agent.pools.probe("squashed0750")
    assert failures(found) == {"squash": "SQUASHED"}
    assert found.users is not None
    assert (found.users.root_squashed, found.users.libvirt_can_list) == (True, False)
    assert found.users.qemu_can_write
    assert "o+rx" in found.advice


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_a_read_only_export_is_found_by_writing(agent: AgentClient, version: str) -> None:
    started(agent, "read_only", version)
    assert failures(agent.pools.probe("read_only")) == {}
    assert failures(agent.pools.probe("read_only", write_test=True)) == {"write": "READ_ONLY"}


def test_a_server_that_falls_silent_under_a_mount_is_told_of_soon(healthy: Lab, agent: AgentClient) -> None:
    started(agent, "vm_data", "4.2")
    healthy.server.silent()
    began = time.monotonic()
    found = agent.pools.probe("vm_data", write_test=True)
    assert time.monotonic() - began < PROBE_S * SLOWER
    assert failures(found).get("tcp", failures(found).get("rpc")) == "TIMED_OUT"
    healthy.server.heal()


def test_a_server_tells_its_exports_and_whom_they_are_for(agent: AgentClient) -> None:
    found = agent.pools.discover("netfs", host="nfs.lab")
    assert found.found_by is DiscoveredBy.MOUNTD
    assert {(source.path, source.clients) for source in found.sources} >= {("/srv/nfs/vm_data", ("*",))}


def test_a_server_that_lists_nothing_has_its_root_looked_at_unseen(healthy: Lab, agent: AgentClient) -> None:
    listed = {source.path for source in agent.pools.discover("netfs", host="nfs.lab").sources}
    healthy.server.silent_on(RPCBIND_PORT)
    found = agent.pools.discover("netfs", host="nfs.lab")
    assert found.found_by is DiscoveredBy.ROOT
    # An export that holds nothing but another one looks like a way to it.
    assert {source.path for source in found.sources} == listed - {"/srv/nfs/nested"}
    assert healthy.hosts[0].mounts() == []
