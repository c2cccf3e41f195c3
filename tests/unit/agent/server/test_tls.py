"""Mutual TLS over a real connection: who gets in, under what name, and certificates that change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from poolfleet.v1.agent_service_pb2 import GetAgentRequest, GetAgentResponse
from poolfleet.v1.agent_service_pb2_grpc import (
    AgentServiceStub,
    add_AgentServiceServicer_to_server,
)
from poolfleet_agent.config import ConfigurationError, Settings
from poolfleet_agent.config.settings import Tls
from poolfleet_agent.server.interceptors import Registrar
from poolfleet_agent.server.listen import OPTIONS, listen
from poolfleet_agent.server.tls import CertificateSource
from poolfleet_agent.services.caller import current_caller
from tests.get_agent_only import GetAgentOnly

WIDE_S = 20


class Callers(GetAgentOnly):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def GetAgent(self, request: Any, context: Any) -> GetAgentResponse:  # noqa: N802
        self.seen.append(current_caller())
        return GetAgentResponse()


class Stand:
    """An agent's certificates in a folder, and what clients can show it."""

    def __init__(self, folder: Path) -> None:
        self.server_ca = trustme.CA()
        self.client_ca = trustme.CA()
        self.callers = Callers()
        self.address = ""
        self.tls = Tls(cert=f"{folder}/cert.pem", key=f"{folder}/key.pem", client_ca=f"{folder}/ca.pem")
        self.issue(self.server_ca)
        self.client_ca.cert_pem.write_to_path(self.tls.client_ca)

    def issue(self, ca: trustme.CA) -> None:
        """Replace certificate and key, each in one step."""
        leaf = ca.issue_cert("127.0.0.1")
        for path, blob in ((self.tls.cert, leaf.cert_chain_pems[0]), (self.tls.key, leaf.private_key_pem)):
            blob.write_to_path(f"{path}.new")
            os.replace(f"{path}.new", path)

    async def ask(self, leaf: trustme.LeafCert | None, *, server_ca: trustme.CA | None = None) -> None:
        """Call as a client with that certificate; every call is a handshake of its own."""
        credentials = grpc.ssl_channel_credentials(
            root_certificates=(server_ca or self.server_ca).cert_pem.bytes(),
            private_key=leaf.private_key_pem.bytes() if leaf else None,
            certificate_chain=leaf.cert_chain_pems[0].bytes() if leaf else None,
        )
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(self.address, credentials, options=options) as channel:
            await AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=WIDE_S)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    stand = Stand(tmp_path)
    server = grpc.aio.server(options=OPTIONS)
    registrar = Registrar(server, longest_calls=9, longest_streams=9, slow_call_s=60)
    registrar.register(add_AgentServiceServicer_to_server, stand.callers)
    settings = {"listen": {"unix": "", "tcp": "127.0.0.1:0"}, "tls": stand.tls.model_dump()}
    (stand.address,) = listen(server, Settings.model_validate(settings))
    await server.start()
    yield stand
    await server.stop(0)


async def refused(call: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call, WIDE_S)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_client_of_the_ca_gets_in_under_its_common_name(stand: Stand) -> None:
    await stand.ask(stand.client_ca.issue_cert("controller.example.com", common_name="controller"))
    assert stand.callers.seen == ["tls:controller"]


async def test_a_certificate_without_common_name_is_known_by_its_other_name(stand: Stand) -> None:
    await stand.ask(stand.client_ca.issue_cert("controller.example.com"))
    assert stand.callers.seen == ["tls:controller.example.com"]


async def test_without_a_certificate_nobody_gets_in(stand: Stand) -> None:
    await refused(stand.ask(None))
    assert stand.callers.seen == []


async def test_a_certificate_of_another_ca_is_refused(stand: Stand) -> None:
    await refused(stand.ask(stand.server_ca.issue_cert("controller")))
    assert stand.callers.seen == []


async def test_plaintext_is_refused(stand: Stand) -> None:
    async with grpc.aio.insecure_channel(stand.address) as channel:
        await refused(AgentServiceStub(channel).GetAgent(GetAgentRequest(), timeout=WIDE_S))


async def test_new_certificates_are_taken_without_a_restart(stand: Stand) -> None:
    client = stand.client_ca.issue_cert("controller")
    await stand.ask(client)
    other_ca = trustme.CA()
    stand.issue(other_ca)
    await stand.ask(client, server_ca=other_ca)
    await refused(stand.ask(client))


async def test_a_new_client_ca_shuts_the_old_clients_out(stand: Stand) -> None:
    other_ca = trustme.CA()
    other_ca.cert_pem.write_to_path(f"{stand.tls.client_ca}.new")
    os.replace(f"{stand.tls.client_ca}.new", stand.tls.client_ca)
    await refused(stand.ask(stand.client_ca.issue_cert("controller")))
    await stand.ask(other_ca.issue_cert("controller"))


async def test_certificates_that_do_not_fit_together_leave_the_old_ones_in_use(stand: Stand) -> None:
    """As between the two steps of a replacement."""
    Path(stand.tls.key).write_bytes(trustme.CA().issue_cert("x").private_key_pem.bytes())
    await stand.ask(stand.client_ca.issue_cert("controller"))


async def test_a_file_that_is_gone_leaves_the_old_ones_in_use(stand: Stand) -> None:
    Path(stand.tls.cert).unlink()
    await stand.ask(stand.client_ca.issue_cert("controller"))


def test_a_missing_file_is_named_at_start(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    Path(stand.tls.client_ca).unlink()
    with pytest.raises(ConfigurationError, match=r"ca\.pem: No such file"):
        CertificateSource(stand.tls)


@pytest.mark.parametrize("what", ["cert", "key", "client_ca"])
def test_a_file_that_holds_something_else_is_refused_at_start(tmp_path: Path, what: str) -> None:
    stand = Stand(tmp_path)
    Path(getattr(stand.tls, what)).write_text("no certificate\n")
    with pytest.raises(ConfigurationError, match=f"tls: .*{what} {getattr(stand.tls, what)}.*PEM"):
        CertificateSource(stand.tls)
