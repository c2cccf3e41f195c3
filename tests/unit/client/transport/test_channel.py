"""The channel repeats reads and nothing else, and speaks mutual TLS."""

from pathlib import Path
from unittest.mock import Mock

import grpc
import pytest
import trustme

from poolfleet import TLS, InvalidArgument, Unavailable
from poolfleet.aio import AgentClient
from poolfleet.transport import channel
from poolfleet.v1 import agent_pb2, agent_service_pb2, pool_pb2, pool_service_pb2
from tests.unit.client.stub_agent import Bare, StubAgent

LOST = Bare(grpc.StatusCode.UNAVAILABLE)


def test_reads_are_what_it_repeats() -> None:
    assert {read["method"] for read in channel.reads()} == {
        "GetAgent",
        "GetPool",
        "ListPools",
        "ProbePool",
        "DiscoverPoolSources",
        "GetVolume",
        "ListVolumes",
        "LookupVolume",
        "ListDomainDisks",
        "GetOperation",
        "ListOperations",
        "ListSecrets",
    }


async def test_a_read_is_repeated(stub: StubAgent, client: AgentClient) -> None:
    stub.on("GetPool", LOST, LOST, pool_service_pb2.GetPoolResponse(pool=pool_pb2.Pool(name="a")))
    assert (await client.pools.get("a")).name == "a"
    assert stub.called == ["GetPool"] * 3


async def test_a_refused_read_is_not(stub: StubAgent, client: AgentClient) -> None:
    stub.on("GetPool", Bare(grpc.StatusCode.NOT_FOUND))
    with pytest.raises(Exception, match="gRPC's own"):
        await client.pools.get("a")
    assert stub.called == ["GetPool"]


async def test_one_connection_serves_all_calls(stub: StubAgent, client: AgentClient) -> None:
    stub.on("GetAgent", agent_service_pb2.GetAgentResponse(agent=agent_pb2.Agent(host_name="kvm1")))
    await client.get()
    first = client._connection._channel
    await client.get()
    assert client._connection._channel is first


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def files(folder: Path, authority: trustme.CA, name: str) -> TLS:
    issued = authority.issue_cert(name)
    tls = TLS(ca=folder / "ca.pem", cert=folder / f"{name}.pem", key=folder / f"{name}.key")
    authority.cert_pem.write_to_path(str(tls.ca))
    issued.cert_chain_pems[0].write_to_path(str(tls.cert))
    issued.private_key_pem.write_to_path(str(tls.key))
    return tls


async def listen(stub: StubAgent, tls: TLS) -> int:
    await stub.stop()
    pair = (tls.key.read_bytes(), tls.cert.read_bytes())
    return await stub.start(grpc.ssl_server_credentials([pair], tls.ca.read_bytes(), require_client_auth=True))


async def test_mutual_tls(stub: StubAgent, authority: trustme.CA, tmp_path: Path) -> None:
    stub.on("GetAgent", agent_service_pb2.GetAgentResponse(agent=agent_pb2.Agent(host_name="kvm1")))
    port = await listen(stub, files(tmp_path, authority, "localhost"))
    async with AgentClient(f"localhost:{port}", tls=files(tmp_path, authority, "controller")) as client:
        assert (await client.get()).host_name == "kvm1"


async def test_who_connects_after_the_files_were_replaced_has_the_new_ones(
    stub: StubAgent, authority: trustme.CA, tmp_path: Path
) -> None:
    stub.on("GetAgent", agent_service_pb2.GetAgentResponse(agent=agent_pb2.Agent(host_name="kvm1")))
    for issuer in (authority, trustme.CA()):
        port = await listen(stub, files(tmp_path, issuer, "localhost"))
        async with AgentClient(f"localhost:{port}", tls=files(tmp_path, issuer, "controller")) as client:
            assert (await client.get()).host_name == "kvm1"


async def test_what_many_channels_have_in_common_is_prepared_once(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = Mock(wraps=grpc.ssl_channel_credentials)
    monkeypatch.setattr(grpc, "ssl_channel_credentials", prepared)
    tls = files(tmp_path, authority, "controller")
    for number in range(3):
        await channel.make(f"localhost:{number + 1}", tls).close()
    assert prepared.call_count == 1


async def test_a_stranger_is_not_reached(stub: StubAgent, authority: trustme.CA, tmp_path: Path) -> None:
    port = await listen(stub, files(tmp_path, authority, "localhost"))
    (tmp_path / "other").mkdir()
    async with AgentClient(f"localhost:{port}", tls=files(tmp_path / "other", trustme.CA(), "controller")) as client:
        with pytest.raises(Unavailable):
            await client.get(timeout_s=20)


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    nothing = tmp_path / "none.pem"
    async with AgentClient("localhost:1", tls=TLS(ca=nothing, cert=nothing, key=nothing)) as client:
        with pytest.raises(InvalidArgument, match=r"none\.pem cannot be read"):
            await client.get()
