"""`pool discover`: what each host found, once where hosts found the same, and by whom."""

from __future__ import annotations

import json

import grpc

from poolfleet.v1 import diagnosis_pb2, pool_service_pb2
from tests.unit.client.cli.conftest import Hosts, Terminal
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.stub_agent import Refusal

PB = pool_service_pb2


def exports(*paths: str, by: str = "MOUNTD", clients: str = "") -> PB.DiscoverPoolSourcesResponse:
    sources = [diagnosis_pb2.DiscoveredSource(host="nfs1", path=path, clients=clients.split()) for path in paths]
    found_by = diagnosis_pb2.DiscoveredBy.Value(f"DISCOVERED_BY_{by}")
    return PB.DiscoverPoolSourcesResponse(sources=sources, found_by=found_by)


async def test_one_host_lists_what_it_found_in_columns_that_are_needed(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.on("DiscoverPoolSources", exports("/srv/a", "/srv/b\x1b", clients="10.0.0.0/8 *"))
    ran = await poolfleet("pool", "discover", "netfs", "--server", "nfs1")
    assert agent.sent("DiscoverPoolSources") == [PB.DiscoverPoolSourcesRequest(type="netfs", host="nfs1")]
    assert ran.code == 0
    assert [line.split() for line in ran.lines] == [
        ["SERVER", "PATH", "CLIENTS"],
        ["nfs1", "/srv/a", "10.0.0.0/8,*"],
        ["nfs1", "/srv/b\\x1b", "10.0.0.0/8,*"],
    ]
    assert (await poolfleet("pool", "discover", "netfs", "-o", "name")).lines == ["/srv/a", "/srv/b\\x1b"]


async def test_hosts_that_found_the_same_stand_in_one_line(hosts: Hosts) -> None:
    for agent, paths in zip(hosts.agents, (["/a", "/b"], ["/a"], ["/a", "/b"]), strict=True):
        agent.on("DiscoverPoolSources", exports(*paths))
    ran = await hosts.poolfleet("pool", "discover", "netfs", "--server", "nfs1")
    assert [line.split() for line in ran.lines[1:]] == [["nfs1", "/a", "3/3"], ["nfs1", "/b", "2/3"]]
    document = json.loads((await hosts.poolfleet("pool", "discover", "netfs", "-o", "json")).out)
    assert [len(each["sources"]) for each in document["discoveries"]] == [2, 1, 2]
    assert document["discoveries"][0]["found_by"] == "mountd"


async def test_what_a_root_shows_is_said_to_be_no_list(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.on("DiscoverPoolSources", exports("/srv/a", by="ROOT"))
    assert "lists no exports" in (await poolfleet("pool", "discover", "netfs", "--server", "nfs1")).lines[-1]


async def test_a_server_that_cannot_be_asked_is_a_failure(agent: LivingAgent, poolfleet: Terminal) -> None:
    refusal = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "MOUNT_FAILED", "tcp: Connection refused")
    agent.on("DiscoverPoolSources", refusal)
    ran = await poolfleet("pool", "discover", "netfs", "--server", "nfs1")
    assert ran.code == 5
    assert "Connection refused" in ran.err
