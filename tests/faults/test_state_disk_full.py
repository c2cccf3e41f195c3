"""The agent's own disk becomes full: changes are refused before they begin, reads go on, and nothing told is lost."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from poolfleet.v1 import operation_pb2
from poolfleet.v1.agent_pb2 import Maintenance
from poolfleet.v1.agent_service_pb2 import GetAgentRequest, SetMaintenanceRequest
from poolfleet.v1.operation_service_pb2 import GetOperationRequest
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    GetPoolRequest,
    ListPoolsRequest,
    PoolUpdate,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
    UpdatePoolRequest,
)
from poolfleet.v1.secret_pb2 import SecretSpec
from poolfleet.v1.secret_service_pb2 import SetSecretRequest
from poolfleet.v1.volume_service_pb2 import (
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    ResizeVolumeRequest,
    WipeVolumeRequest,
)
from scripts.contract_tables import error_tables
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.host_state import files_below, pools_by_libvirt
from tests.made_pools import MIB, dir_pool, folder, raw_volume, slow_volume, start_dir_pool
from tests.raw_agent import RawAgent, eventually, path_of, raw_agent
from tests.slow_qemu_img import SlowQemuImg

STATE_BYTES = 2 * MIB
STORED_LIMIT_S = 30.0
SUCCEEDED = operation_pb2.OPERATION_STATE_SUCCEEDED

if os.geteuid() == 0:

    class SmallDisk:
        """The small file system that an agent has its state on."""

        def __init__(self, host: EmbeddedHost) -> None:
            state_dir = host.agent.state_dir
            state_dir.mkdir(mode=0o700)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={STATE_BYTES},mode=0700", "state", str(state_dir)]
            subprocess.run(host.libvirtd.surroundings.command(mount), check=True, timeout=30)
            # It is there for those only who run in the host's surroundings.
            self._filler = Path(f"/proc/{host.libvirtd.pid}/root{state_dir}/filler")

        def fill(self) -> None:
            """Leave no room."""
            with self._filler.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                file.writelines(itertools.repeat(bytes(4096)))

        def free(self) -> None:
            """Make room again."""
            self._filler.unlink()

    @pytest.fixture
    def small(host_folder: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[tuple[EmbeddedHost, SmallDisk, SlowQemuImg]]:
        host = EmbeddedHost("h", host_folder, settings={"limits": {"drain_s": 2}})
        host.libvirtd.learn_emulators_from(libvirtd)
        slow = SlowQemuImg(host)
        host.start_libvirtd()
        try:
            disk = SmallDisk(host)
            host.agent.start()
            yield host, disk, slow
            slow.let_go()
        finally:
            host.stop()

    def changes(host: EmbeddedHost) -> list[Message]:
        mask = FieldMask(paths=["autostart"])
        secret = SetSecretRequest(spec=SecretSpec(usage_type="volume", usage_id="x"), value=b"x")
        return [
            dir_pool(host, "new"),
            UpdatePoolRequest(pool="p", update=PoolUpdate(autostart=True), update_mask=mask),
            BuildPoolRequest(pool="idle"),
            StartPoolRequest(pool="idle"),
            UndefinePoolRequest(pool="idle"),
            RefreshPoolRequest(pool="p"),
            StopPoolRequest(pool="p"),
            raw_volume("p", "new"),
            ResizeVolumeRequest(pool="p", volume="v", delta_bytes=MIB),
            WipeVolumeRequest(pool="p", volume="v"),
            DeleteVolumeRequest(pool="p", volume="v"),
            SetMaintenanceRequest(maintenance=Maintenance(enabled=True)),
            secret,
        ]

    async def check_refused(agent: RawAgent, host: EmbeddedHost) -> None:
        """Every change is refused as its table says, and has done nothing; reads go on."""
        uri = host.libvirtd.uri
        before = (pools_by_libvirt(uri), files_below(host.pools_dir))
        for request in changes(host):
            refusal = await agent.refusal(request)
            assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "NO_SPACE"), path_of(request)
            assert (refusal.code, refusal.reason) in error_tables()[path_of(request)].outcomes
            assert refusal.retry_s
        assert (pools_by_libvirt(uri), files_below(host.pools_dir)) == before
        for read in (
            GetAgentRequest(),
            ListPoolsRequest(),
            GetPoolRequest(pool="p", max_staleness=Duration()),
            GetVolumeRequest(pool="p", volume="v", max_staleness=Duration()),
            ListVolumesRequest(pool="p", max_staleness=Duration()),
        ):
            await agent.ask(read)

    async def test_a_full_disk_refuses_changes_and_room_lets_them_through_again(
        small: tuple[EmbeddedHost, SmallDisk, SlowQemuImg],
    ) -> None:
        host, disk, _ = small
        first = raw_volume("p", "first", request_id=str(uuid.uuid4()))
        async with raw_agent(host.agent.target) as agent:
            await start_dir_pool(host, agent, "p", "v")
            await agent.done(dir_pool(host, "idle"))
            told = await agent.done(first)
            disk.fill()
            await check_refused(agent, host)
            assert (await agent.ask(first)).operation == told
        await asyncio.to_thread(host.agent.kill9)
        await asyncio.to_thread(host.agent.start)
        async with raw_agent(host.agent.target) as agent:
            await agent.ready()
            await check_refused(agent, host)
            assert (await agent.ask(first)).operation == told
            disk.free()
            for request in changes(host)[:4]:
                await agent.done(request)
            await agent.done(ResizeVolumeRequest(pool="p", volume="v", delta_bytes=MIB))
            assert (folder(host, "p") / "v").stat().st_size == 2 * MIB

    async def test_an_end_that_could_not_be_stored_is_stored_once_there_is_room(
        small: tuple[EmbeddedHost, SmallDisk, SlowQemuImg],
    ) -> None:
        host, disk, slow = small
        request = slow_volume(str(uuid.uuid4()))
        async with raw_agent(host.agent.target) as agent:
            await start_dir_pool(host, agent, "p", "v")
            slow.hold("before")
            running = (await agent.ask(request)).operation
            await asyncio.to_thread(slow.wait_standing)
            disk.fill()
            slow.let_go()
            told = await agent.ended(running)
            assert told.state == SUCCEEDED
            disk.free()

            async def stored() -> bool:
                return "end of operation is stored" in host.agent.log.read_text()

            await eventually(stored, limit_s=STORED_LIMIT_S, what="the end is stored")
        await asyncio.to_thread(host.agent.kill9)
        await asyncio.to_thread(host.agent.start)
        async with raw_agent(host.agent.target) as agent:
            assert (await agent.ask(GetOperationRequest(operation=told.id))).operation == told
            assert (await agent.ask(request)).operation == told
        assert (folder(host, "p") / "v.qcow2").exists()
