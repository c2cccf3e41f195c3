"""What is asked of an agent about a pool's working and about new sources, and what is made of its answers."""

from google.protobuf.duration_pb2 import Duration

from poolfleet import DiscoveredBy, DiscoveredSource, LayerOutcome, PoolSources, ProbeLayer, ShareUsers
from poolfleet.aio import AgentClient
from poolfleet.v1 import diagnosis_pb2, pool_service_pb2
from tests.unit.client.stub_agent import StubAgent

FAILED = diagnosis_pb2.ProbeLayer(
    layer="squash",
    outcome=diagnosis_pb2.ProbeLayer.OUTCOME_FAILED,
    duration=Duration(nanos=2_000_000),
    failure="SQUASHED",
    message="It is.",
)


async def test_a_diagnosis_has_all_that_the_agent_said(stub: StubAgent, client: AgentClient) -> None:
    skipped = diagnosis_pb2.ProbeLayer(layer="dns", outcome=diagnosis_pb2.ProbeLayer.OUTCOME_SKIPPED, message="none")
    users = diagnosis_pb2.ShareUsers(root_squashed=True, root_uid=0, worker_uid=7, worker_gid=8, qemu_can_write=False)
    stub.on(
        "ProbePool",
        pool_service_pb2.ProbePoolResponse(
            layers=[skipped, FAILED], failure="SQUASHED", verdict="no", advice="chmod", users=users
        ),
    )
    found = await client.pools.probe("vm_data", write_test=True)
    assert stub.sent("ProbePool") == [pool_service_pb2.ProbePoolRequest(pool="vm_data", write_test=True)]
    failed = ProbeLayer(
        layer="squash", outcome=LayerOutcome.FAILED, duration_s=0.002, failure="SQUASHED", message="It is."
    )
    assert found.layers == (
        ProbeLayer(layer="dns", outcome=LayerOutcome.SKIPPED, duration_s=None, message="none"),
        failed,
    )
    assert found.failed == failed
    assert (found.failure, found.verdict, found.advice) == ("SQUASHED", "no", "chmod")
    assert found.users == ShareUsers(
        root_squashed=True,
        root_uid=0,
        worker_uid=7,
        worker_gid=8,
        libvirt_can_list=False,
        qemu_user="",
        qemu_can_read=None,
        qemu_can_write=False,
        owner_is_nobody=False,
    )


async def test_a_diagnosis_of_what_is_well_has_no_failure_and_may_know_no_users(
    stub: StubAgent, client: AgentClient
) -> None:
    stub.on("ProbePool", pool_service_pb2.ProbePoolResponse(verdict="well"))
    found = await client.pools.probe("vm_data")
    assert not stub.sent("ProbePool")[0].write_test
    assert (found.failed, found.failure, found.users) == (None, "", None)


async def test_sources_are_asked_for_and_have_all_that_the_agent_said(stub: StubAgent, client: AgentClient) -> None:
    source = diagnosis_pb2.DiscoveredSource(
        host="nfs1", path="/srv/a", name="n", devices=["/dev/sdb"], clients=["*"], xml="<source/>"
    )
    stub.on(
        "DiscoverPoolSources",
        pool_service_pb2.DiscoverPoolSourcesResponse(sources=[source], found_by=diagnosis_pb2.DISCOVERED_BY_MOUNTD),
    )
    found = await client.pools.discover("iscsi", host="san1", port=3261, initiator="iqn.x", source_format="f")
    assert stub.sent("DiscoverPoolSources") == [
        pool_service_pb2.DiscoverPoolSourcesRequest(type="iscsi", host="san1", port=3261, initiator="iqn.x", format="f")
    ]
    assert found == PoolSources(
        sources=(
            DiscoveredSource(
                host="nfs1", path="/srv/a", name="n", devices=("/dev/sdb",), clients=("*",), xml="<source/>"
            ),
        ),
        found_by=DiscoveredBy.MOUNTD,
    )
