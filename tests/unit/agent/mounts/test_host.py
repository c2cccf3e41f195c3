"""The host's mounts as the rest of the agent has them."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports.mounts import MountRequest, Mounts
from poolfleet_agent.mounts.host import HostMounts
from poolfleet_agent.processes.child import Children
from tests.unit.agent.mounts.fake_server import NFS, FakeServer


@pytest.fixture
def mounts(children: Children, tmp_path: Path) -> Mounts:
    return HostMounts(children, libvirt_sockets=(), own_folder=tmp_path)


async def test_what_is_mounted_and_what_names_mean(mounts: Mounts) -> None:
    table = await mounts.table()
    assert table.on("/proc") is not None
    assert await mounts.addresses("[::1]") == ("::1",)
    assert await mounts.addresses("a..b") == ()
    assert isinstance(mounts.shares_host_namespace(), bool)
    await mounts.unmount("/nowhere")
    async with mounts.forced_off("/nowhere"):
        pass


async def test_a_server_is_probed_and_a_share_refused(mounts: Mounts) -> None:
    source = NetfsSource(host="127.0.0.1", path="/export", format="nfs")
    async with FakeServer({NFS: (3, 4)}) as server:
        request = MountRequest(source=source, target="/nowhere/vm_data", options=(f"port={server.port}", "bg"))
        assert (await mounts.probe_server(request)).failed is None
    with pytest.raises(MountError) as refused:
        await mounts.mount(request, timeout_s=60)
    assert refused.value.failure is MountFailure.BAD_OPTION


def test_every_method_of_the_port_is_there_as_it_is_said() -> None:
    for name, method in inspect.getmembers(Mounts, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(method) == inspect.signature(getattr(HostMounts, name)), name
