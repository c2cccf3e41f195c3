"""A server's diagnosis: which layer fails, how, and that it is known soon."""

from __future__ import annotations

import asyncio
import time

import pytest

from poolfleet_agent.model.mount_failure import MountFailure
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports.mounts import MountRequest, ServerProbe
from poolfleet_agent.mounts import nfs_rpc
from poolfleet_agent.mounts.probe import ProbeLimits, ServerProber
from poolfleet_agent.mounts.resolve import Resolver
from poolfleet_agent.processes.child import Children
from scripts.embedded.free_port import free_port
from tests.unit.agent.mounts.fake_server import MOUNT, NFS, RPCBIND, FakeServer, deaf_port, mute_port

PATH = "/srv/vm_data"
SOON_S = 30
"""Ten times what it may take, far below what hangs."""
PATIENT_S = 20.0
PATIENT = ProbeLimits(tcp_s=PATIENT_S, rpc_s=PATIENT_S, export_s=PATIENT_S, total_s=PATIENT_S)
"""For a server that answers, on a machine that may be too busy for that."""


@pytest.fixture
def prober(children: Children) -> ServerProber:
    return ServerProber(Resolver(children), PATIENT)


@pytest.fixture
def hasty(children: Children) -> ServerProber:
    """One with the agent's own limits."""
    return ServerProber(Resolver(children))


def request(
    *options: str, host: str = "127.0.0.1", path: str = PATH, version: str = "", source_format: str = "nfs"
) -> MountRequest:
    source = NetfsSource(host=host, path=path, format=source_format)
    return MountRequest(source=source, target="/mnt/vm_data", options=options, protocol_version=version)


def layers(probe: ServerProbe) -> list[str]:
    return [layer.layer for layer in probe.layers]


async def failed_soon(prober: ServerProber, asked: MountRequest) -> tuple[str, str]:
    """Layer and kind of the one failure, the last layer."""
    started_s = time.monotonic()
    probe = await prober.probe(asked)
    assert time.monotonic() - started_s < SOON_S
    assert probe.failed is not None
    assert probe.failed == probe.layers[-1]
    assert probe.failed.message
    assert "Connect call" not in probe.failed.message
    return probe.failed.layer, probe.failed.failure


@pytest.mark.parametrize(("options", "version"), [((), ""), ((), "4"), ((), "4.2"), (("nfsvers=4.1",), "")])
async def test_a_server_of_version_4_is_not_asked_for_exports(
    prober: ServerProber, options: tuple[str, ...], version: str
) -> None:
    async with FakeServer({NFS: (3, 4)}) as server:
        probe = await prober.probe(request(f"port={server.port}", *options, version=version))
        assert (probe.failed, layers(probe), probe.addresses) == (None, ["dns", "tcp", "rpc"], ("127.0.0.1",))
        assert server.calls == [(NFS, 4, 0)]


@pytest.mark.parametrize("path", [PATH, PATH + "/below/", "/srv//vm_data/"])
async def test_a_server_of_version_3_has_the_export_or_one_above(
    prober: ServerProber, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FakeServer({NFS: (3, 3), MOUNT: (1, 3), RPCBIND: (2, 4)}, exports=[("/a", []), (PATH, ["*"])]) as server:
        server.registered[MOUNT, "tcp"] = server.port
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        probe = await prober.probe(request(f"port={server.port}", path=path))
        assert (probe.failed, layers(probe)) == (None, ["dns", "tcp", "rpc", "export"])


async def test_an_export_that_is_missing_is_known_without_mounting(prober: ServerProber) -> None:
    exports = [("/srv/other", ["*"]), (PATH + "2", []), (PATH + "/below", [])]
    async with FakeServer({NFS: (3, 4), MOUNT: (1, 3)}, exports=exports) as server:
        asked = request(f"port={server.port}", f"mountport={server.port}", version="3")
        assert await failed_soon(prober, asked) == ("export", MountFailure.NO_SUCH_EXPORT)


async def test_a_server_that_keeps_its_list_to_itself_is_not_doubted(prober: ServerProber) -> None:
    async with FakeServer({NFS: (3, 4), MOUNT: (1, 3)}) as server:
        probe = await prober.probe(request(f"port={server.port}", f"mountport={server.port}", version="3"))
        assert (probe.failed, layers(probe)[-1]) == (None, "export")


async def test_mountd_may_speak_udp_only_or_not_run(prober: ServerProber, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeServer({NFS: (3, 3), RPCBIND: (2, 4)}) as server:
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        asked = request(f"port={server.port}")
        assert await failed_soon(prober, asked) == ("export", MountFailure.RPC_NOT_REGISTERED)
        server.registered[MOUNT, "udp"] = 40001
        assert (await prober.probe(asked)).failed is None


async def test_version_3_may_listen_where_rpcbind_says(prober: ServerProber, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = {NFS: (3, 3), MOUNT: (1, 3), RPCBIND: (2, 4)}
    # An address of its own: on the usual port nobody listens there.
    async with FakeServer(programs, host="127.77.0.1", exports=[(PATH, [])]) as server:
        monkeypatch.setattr(nfs_rpc, "RPCBIND_PORT", server.port)
        asked = request(host=server.host, version="3")
        assert await failed_soon(prober, asked) == ("tcp", MountFailure.RPC_NOT_REGISTERED)
        server.registered = {(NFS, "tcp"): server.port, (MOUNT, "tcp"): server.port}
        assert (await prober.probe(asked)).failed is None


async def test_an_ipv6_server_in_brackets(prober: ServerProber) -> None:
    async with FakeServer({NFS: (3, 4)}, host="::1") as server:
        probe = await prober.probe(request(f"port={server.port}", host="[::1]"))
        assert (probe.failed, probe.addresses) == (None, ("::1",))


async def test_a_transport_that_is_not_tcp_is_left_to_the_mount(prober: ServerProber) -> None:
    for options in (("proto=udp",), ("udp",), ("proto=rdma", "port=20049"), ("rdma",)):
        assert layers(await prober.probe(request(*options))) == ["dns"]


async def test_a_share_of_windows_is_a_name_and_a_port(prober: ServerProber) -> None:
    async with FakeServer({}) as server:
        probe = await prober.probe(request(f"port={server.port}", path="images", source_format="cifs"))
        assert (probe.failed, layers(probe), server.calls) == (None, ["dns", "tcp"], [])
    asked = request(host="127.77.0.1", path="images", source_format="cifs")
    assert await failed_soon(prober, asked) == ("tcp", MountFailure.CONNECTION_REFUSED)


async def test_a_server_that_refuses(prober: ServerProber) -> None:
    asked = request(f"port={free_port()}")
    assert await failed_soon(prober, asked) == ("tcp", MountFailure.CONNECTION_REFUSED)


async def test_a_server_that_drops_what_comes(hasty: ServerProber) -> None:
    with deaf_port() as port:
        assert await failed_soon(hasty, request(f"port={port}")) == ("tcp", MountFailure.TIMED_OUT)


async def test_a_server_that_accepts_and_is_silent(hasty: ServerProber) -> None:
    with mute_port() as port:
        assert await failed_soon(hasty, request(f"port={port}")) == ("rpc", MountFailure.TIMED_OUT)


async def test_a_silent_rpcbind_or_mountd(hasty: ServerProber) -> None:
    async with FakeServer({NFS: (3, 4)}) as server:
        with mute_port() as port:
            asked = request(f"port={server.port}", f"mountport={port}", version="3")
            assert await failed_soon(hasty, asked) == ("export", MountFailure.TIMED_OUT)


async def test_a_server_without_the_version_or_without_nfs(prober: ServerProber) -> None:
    async with FakeServer({NFS: (3, 3)}) as server:
        asked = request(f"port={server.port}", version="4.2")
        assert await failed_soon(prober, asked) == ("rpc", MountFailure.NOT_SUPPORTED)
        server.programs = {}
        assert await failed_soon(prober, asked) == ("rpc", MountFailure.RPC_NOT_REGISTERED)
        server.raw_reply = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        assert await failed_soon(prober, asked) == ("rpc", MountFailure.RPC_NOT_REGISTERED)


async def test_a_name_that_is_not_known(children: Children) -> None:
    unknown = ("sh", "-c", "echo ! unknown Name or service not known")
    resolver = Resolver(children, program=unknown, timeout_s=PATIENT_S)
    prober, asked = ServerProber(resolver, PATIENT), request(host="nfs1")
    assert await failed_soon(prober, asked) == ("dns", MountFailure.NAME_UNKNOWN)
    assert (await prober.probe(asked)).addresses == ()


# Of a connection that is left to the garbage collector.
@pytest.mark.filterwarnings("error::ResourceWarning")
async def test_nothing_stays_open(prober: ServerProber) -> None:
    async with FakeServer({NFS: (3, 4)}) as server:
        for _ in range(3):
            await prober.probe(request(f"port={server.port}"))
        started_s = time.monotonic()
        while server._handlers and any(not handler.done() for handler in server._handlers):
            assert time.monotonic() - started_s < SOON_S
            await asyncio.sleep(0.01)
