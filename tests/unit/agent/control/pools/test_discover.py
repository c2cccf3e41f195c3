"""Sources for new pools: who is asked, in which order, and what is refused before anybody is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from poolfleet_agent.control.pools.discover import DiscoverPoolSources
from poolfleet_agent.model.discovery import DiscoveredSource, Discovery, FoundBy, SourceQuery
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.ports import Export, LayerResult, MountRequest, ServerProbe
from tests.unit.agent.fake_host import FakeHost, FakeHypervisor, use_case_host

NFS = SourceQuery(type="netfs", host="nfs1", port=20490)


class Server:
    """An NFS server: what it lists, what its root shows, and in which layer it fails."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.list: tuple[Export, ...] | None = None
        self.root: Sequence[str] = ()
        self.failure: MountFailure | None = None
        self.unknown = False

    async def exports(self, host: str) -> tuple[Export, ...] | None:
        self.asked.append(f"list of {host}")
        if self.unknown:
            raise MountError(MountFailure.NAME_UNKNOWN, f"{host}: no such name", layer="dns")
        return self.list

    async def probe_server(self, request: MountRequest) -> ServerProbe:
        self.asked.append(f"probe of {request.source.host} {' '.join(request.options)} v{request.protocol_version}")
        layer = LayerResult(layer="tcp", duration_s=0.1, failure=self.failure or "", message="no")
        return ServerProbe(layers=(layer,), addresses=())

    async def paths_below_root(self, host: str, port: int = 0) -> tuple[str, ...]:
        self.asked.append(f"root of {host}:{port}")
        return tuple(self.root)


class Finder(FakeHypervisor):
    """libvirt, which finds what it is told."""

    found = ""

    async def find_pool_sources(self, pool_type: str, xml: str, *, server: str | None) -> str:
        self.called.append(f"find {pool_type} {xml} on {server}")
        return self.found


@pytest.fixture
def fake() -> Any:
    fake: Any = FakeHost(hypervisor=Finder())
    fake.mounts = Server()
    return fake


async def found(fake: Any, query: SourceQuery, **rules: Any) -> Discovery:
    return await DiscoverPoolSources(host=use_case_host(fake, **rules), query=query).run()


async def refused(fake: Any, query: SourceQuery, **rules: Any) -> ModelError:
    with pytest.raises(ModelError) as error:
        await found(fake, query, **rules)
    return error.value


async def test_a_server_s_own_list_is_taken_and_nothing_is_mounted(fake: Any) -> None:
    fake.mounts.list = (Export("/srv/a", ("*",)),)
    for rules in ({}, {"observe_only": True}):
        answer = await found(fake, NFS, **rules)
        assert answer.sources == (DiscoveredSource(host="nfs1", path="/srv/a", clients=("*",)),)
        assert answer.found_by is FoundBy.MOUNTD
    assert set(fake.mounts.asked) == {"list of nfs1"}
    assert not fake.hypervisor.called


async def test_an_empty_list_is_an_answer(fake: Any) -> None:
    fake.mounts.list = ()
    assert (await found(fake, NFS)).sources == ()
    assert fake.mounts.asked == ["list of nfs1"]


async def test_without_a_list_the_root_is_looked_at_once_the_server_answers(fake: Any) -> None:
    fake.mounts.root = ["/srv/a", "/srv/b"]
    answer = await found(fake, NFS)
    assert [source.path for source in answer.sources] == ["/srv/a", "/srv/b"]
    assert answer.found_by is FoundBy.ROOT
    assert fake.mounts.asked == ["list of nfs1", "probe of nfs1 port=20490 v4", "root of nfs1:20490"]


async def test_a_server_that_does_not_answer_is_not_mounted(fake: Any) -> None:
    fake.mounts.failure = MountFailure.CONNECTION_REFUSED
    error = await refused(fake, NFS)
    assert (error.reason, error.metadata["failure"]) == (Reason.MOUNT_FAILED, "CONNECTION_REFUSED")
    assert "server runs" in error.message
    assert not any(asked.startswith("root") for asked in fake.mounts.asked)
    fake.mounts.unknown = True
    assert (await refused(fake, NFS)).metadata["failure"] == "NAME_UNKNOWN"


async def test_an_agent_that_observes_mounts_nothing(fake: Any) -> None:
    assert (await refused(fake, NFS, observe_only=True)).reason is Reason.OBSERVE_ONLY
    assert fake.mounts.asked == ["list of nfs1"]


async def test_an_agent_without_the_rights_says_so(fake: Any) -> None:
    fake.mounts.failure = MountFailure.NOT_PRIVILEGED
    assert (await refused(fake, NFS)).reason is Reason.AGENT_NOT_AUTHORIZED


async def test_libvirt_finds_the_sources_of_other_types(fake: Any) -> None:
    fake.hypervisor.found = "<sources><source><name>vg0</name></source></sources>"
    answer = await found(fake, SourceQuery(type="logical"))
    assert [source.name for source in answer.sources] == ["vg0"]
    assert answer.found_by is FoundBy.LIBVIRT
    fake.hypervisor.found = ""
    assert (await found(fake, SourceQuery(type="iscsi", host="san1"))).sources == ()
    assert fake.hypervisor.called == [
        "find logical  on None",
        'find iscsi <source><host name="san1" /></source> on san1',
    ]
    await found(fake, SourceQuery(type="netfs", host="g1", format="glusterfs"))
    assert not fake.mounts.asked


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (SourceQuery(type="tape"), "type"),
        (SourceQuery(type=""), "type"),
        (SourceQuery(type="netfs"), "host"),
        (SourceQuery(type="iscsi", host="-o"), "host"),
        (SourceQuery(type="iscsi", host="a b"), "host"),
        (SourceQuery(type="iscsi", host="san1", port=-1), "port"),
        (SourceQuery(type="iscsi", host="san1", port=65536), "port"),
        (SourceQuery(type="iscsi", host="san1", initiator="--x"), "initiator"),
        (SourceQuery(type="netfs", host="nfs1", format="cifs"), "format"),
        (SourceQuery(type="iscsi", host="san1", format="nfs"), "format"),
    ],
)
async def test_what_cannot_be_meant_is_refused_before_anybody_is_asked(
    fake: Any, query: SourceQuery, field: str
) -> None:
    error = await refused(fake, query)
    assert (error.reason, error.metadata["field"]) == (Reason.INVALID_FIELD, field)
    assert not fake.mounts.asked
    assert not fake.hypervisor.called
