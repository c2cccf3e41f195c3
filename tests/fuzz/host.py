"""The host that is fuzzed: some pools and volumes, which come back after whatever was done to them."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from google.protobuf.message import Message

from poolfleet.v1.agent_pb2 import Maintenance
from poolfleet.v1.agent_service_pb2 import SetMaintenanceRequest
from poolfleet.v1.operation_service_pb2 import ListOperationsRequest
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    ListPoolsRequest,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
)
from poolfleet.v1.secret_pb2 import SecretRef
from poolfleet.v1.secret_service_pb2 import DeleteSecretRequest, ListSecretsRequest
from poolfleet.v1.volume_pb2 import BackingStore, VolumeSpec
from poolfleet.v1.volume_service_pb2 import CreateVolumeRequest
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.standin import NetfsStandIn
from tests.fuzz import counted_agent
from tests.made_pools import MIB, dir_pool, folder, raw_volume, start_dir_pool
from tests.raw_agent import ENDED, RawAgent, Refused, eventually

RETENTION_S = 3.0
"""How long operations and request ids are remembered: short, so that they do not count as growth."""
END_LIMIT_S = 60.0


def fuzzed_host(root: Path, share: NetfsStandIn | None) -> EmbeddedHost:
    """A host that forgets soon, and whose agent tells what it holds."""
    settings = {"staleness_s": 5, "limits": {"drain_s": 1, "request_id_retention_s": RETENTION_S}}
    host = EmbeddedHost("h", root, share=share, settings=settings)
    host.agent.program = (counted_agent.__file__,)
    return host


async def furnish(host: EmbeddedHost, agent: RawAgent) -> None:
    """Have everything there that the vocabulary knows."""
    outside = host.root / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "file").touch()
    with suppress(Refused):
        await start_dir_pool(host, agent, "active")
    target = folder(host, "active")
    target.mkdir(exist_ok=True)
    with suppress(FileExistsError):  # a volume of that name may be under way
        (target / "folder").mkdir(exist_ok=True)
    (target / ".hidden").touch()
    for name in ("away.raw", "way_out"):
        if not (target / name).is_symlink():
            (target / name).unlink(missing_ok=True)
            (target / name).symlink_to(outside / "file")
    backing = BackingStore(path=str(target / "v.raw"), format="raw")
    overlay = VolumeSpec(name="v.qcow2", format="qcow2", capacity_bytes=MIB, backing_store=backing)
    wanted: tuple[Message, ...] = (
        StartPoolRequest(pool="active"),
        RefreshPoolRequest(pool="active"),
        dir_pool(host, "idle"),
        BuildPoolRequest(pool="idle"),
        raw_volume("active", "v.raw"),
        CreateVolumeRequest(pool="active", spec=overlay),
    )
    for request in wanted:
        with suppress(Refused):
            await agent.do(request)


async def clear(host: EmbeddedHost, agent: RawAgent) -> None:
    """Take everything away again, wait for what still runs, and until all of it is forgotten."""
    await agent.ask(SetMaintenanceRequest(maintenance=Maintenance(enabled=False)))
    await _all_ended(agent)
    for pool in (await agent.ask(ListPoolsRequest(page_size=5000))).pools:
        for request in (
            StopPoolRequest(pool=pool.name, allow_in_use=True),
            UndefinePoolRequest(pool=pool.name, allow_missing=True),
        ):
            with suppress(Refused):
                await agent.do(request)
    for secret in (await agent.ask(ListSecretsRequest(page_size=5000))).secrets:
        await agent.do(DeleteSecretRequest(secret=SecretRef(uuid=secret.uuid), allow_missing=True, allow_in_use=True))
    for left in host.pools_dir.iterdir():
        shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()

    async def forgotten() -> bool:
        return not (await agent.ask(ListOperationsRequest(page_size=1))).operations

    await eventually(forgotten, limit_s=END_LIMIT_S, what="operations are forgotten")


async def _all_ended(agent: RawAgent) -> None:
    async def ended() -> bool:
        return all(operation.state in ENDED for operation in (await agent.operations()).values())

    await eventually(ended, limit_s=END_LIMIT_S, what="operations have ended")
