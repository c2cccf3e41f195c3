"""Three hosts of a hundred are dead, each in its own way: nobody is delayed, and the answer names the three."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from poolfleet.agent.client import AgentClient
from poolfleet.fleet.fleet import Fleet
from poolfleet.fleet.hosts import Host
from poolfleet.types.pool import Pool
from poolfleet.v1 import pool_pb2
from tests.unit.client.fleet.stub_hosts import stub_agents

HEALTHY = 97
# How long a dead host may be waited for; what is alive has to be done long before, on a busy machine too.
DEADLINE_S = 20.0
UNDELAYED_S = DEADLINE_S / 3


class Silent:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self.asked = 0
        self._open: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        self._open.append(writer)

    def close(self) -> None:
        for writer in self._open:
            writer.transport.abort()


class Resetting:
    """Accepts connections and resets each at once."""

    def __init__(self) -> None:
        self.asked = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def close(self) -> None:
        pass


class MuteNameServer(asyncio.DatagramProtocol):
    """Takes every question of a resolver and answers none."""

    def __init__(self) -> None:
        self.asked = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1


@asynccontextmanager
async def listening(peer: Silent | Resetting) -> AsyncIterator[str]:
    """The target of a peer on a TCP port of loopback."""
    server = await asyncio.start_server(peer.accept, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        peer.close()
        await server.wait_closed()


@asynccontextmanager
async def named_by(server: MuteNameServer) -> AsyncIterator[str]:
    """A target whose name only this server could resolve."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield f"dns://127.0.0.1:{transport.get_extra_info('sockname')[1]}/kvm.example.com:7443"
    finally:
        transport.close()


# With fewer places than dead hosts, each of these would keep one and nobody else would have a turn.
@pytest.mark.parametrize("parallel", [64, 2])
async def test_three_dead_hosts_of_a_hundred_delay_nobody_and_are_named(parallel: int) -> None:
    silent, unresolved, resetting = Silent(), MuteNameServer(), Resetting()
    loop = asyncio.get_running_loop()
    done_after_s: dict[str, float] = {}

    async def pools(client: AgentClient) -> list[Pool]:
        found = [pool async for pool in client.pools.list()]
        done_after_s[client.name or ""] = loop.time() - began
        return found

    async with (
        stub_agents() as stubs,
        listening(silent) as silent_target,
        named_by(unresolved) as unresolved_target,
        listening(resetting) as resetting_target,
    ):
        dead = [
            Host(name="silent", target=silent_target, timeout_s=DEADLINE_S),
            Host(name="unresolved", target=unresolved_target, timeout_s=DEADLINE_S),
            Host(name="resetting", target=resetting_target, timeout_s=DEADLINE_S),
        ]
        alive = await stubs.add(*(f"kvm{number}" for number in range(HEALTHY)))
        for name, contents in stubs.contents.items():
            contents.pools = {"vm": pool_pb2.Pool(name="vm", uuid=name)}
        # The dead ones first, so that they have every chance to be in the way.
        async with Fleet([*dead, *alive], parallel=parallel) as fleet:
            began = loop.time()
            result = await fleet.map(pools)
            again = await fleet.select(["!silent", "!unresolved"]).inventory()

    assert set(done_after_s) == {host.name for host in alive}
    assert max(done_after_s.values()) < UNDELAYED_S
    assert {host: [pool.uuid for pool in value] for host, value in result.answers()} == {
        host.name: [host.name] for host in alive
    }

    assert set(result.unreachable) == {"silent", "unresolved", "resetting"}
    assert not result.complete and result.summary() == f"{HEALTHY} ok, 3 unreachable"
    for host, outcome in result.unreachable.items():
        assert outcome.error is not None and outcome.error.host == host
        assert outcome.error.reason in ("UNREACHABLE", "DEADLINE")
    # Each was dead in its own way, and not by a slip of this test.
    assert min(silent.asked, unresolved.asked, resetting.asked) > 0

    assert [line for line in again.missing if line.startswith("resetting: unreachable")] == list(again.missing)
    assert len(again.volumes) == 0 and len(again.storages) == HEALTHY
