"""`ensure` does what is missing and nothing else."""

import grpc
import pytest

from poolfleet import AlreadyExists, FailedPrecondition, PoolSpec, SecretSpec, SecretWithValue
from poolfleet.aio import AgentClient
from poolfleet.v1 import operation_pb2, pool_pb2, pool_service_pb2, secret_pb2, secret_service_pb2
from tests.unit.client.stub_agent import Refusal, StubAgent, failed, succeeded

SPEC = PoolSpec.dir("images", target="/images")
UNUSABLE = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "PATH_NOT_USABLE", metadata={"path": "/images"})
SAME_SOURCE = Refusal(grpc.StatusCode.ALREADY_EXISTS, "SOURCE_IN_USE", metadata={"existing_pool": "theirs"})


def pool(*, active: bool, autostart: bool, name: str = "images") -> pool_pb2.Pool:
    state = pool_pb2.POOL_STATE_RUNNING if active else pool_pb2.POOL_STATE_INACTIVE
    return pool_pb2.Pool(name=name, state=state, autostart=autostart)


def done(*, active: bool, autostart: bool, changed: bool = True) -> operation_pb2.Operation:
    return succeeded(changed=changed, pool_result=pool(active=active, autostart=autostart))


def defined(operation: operation_pb2.Operation) -> pool_service_pb2.DefinePoolResponse:
    return pool_service_pb2.DefinePoolResponse(operation=operation)


def started(operation: operation_pb2.Operation) -> pool_service_pb2.StartPoolResponse:
    return pool_service_pb2.StartPoolResponse(operation=operation)


@pytest.fixture(autouse=True)
def nothing_is_there(stub: StubAgent) -> None:
    stub.on("DefinePool", defined(done(active=False, autostart=False)))
    stub.on("UpdatePool", pool_service_pb2.UpdatePoolResponse(operation=done(active=False, autostart=True)))
    stub.on("StartPool", started(failed(UNUSABLE)), started(done(active=True, autostart=True)))
    stub.on("BuildPool", pool_service_pb2.BuildPoolResponse(operation=done(active=False, autostart=True)))


async def test_all_of_it(stub: StubAgent, client: AgentClient) -> None:
    result = await client.pools.ensure(SPEC)
    assert result.changes == ("defined", "autostart", "built", "started")
    assert (result.pool.active, result.pool.autostart) == (True, True)
    assert stub.called == ["DefinePool", "UpdatePool", "StartPool", "BuildPool", "StartPool"]


async def test_nothing(stub: StubAgent, client: AgentClient) -> None:
    stub.on("DefinePool", defined(done(active=True, autostart=True, changed=False)))
    result = await client.pools.ensure(SPEC)
    assert result.changes == ()
    assert stub.called == ["DefinePool"]


async def test_a_target_that_is_there_is_not_built(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", started(done(active=True, autostart=True)))
    assert (await client.pools.ensure(SPEC)).changes == ("defined", "autostart", "started")
    assert "BuildPool" not in stub.called


async def test_only_what_is_asked_for(stub: StubAgent, client: AgentClient) -> None:
    result = await client.pools.ensure(SPEC, start=False, autostart=False)
    assert result.changes == ("defined",)
    assert stub.called == ["DefinePool"]


async def test_a_share_that_cannot_be_mounted_is_not_built_over(stub: StubAgent, client: AgentClient) -> None:
    stub.on("StartPool", started(failed(Refusal(grpc.StatusCode.FAILED_PRECONDITION, "MOUNT_FAILED"))))
    with pytest.raises(FailedPrecondition):
        await client.pools.ensure(SPEC)
    assert "BuildPool" not in stub.called


async def test_onto_a_device_nothing_is_written_unasked(stub: StubAgent, client: AgentClient) -> None:
    disk = pool(active=False, autostart=True)
    disk.type = "disk"
    stub.on("DefinePool", defined(succeeded(pool_result=disk)))
    with pytest.raises(FailedPrecondition):
        await client.pools.ensure(PoolSpec.disk("images", device="/dev/sdb", format="gpt"))
    assert "BuildPool" not in stub.called


async def test_by_source_a_pool_of_another_name_is_taken(stub: StubAgent, client: AgentClient) -> None:
    theirs = pool(active=False, autostart=True, name="theirs")
    stub.on("DefinePool", SAME_SOURCE)
    stub.on("GetPool", pool_service_pb2.GetPoolResponse(pool=theirs))
    stub.on("StartPool", started(succeeded(pool_result=pool(active=True, autostart=True, name="theirs"))))
    result = await client.pools.ensure(SPEC, match="source")
    assert (result.pool.name, result.changes) == ("theirs", ("started",))
    assert stub.sent("StartPool")[0].pool == "theirs"


async def test_by_name_it_is_in_the_way(stub: StubAgent, client: AgentClient) -> None:
    stub.on("DefinePool", SAME_SOURCE)
    with pytest.raises(AlreadyExists):
        await client.pools.ensure(SPEC)


async def test_an_agent_that_sends_no_pool_is_asked_for_it(stub: StubAgent, client: AgentClient) -> None:
    stub.on("DefinePool", defined(succeeded(changed=False)))
    stub.on("GetPool", pool_service_pb2.GetPoolResponse(pool=pool(active=True, autostart=True)))
    assert (await client.pools.ensure(SPEC)).pool.active


SECRET = SecretWithValue(SecretSpec("iscsi", "san"), "hunter2")


@pytest.mark.parametrize(("there", "changes"), [([], ("secret",)), (["other"], ("secret",)), (["san"], ())])
async def test_its_secret_is_set_first_and_is_a_change_where_there_was_none(
    stub: StubAgent, client: AgentClient, there: list[str], changes: tuple[str, ...]
) -> None:
    known = [secret_pb2.Secret(usage_type="iscsi", usage_id=usage_id) for usage_id in there]
    stub.on("ListSecrets", secret_service_pb2.ListSecretsResponse(secrets=known))
    stub.on("SetSecret", secret_service_pb2.SetSecretResponse(operation=succeeded(changed=True)))
    stub.on("DefinePool", defined(done(active=True, autostart=True, changed=False)))
    assert (await client.pools.ensure(SPEC, secret=SECRET)).changes == changes
    assert stub.called == ["ListSecrets", "SetSecret", "DefinePool"]
    assert stub.sent("SetSecret")[0].value == b"hunter2"


def test_a_secret_with_its_value_does_not_show_it() -> None:
    assert "hunter2" not in f"{SECRET!r} {SECRET}"
