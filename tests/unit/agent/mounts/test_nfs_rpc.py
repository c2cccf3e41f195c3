"""The few remote procedure calls that are needed, spoken with a server that understands no more than these."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.ports.mounts import Export
from poolfleet_agent.mounts import nfs_rpc
from poolfleet_agent.mounts.nfs_rpc import ask_nfs, exports, mountd_port, mountd_udp_port, nfs3_port
from poolfleet_agent.mounts.rpc import ProgramUnavailableError, RpcConnection, RpcError, Unpacker, VersionMismatchError
from scripts.embedded.free_port import free_port
from tests.unit.agent.mounts.fake_server import MOUNT, NFS, RPCBIND, FakeServer, deaf_port

BOTH = (4, 3)


async def version_of(server: FakeServer, versions: tuple[int, ...] = BOTH) -> int:
    connection = await RpcConnection.open(server.host, server.port)
    try:
        return await ask_nfs(connection, versions)
    finally:
        connection.close()


@pytest.mark.parametrize(("has", "asked", "found"), [((3, 4), BOTH, 4), ((3, 3), BOTH, 3), ((3, 4), (3,), 3)])
async def test_the_first_version_that_the_server_has(has: tuple[int, int], asked: tuple[int, ...], found: int) -> None:
    async with FakeServer({NFS: has}) as server:
        assert await version_of(server, asked) == found


async def test_a_version_that_it_does_not_have() -> None:
    async with FakeServer({NFS: (3, 3)}) as server:
        with pytest.raises(VersionMismatchError, match="versions 3 to 3"):
            await version_of(server, (4,))


async def test_a_server_without_nfs() -> None:
    async with FakeServer({MOUNT: (1, 3)}) as server:
        with pytest.raises(ProgramUnavailableError):
            await version_of(server)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_where_the_programs_listen(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = "6" if ":" in host else ""
    registered = {(NFS, "tcp" + suffix): 2049, (MOUNT, "udp" + suffix): 40001}
    async with FakeServer({RPCBIND: (2, 4)}, host=host, registered=registered) as server:
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        assert await nfs3_port(host) == 2049
        assert await mountd_port(host) == 0
        assert await mountd_udp_port(host) == 40001


async def test_the_list_of_exports_in_however_many_pieces_it_comes() -> None:
    listed = [("/srv/vm_data", ["10.0.0.0/8", "@hosts"]), ("/srv/b", []), *((f"/srv/{i}", ["*"]) for i in range(2000))]
    async with FakeServer({MOUNT: (1, 3)}, exports=listed) as server:
        server.fragment_bytes = 1001
        found = await exports(server.host, server.port)
    assert found == tuple(Export(path, tuple(clients)) for path, clients in listed)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\x80\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        struct.pack(">I", 1 << 31 | 4) + b"abcd",
        struct.pack(">I3I", 1 << 31 | 12, 12345, 1, 0),
        b"\xff" * 64,
    ],
)
async def test_what_answers_there_may_be_anything(reply: bytes) -> None:
    async with FakeServer({NFS: (3, 4)}) as server:
        server.raw_reply = reply
        async with asyncio.timeout(30):
            with pytest.raises(RpcError):
                await version_of(server)


async def test_a_list_that_is_cut_off_is_no_list() -> None:
    async with FakeServer({MOUNT: (1, 3)}, exports=[("/a", ["x"])]) as server:
        whole = server._results(MOUNT, 3, 5, b"")
        server._results = lambda *_: whole[:-6]  # type: ignore[method-assign]
        with pytest.raises(RpcError, match="cut off"):
            await exports(server.host, server.port)


async def test_of_several_addresses_the_first_that_answers_counts() -> None:
    async with FakeServer({NFS: (3, 4)}) as server:
        connection = await RpcConnection.open_first(["::1", "127.0.0.1", "127.0.0.9"], server.port)
        assert connection.address == "127.0.0.1"
        connection.close()


async def test_where_none_answers_it_is_the_first_ones_failure() -> None:
    with pytest.raises(ConnectionRefusedError):
        await RpcConnection.open_first(["127.0.0.1", "127.0.0.2"], free_port())


async def test_one_that_is_deaf_is_given_up_with_the_callers_limit() -> None:
    with deaf_port() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await RpcConnection.open_first(["127.0.0.1"], port)
        assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("port", [65_536, 2**32 - 1])
async def test_what_is_no_port_is_said(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeServer({RPCBIND: (2, 4)}, registered={(MOUNT, "tcp"): port}) as server:
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        with pytest.raises(RpcError, match="no port"):
            await mountd_port(server.host)


@given(st.binary(max_size=200))
def test_whatever_a_server_answers_is_understood_or_refused(answer: bytes) -> None:
    with contextlib.suppress(RpcError):
        nfs_rpc._export_list(Unpacker(answer))
    with contextlib.suppress(RpcError):
        assert 0 <= nfs_rpc._port_in(answer) <= 65_535
