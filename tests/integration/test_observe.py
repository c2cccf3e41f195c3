"""An agent that observes changes nothing, ever: whatever it is asked, and whatever it would do by itself."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from poolfleet.v1.pool_pb2 import DirSource, PoolSpec, PoolTarget
from poolfleet.v1.pool_service_pb2 import GetPoolRequest, ProbePoolRequest
from poolfleet.v1.secret_pb2 import SecretRef, SecretSpec
from poolfleet.v1.secret_service_pb2 import DeleteSecretRequest, SetSecretRequest
from poolfleet.v1.volume_pb2 import VolumeSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn
from scripts.embedded.surroundings import PrivateMounts
from tests.host_state import files_below, pools_by_libvirt
from tests.raw_agent import METHODS, RawAgent, raw_agent
from tests.virsh import virsh

READS = ("Get", "List", "Lookup", "Wait", "Watch", "Probe", "Discover")
"""How the RPCs begin that change nothing."""

SUPERVISED_S = 6.0
"""Longer than a supervisor takes to start what is meant to be started."""

Seen = tuple[object, object, object]


def changes(folder: Path) -> dict[str, Message]:
    """A request of every RPC that changes something, by the RPC's name."""
    requests: dict[str, Message] = {}
    for method in METHODS.values():
        if method.name.startswith(READS):
            continue
        request = GetMessageClass(method.input_type)()
        for field, value in (("pool", "on"), ("volume", "v"), ("operation", "none")):
            if field in method.input_type.fields_by_name:
                setattr(request, field, value)
        requests[method.name] = request
    new = PoolSpec(name="new", dir=DirSource(), target=PoolTarget(path=str(folder / "new")))
    requests["DefinePool"].spec.CopyFrom(new)  # type: ignore[attr-defined]
    requests["UpdatePool"].update.autostart = True  # type: ignore[attr-defined]
    requests["UpdatePool"].update_mask.paths.append("autostart")  # type: ignore[attr-defined]
    requests["CreateVolume"].spec.CopyFrom(VolumeSpec(name="new", capacity_bytes=1 << 20))  # type: ignore[attr-defined]
    requests["CloneVolume"].spec.name = "new"  # type: ignore[attr-defined]
    requests["ResizeVolume"].capacity_bytes = 2 << 20  # type: ignore[attr-defined]
    requests["SetMaintenance"].maintenance.enabled = True  # type: ignore[attr-defined]
    requests["StopPool"].force = True  # type: ignore[attr-defined]
    requests["SetSecret"] = SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="new"), value=b"x")
    requests["DeleteSecret"] = DeleteSecretRequest(secret=SecretRef(usage_type="ceph", usage_id="new"))
    return requests


class Observed:
    """A host with a started pool `on`, one that is meant to be started, and, as root, one on a share that is."""

    def __init__(self, host: EmbeddedHost, share: NetfsStandIn | None, port: int) -> None:
        self.host = host
        virsh(self.host, "pool-define-as", "on", "dir", "--target", self._folder("on"))
        virsh(self.host, "pool-start", "on")
        virsh(self.host, "vol-create-as", "on", "v", "1M")
        virsh(self.host, "pool-define-as", "off", "dir", "--target", self._folder("off"))
        virsh(self.host, "pool-autostart", "off")
        if share is not None:
            document = host.root / "far.xml"
            document.write_text(
                f"<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>far</name>"
                f"<source><host name='{share.host}'/><dir path='{share.path}'/><format type='nfs'/></source>"
                f"<target><path>{self._folder('far')}</path></target>"
                f"<fs:mount_opts><fs:option name='port={port}'/></fs:mount_opts></pool>"
            )
            virsh(self.host, "pool-define", str(document))
            virsh(self.host, "pool-autostart", "far")

    def _folder(self, name: str) -> str:
        folder = self.host.pools_dir / name
        folder.mkdir()
        return str(folder)

    def seen(self) -> Seen:
        """Pools by libvirt, files, and mounts."""
        mounts = Path(f"/proc/{self.host.libvirtd.pid}/mounts").read_text()
        return pools_by_libvirt(self.host.libvirtd.uri), files_below(self.host.pools_dir), mounts


@pytest.fixture
async def observed(short_dir: Path) -> AsyncIterator[tuple[Observed, RawAgent, Seen]]:
    """It, its agent, and what it was before that was started."""
    with ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=short_dir, prefix="o")))
        folder.chmod(0o755)
        server = ends.enter_context(NullNfsServer())
        host = EmbeddedHost("h", folder, settings={"mode": "observe"})
        share = None
        if isinstance(host.libvirtd.surroundings, PrivateMounts):
            share = ends.enter_context(NetfsStandIn(folder / "nfs", host="127.0.0.1"))
            host = EmbeddedHost("h", folder, share=share, settings={"mode": "observe"})
        ends.callback(host.stop)
        host.start_libvirtd()
        observed = Observed(host, share, server.port)
        before = observed.seen()
        host.agent.start()
        host.agent.wait_loaded()
        async with raw_agent(host.agent.target) as agent:
            yield observed, agent, before


async def test_no_change_is_made_whatever_is_asked(observed: tuple[Observed, RawAgent, Seen]) -> None:
    host, agent, before = observed
    asked = changes(host.host.pools_dir)
    assert len(asked) == len([method for method in METHODS.values() if not method.name.startswith(READS)])
    reasons = {name: (await agent.refusal(request)).reason for name, request in asked.items()}
    assert reasons.pop("CancelOperation") == "OPERATION_NOT_FOUND"
    assert set(reasons.values()) == {"OBSERVE_ONLY"}, reasons
    refusal = await agent.refusal(ProbePoolRequest(pool="on", write_test=True))
    assert refusal.reason == "OBSERVE_ONLY"
    assert (await agent.ask(GetPoolRequest(pool="on"))).pool.volume_count == 1
    assert host.seen() == before


async def test_nothing_is_done_unasked_either(observed: tuple[Observed, RawAgent, Seen]) -> None:
    host, agent, before = observed
    await asyncio.sleep(SUPERVISED_S)
    assert host.seen() == before
    assert await agent.operations() == {}
