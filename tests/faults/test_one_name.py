"""Many agents, one name, one share: one of them creates the volume, and nobody's file is overwritten or deleted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet import AlreadyExists, CloneSpec, PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.errors import PoolfleetError
from poolfleet.types.operation import Operation, OperationState
from poolfleet.v1 import volume_pb2
from poolfleet.v1.volume_service_pb2 import CreateVolumeRequest
from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn
from tests.netfs_pool import netfs_pool
from tests.raw_agent import Refused, eventually, raw_agent, refused
from tests.slow_qemu_img import SlowQemuImg

HOSTS = 4
AGENTS_OF_EACH = 5
LIMIT_S = 120.0
MIB = 1 << 20

if os.geteuid() == 0:

    class Share:
        """Hosts with a netfs pool `far` on one share, each with several agents, which know nothing of each other."""

        def __init__(self, share: NetfsStandIn, server: NullNfsServer, hosts: list[EmbeddedHost]) -> None:
            self.share = share
            self.hosts = hosts
            self.agents = [host.agent for host in hosts]
            self.slow = [SlowQemuImg(host) for host in hosts]
            self.server = server
            for host in hosts:
                for number in range(1, AGENTS_OF_EACH):
                    self.agents.append(
                        EmbeddedAgent(host.libvirtd, allowed_paths=[host.pools_dir], name=f"agent{number}")
                    )

        def spec(self, host: EmbeddedHost) -> PoolSpec:
            return netfs_pool("far", host, self.share, self.server)

        def names(self) -> list[str]:
            """What is on the share."""
            return sorted(path.name for path in self.folder.iterdir())

        @property
        def folder(self) -> Path:
            """The files of the share, as the first host sees them."""
            return Path(f"/proc/{self.hosts[0].libvirtd.pid}/root{self.hosts[0].pools_dir}/far")

    @pytest.fixture(scope="module")
    def share(short_dir: Path) -> Iterator[Share]:
        with (
            tempfile.TemporaryDirectory(dir=short_dir, prefix="o") as made,
            NullNfsServer() as server,
            NetfsStandIn(Path(made) / "nfs", host="127.0.0.1") as standin,
            contextlib.ExitStack() as ends,
        ):
            folder = Path(made)
            folder.chmod(0o755)
            hosts = [EmbeddedHost(f"h{number}", folder, share=standin) for number in range(HOSTS)]
            made_share = Share(standin, server, hosts)
            for host in hosts:
                ends.enter_context(host)
            for agent in made_share.agents[HOSTS:]:
                ends.callback(agent.stop)
                agent.start()
                agent.wait_loaded()
            for slow in made_share.slow:
                ends.callback(slow.let_go)
            yield made_share

    @pytest.fixture
    async def clients(share: Share) -> AsyncIterator[list[AgentClient]]:
        """A client of each agent; the pools are started on all hosts, and all agents know it."""
        async with contextlib.AsyncExitStack() as ends:
            clients = [
                await ends.enter_async_context(AgentClient(agent.target, timeout_s=LIMIT_S)) for agent in share.agents
            ]
            for client, host in zip(clients, share.hosts, strict=False):
                await client.pools.ensure(share.spec(host))
            for path in share.folder.iterdir():
                path.unlink()  # of the test before
            for client in clients[: len(share.hosts)]:
                await client.pools.refresh("far")
            for client in clients:
                await client.pools.get("far", max_staleness_s=0)
            yield clients

    async def create_at_once(clients: list[AgentClient], spec: VolumeSpec) -> list[Operation | PoolfleetError]:
        asked = (client.volumes.create("far", spec, timeout_s=LIMIT_S) for client in clients)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told = [answer for answer in answers if isinstance(answer, Operation | PoolfleetError)]
        assert len(told) == len(answers), answers
        return told

    async def reserved_at(agent: EmbeddedAgent, request: CreateVolumeRequest) -> bool:
        """Whether an agent that is asked says that somebody else is creating the volume."""
        async with raw_agent(agent.target) as raw:
            try:
                operation = (await raw.ask(request)).operation
            except Refused as error:
                return error.reason == "NAME_RESERVED"
            return operation.HasField("error") and refused(operation.error).reason == "NAME_RESERVED"

    @pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
    async def test_of_20_agents_one_creates_and_the_others_find_it(
        share: Share, clients: list[AgentClient], volume_format: str
    ) -> None:
        spec = VolumeSpec("v", capacity_bytes=MIB, allocation_bytes=0, format=volume_format)
        for slow in share.slow:
            slow.hold("after")
        racing = asyncio.create_task(create_at_once(clients, spec))
        if volume_format == "qcow2":

            async def is_being_created() -> bool:
                return any(slow.standing for slow in share.slow)

            await eventually(is_being_created, limit_s=LIMIT_S, what="an agent creates it")
            # Who creates it has an operation that runs; the others are told, however often they ask.
            message = volume_pb2.VolumeSpec(name="v", capacity_bytes=MIB, allocation_bytes=0, format="qcow2")
            asked = CreateVolumeRequest(pool="far", spec=message)

            async def all_but_one_are_told() -> bool:
                told = await asyncio.gather(*(reserved_at(agent, asked) for agent in share.agents))
                return told.count(False) == 1

            # Whom the race has asked a moment ago has an operation of his own, until that is told.
            await eventually(all_but_one_are_told, limit_s=LIMIT_S, what="all but the one that creates it are told")
        standing = [slow for slow in share.slow if slow.standing]
        for slow in share.slow:
            slow.let_go()
        answers = await racing
        assert [answer for answer in answers if isinstance(answer, PoolfleetError)] == []
        assert sorted(answer.changed for answer in answers if isinstance(answer, Operation)) == [
            *[False] * (len(clients) - 1),
            True,
        ]
        assert share.names() == ["v"]
        if volume_format == "qcow2":
            assert len(standing) == 1, "one qemu-img ran, although all were asked"

    async def test_of_20_agents_with_20_wishes_one_has_its_way(share: Share, clients: list[AgentClient]) -> None:
        specs = [VolumeSpec("v", capacity_bytes=(number + 1) * MIB, allocation_bytes=0) for number in range(20)]
        asked = (client.volumes.create("far", spec) for client, spec in zip(clients, specs, strict=True))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        (made,) = [answer for answer in answers if isinstance(answer, Operation)]
        assert made.changed
        assert {type(answer) for answer in answers} == {Operation, AlreadyExists}
        winner = answers.index(made)
        assert share.names() == ["v"]
        assert (share.folder / "v").stat().st_size == specs[winner].capacity_bytes

    async def test_what_libvirt_believes_missing_is_neither_overwritten_nor_deleted(
        share: Share, clients: list[AgentClient]
    ) -> None:
        """Each host's libvirt looked when the share was empty; a neighbour's file has come since."""
        one, other = clients[:2]
        for name, volume_format in (("a", "raw"), ("b", "qcow2")):
            first = VolumeSpec(name, capacity_bytes=MIB, allocation_bytes=0, format=volume_format)
            await one.volumes.create("far", first)
            (share.folder / name).open("ab").close()
            before = (share.folder / name).stat()
            assert not (await other.volumes.create("far", first)).changed
            larger = VolumeSpec(name, capacity_bytes=2 * MIB, allocation_bytes=0, format=volume_format)
            for client in clients[2:4]:
                with pytest.raises(AlreadyExists) as refused:
                    await client.volumes.create("far", larger)
                assert refused.value.reason == "VOLUME_EXISTS"
            after = (share.folder / name).stat()
            assert (after.st_ino, after.st_mtime_ns, after.st_size) == (
                before.st_ino, before.st_mtime_ns, before.st_size
            )  # fmt: skip
        assert share.names() == ["a", "b"]

    async def two_sources(share: Share, client: AgentClient) -> list[bytes]:
        """Volumes `one` and `other` of different content and size; what is in them."""
        contents = [os.urandom(MIB), os.urandom(2 * MIB)]
        for name, content in zip(("one", "other"), contents, strict=True):
            (share.folder / name).write_bytes(content)
        await client.pools.refresh("far")
        return contents

    async def test_of_20_agents_one_clones_and_the_others_find_it(share: Share, clients: list[AgentClient]) -> None:
        contents = await two_sources(share, clients[0])
        for client in clients[1 : len(share.hosts)]:
            await client.pools.refresh("far")
        asked = (client.volumes.clone("far", "one", CloneSpec("v")) for client in clients)
        answers = await asyncio.gather(*asked)
        assert sorted(answer.changed for answer in answers) == [*[False] * (len(clients) - 1), True]
        assert share.names() == ["one", "other", "v"]
        assert (share.folder / "v").read_bytes() == contents[0]

    async def test_a_clone_neither_overwrites_nor_deletes_what_libvirt_believes_missing(
        share: Share, clients: list[AgentClient]
    ) -> None:
        """Each host's libvirt looked when the name was free; a neighbour's clone has come since."""
        contents = await two_sources(share, clients[0])
        for client in clients[1 : len(share.hosts)]:
            await client.pools.refresh("far")
        assert (await clients[0].volumes.clone("far", "one", CloneSpec("v"))).changed
        before = (share.folder / "v").stat()
        assert not (await clients[1].volumes.clone("far", "one", CloneSpec("v"))).changed
        for client in clients[2:4]:
            with pytest.raises(AlreadyExists) as refused:
                await client.volumes.clone("far", "other", CloneSpec("v"))
            assert refused.value.reason == "VOLUME_EXISTS"
        after = (share.folder / "v").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert (share.folder / "v").read_bytes() == contents[0]
        assert share.names() == ["one", "other", "v"]

    async def test_an_agent_that_starts_again_removes_what_it_left(share: Share, clients: list[AgentClient]) -> None:
        spec = VolumeSpec("v.qcow2", capacity_bytes=MIB, allocation_bytes=0, format="qcow2")
        share.slow[0].hold("before")
        operation = await clients[0].volumes.create("far", spec, wait=False)
        await asyncio.to_thread(share.slow[0].wait_standing)
        assert operation.state is OperationState.RUNNING
        reservation = ".poolfleet-reserve.v.qcow2"
        assert reservation in share.names()
        await asyncio.to_thread(share.hosts[0].agent.kill9)
        listed = await clients[1].volumes.read_all("far", max_staleness_s=0, include_special=True)
        assert [volume.name for volume in listed.volumes] == []
        assert share.names() == [reservation]
        share.slow[0].let_go()
        await asyncio.to_thread(share.hosts[0].agent.start)

        async def nothing_is_left() -> bool:
            return share.names() == []

        await eventually(nothing_is_left, limit_s=LIMIT_S, what="what was left is removed")
