"""What is told of shares of a kernel NFS server: who is who on them, which layer fails, and what a server exports."""

from __future__ import annotations

import time

import pytest

from poolfleet import AgentClient, DiscoveredBy, PoolProbe
from poolfleet.types.probe import LayerOutcome
from scripts.embedded.process import wait_until
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.network import SERVER_ADDRESS
from tests.lab.shares import SLOWER, share

pytestmark = pytest.mark.full

LIMIT_S = 90.0
RPCBIND_PORT = 111
# A silent server's layers, and a mount's that is dead.
PROBE_S = 5.0


def started(agent: AgentClient, export: str, version: str) -> None:
    agent.pools.ensure(share(export, host=SERVER_ADDRESS, version=version), autostart=False)


def found_to_fail(agent: AgentClient, pool: str, expected: dict[str, str], *, write_test: bool = False) -> PoolProbe:
    """The diagnosis once it is that; a machine here may be too slow for the limits of a first look."""
    last: list[PoolProbe] = []

    def as_expected() -> bool:
        last.append(agent.pools.probe(pool, write_test=write_test))
        return failures(last[-1]) == expected

    wait_until(as_expected, limit_s=LIMIT_S, what=f"{pool} fails as {expected}", every_s=1.0)
    return last[-1]


def failures(probe: PoolProbe) -> dict[str, str]:
    return {layer.layer: layer.failure for layer in probe.layers if layer.outcome is LayerOutcome.FAILED}


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_a_share_on_which_root_is_root_is_well_and_known_for_it_without_writing(
    agent: AgentClient, version: str
) -> None:
    started(agent, "vm_data", version)
    found = found_to_fail(agent, "vm_data", {})
    assert found.users is not None
    assert (found.users.root_squashed, found.users.libvirt_can_list) == (False, True)
    found = found_to_fail(agent, "vm_data", {}, write_test=True)
    assert found.users is not None
    assert found.users.root_uid == 0


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_a_directory_that_root_cannot_list_is_told_before_anybody_asks_libvirt(
    healthy: Lab, agent: AgentClient, version: str
) -> None:
    spec = share("squashed0750", host=SERVER_ADDRESS, version=version)
    agent.pools.define(spec)
    agent.pools.build("squashed0750")
    target = "/srv/pools/squashed0750"
    healthy.hosts[0].ssh(f"mount -t nfs -o nfsvers={version} {SERVER_ADDRESS}:/srv/nfs/squashed0750 {target}")
    found = found_to_fail(agent, "squashed0750", {"squash": "SQUASHED"})
    assert found.users is not None
    assert (found.users.root_squashed, found.users.libvirt_can_list) == (True, False)
    assert found.users.qemu_can_write
    assert "o+rx" in found.advice


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_where_root_may_not_write_the_owner_of_the_directory_does(agent: AgentClient, version: str) -> None:
    started(agent, "squashed", version)
    found = found_to_fail(agent, "squashed", {})
    assert found.users is not None
    # Squashed, or the export read-only: only writing tells.
    assert (found.users.root_squashed, found.users.libvirt_can_list) == (None, True)
    found = found_to_fail(agent, "squashed", {}, write_test=True)
    assert found.users is not None
    assert (found.users.root_squashed, found.users.worker_uid) == (True, 64055)


@pytest.mark.parametrize("version", ["3", "4.2"])
def test_a_read_only_export_is_found_by_writing(agent: AgentClient, version: str) -> None:
    started(agent, "read_only", version)
    found_to_fail(agent, "read_only", {})
    found_to_fail(agent, "read_only", {"write": "READ_ONLY"}, write_test=True)


def test_a_server_that_falls_silent_under_a_mount_is_told_of_soon(healthy: Lab, agent: AgentClient) -> None:
    started(agent, "vm_data", "4.2")
    healthy.server.silent()
    began = time.monotonic()
    found = agent.pools.probe("vm_data", write_test=True)
    assert time.monotonic() - began < PROBE_S * SLOWER
    assert failures(found).get("tcp", failures(found).get("rpc")) == "TIMED_OUT"
    healthy.server.heal()


def test_a_server_tells_its_exports_and_whom_they_are_for(agent: AgentClient) -> None:
    found = agent.pools.discover("netfs", host=SERVER_ADDRESS)
    assert found.found_by is DiscoveredBy.MOUNTD
    assert {(source.path, source.clients) for source in found.sources} >= {("/srv/nfs/vm_data", ("*",))}


def test_a_server_that_lists_nothing_has_its_root_looked_at_unseen(healthy: Lab, agent: AgentClient) -> None:
    listed = {source.path for source in agent.pools.discover("netfs", host=SERVER_ADDRESS).sources}
    healthy.server.silent_on(RPCBIND_PORT)
    found = agent.pools.discover("netfs", host=SERVER_ADDRESS)
    assert found.found_by is DiscoveredBy.ROOT
    # An export that holds nothing but another one looks like a way to it.
    assert {source.path for source in found.sources} == listed - {"/srv/nfs/nested"}
    assert healthy.hosts[0].mounts() == []
