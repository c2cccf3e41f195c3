"""The socket's permissions and owner, what is found in its place, and TCP that is loopback or mutual TLS."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from poolfleet.v1.agent_service_pb2 import GetAgentRequest, GetAgentResponse
from poolfleet.v1.agent_service_pb2_grpc import (
    AgentServiceStub,
    add_AgentServiceServicer_to_server,
)
from poolfleet_agent.config import ConfigurationError, Settings
from poolfleet_agent.server.listen import OPTIONS, listen
from tests.get_agent_only import GetAgentOnly

WIDE_S = 20


class Answering(GetAgentOnly):
    async def GetAgent(self, request: Any, context: Any) -> GetAgentResponse:  # noqa: N802
        return GetAgentResponse()


@pytest.fixture
async def server() -> AsyncIterator[grpc.aio.Server]:
    server = grpc.aio.server(options=OPTIONS)
    add_AgentServiceServicer_to_server(Answering(), server)
    yield server
    await server.stop(0)


def on(path: Path, **options: Any) -> Settings:
    return Settings.model_validate({"listen": {"unix": str(path), **options}})


async def ask(target: str) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        await AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=WIDE_S)


async def test_it_answers_on_a_socket_of_the_configured_mode(server: grpc.aio.Server, socket_dir: Path) -> None:
    (address,) = listen(server, on(socket_dir / "s"))
    await server.start()
    assert address == f"unix:{socket_dir}/s"
    assert stat.S_IMODE((socket_dir / "s").stat().st_mode) == 0o660
    await ask(address)


async def test_it_makes_the_sockets_folder(server: grpc.aio.Server, socket_dir: Path) -> None:
    listen(server, on(socket_dir / "poolfleet" / "s", unix_mode="0600"))
    assert stat.S_IMODE((socket_dir / "poolfleet" / "s").stat().st_mode) == 0o600


async def test_the_socket_is_never_open_wider_than_to_its_owner_before_its_mode_is_set(
    server: grpc.aio.Server, socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    chmod = Path.chmod

    def watch(path: Path, mode: int) -> None:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        chmod(path, mode)

    monkeypatch.setattr(Path, "chmod", watch)
    before = os.umask(0)
    try:
        listen(server, on(socket_dir / "s"))
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert modes == [0o600]


async def test_the_socket_gets_its_group(server: grpc.aio.Server, socket_dir: Path) -> None:
    group = grp.getgrgid(os.getgid())
    listen(server, on(socket_dir / "s", unix_group=group.gr_name))
    assert (socket_dir / "s").stat().st_gid == group.gr_gid


async def test_an_unknown_group_is_said(server: grpc.aio.Server, socket_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="no group no-such-group"):
        listen(server, on(socket_dir / "s", unix_group="no-such-group"))


async def test_the_socket_of_an_agent_that_is_gone_is_replaced(server: grpc.aio.Server, socket_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(socket_dir / "s"))
        left_over.listen()
    (address,) = listen(server, on(socket_dir / "s"))
    await server.start()
    await ask(address)


async def test_the_socket_of_a_living_agent_is_left_alone(server: grpc.aio.Server, socket_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(socket_dir / "s"))
        living.listen()
        inode = (socket_dir / "s").stat().st_ino
        with pytest.raises(ConfigurationError, match="is an agent running already"):
            listen(server, on(socket_dir / "s"))
        assert (socket_dir / "s").stat().st_ino == inode


async def test_a_hung_agent_whose_queue_is_full_counts_as_living(server: grpc.aio.Server, socket_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as hung, socket.socket(socket.AF_UNIX) as first:
        hung.bind(str(socket_dir / "s"))
        hung.listen(0)
        first.connect(str(socket_dir / "s"))
        with pytest.raises(ConfigurationError, match="is an agent running already"):
            listen(server, on(socket_dir / "s"))


async def test_a_file_in_the_sockets_place_is_left_alone(server: grpc.aio.Server, socket_dir: Path) -> None:
    (socket_dir / "s").write_text("mine")
    with pytest.raises(ConfigurationError, match="is no socket"):
        listen(server, on(socket_dir / "s"))
    assert (socket_dir / "s").read_text() == "mine"


async def test_a_folder_that_cannot_be_made_is_said(server: grpc.aio.Server, socket_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        listen(server, on(socket_dir / "a" / "b" / "s"))


async def test_loopback_needs_no_certificates(server: grpc.aio.Server) -> None:
    settings = Settings.model_validate({"listen": {"unix": "", "tcp": "127.0.0.1:0"}})
    (address,) = listen(server, settings)
    await server.start()
    await ask(address)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"])
async def test_other_addresses_are_never_opened_without_them(server: grpc.aio.Server, address: str) -> None:
    """Even were the configuration's own check gone."""
    plain = Settings.model_validate({"listen": {"unix": "", "tcp": "127.0.0.1:0"}})
    unchecked = plain.model_copy(update={"listen": plain.listen.model_copy(update={"tcp": address})})
    with pytest.raises(ConfigurationError, match=r"needs \[tls\]"):
        listen(server, unchecked)


async def test_a_port_is_not_shared_with_another_agent(server: grpc.aio.Server) -> None:
    (address,) = listen(server, Settings.model_validate({"listen": {"unix": "", "tcp": "127.0.0.1:0"}}))
    await server.start()
    second = grpc.aio.server(options=OPTIONS)
    with pytest.raises(ConfigurationError, match="cannot be bound"):
        listen(second, Settings.model_validate({"listen": {"unix": "", "tcp": address}}))
    await second.stop(0)
    await asyncio.wait_for(ask(address), WIDE_S)


async def test_what_is_compressed_is_never_unpacked(server: grpc.aio.Server, socket_dir: Path) -> None:
    listen(server, on(socket_dir / "s"))
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{socket_dir}/s") as channel:
        call: Any = channel.unary_unary("/poolfleet.v1.AgentService/GetAgent")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(bytes(10_000_000), timeout=WIDE_S, compression=grpc.Compression.Gzip)
    # Unpacked, it would be too large.
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
