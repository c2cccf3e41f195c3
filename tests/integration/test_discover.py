"""Sources for new pools, found by a real agent: of an NFS server without a list of exports, and by libvirt."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import DiscoveredBy
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn


@pytest.fixture
def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(host.agent.target) as client:
        yield client


def test_libvirt_says_itself_for_which_types_it_finds_sources(agent: poolfleet.AgentClient) -> None:
    with pytest.raises(poolfleet.Unsupported) as refused:
        agent.pools.discover("dir")
    assert refused.value.reason == "NOT_SUPPORTED_HERE"
    assert "does not support source discovery" in refused.value.message


def test_a_server_on_which_libvirt_finds_nothing_has_no_sources(agent: poolfleet.AgentClient) -> None:
    found = agent.pools.discover("netfs", host="127.0.0.1", source_format="glusterfs")
    assert (found.sources, found.found_by) == ((), DiscoveredBy.LIBVIRT)


def test_a_server_that_does_not_answer_is_told_of_with_advice(agent: poolfleet.AgentClient) -> None:
    with pytest.raises(poolfleet.FailedPrecondition) as refused:
        agent.pools.discover("netfs", host="127.0.0.1", port=1)
    assert (refused.value.reason, refused.value.metadata["failure"]) == ("MOUNT_FAILED", "CONNECTION_REFUSED")
    assert "server runs" in refused.value.message


if os.geteuid() == 0:

    def test_a_server_that_lists_no_exports_has_its_root_looked_at_unseen(short_dir: Path) -> None:
        folder = short_dir / "discover"
        with (
            NullNfsServer() as server,
            NetfsStandIn(folder / "nfs", host="127.0.0.1", path="/") as share,
            EmbeddedHost("one", folder, share=share) as host,
            poolfleet.AgentClient(host.agent.target) as client,
        ):
            made = share.namespace.command(["mkdir", "-p", *(f"{share.root}/export/srv/{name}" for name in "ab")])
            subprocess.run(made, check=True, timeout=60)
            found = client.pools.discover("netfs", host="127.0.0.1", port=server.port)
            assert [(source.host, source.path) for source in found.sources] == [
                ("127.0.0.1", "/srv/a"),
                ("127.0.0.1", "/srv/b"),
            ]
            assert found.found_by is DiscoveredBy.ROOT
            root = host.agent.state_dir / "server-root"
            assert not list(root.iterdir())
            assert str(root) not in Path(f"/proc/{host.agent.pid}/mounts").read_text()
