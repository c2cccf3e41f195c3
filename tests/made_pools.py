"""What tests have on their hosts again and again: a started dir pool, and small volumes in it."""

from __future__ import annotations

from pathlib import Path

from poolfleet.v1.pool_pb2 import DirSource, PoolSpec, PoolTarget
from poolfleet.v1.pool_service_pb2 import BuildPoolRequest, DefinePoolRequest, StartPoolRequest
from poolfleet.v1.volume_pb2 import VolumeSpec
from poolfleet.v1.volume_service_pb2 import CreateVolumeRequest
from scripts.embedded.host import EmbeddedHost
from tests.raw_agent import RawAgent

MIB = 1 << 20


def dir_pool(host: EmbeddedHost, name: str) -> DefinePoolRequest:
    """Asks for a dir pool of that name, in the folder where the host's pools may lie."""
    return DefinePoolRequest(spec=PoolSpec(name=name, dir=DirSource(), target=PoolTarget(path=str(folder(host, name)))))


def folder(host: EmbeddedHost, pool: str) -> Path:
    """Where such a pool has its files."""
    return host.pools_dir / pool


def raw_volume(pool: str, name: str, *, size_bytes: int = MIB, request_id: str = "") -> CreateVolumeRequest:
    """Asks for a raw volume, all of it allocated."""
    spec = VolumeSpec(name=name, capacity_bytes=size_bytes)
    return CreateVolumeRequest(pool=pool, spec=spec, request_id=request_id)


def slow_volume(request_id: str = "", *, pool: str = "p") -> CreateVolumeRequest:
    """Asks for `v.qcow2`, which is made by qemu-img: as slowly as a SlowQemuImg is told."""
    spec = VolumeSpec(name="v.qcow2", format="qcow2", capacity_bytes=64 * MIB)
    return CreateVolumeRequest(pool=pool, spec=spec, request_id=request_id)


async def start_dir_pool(host: EmbeddedHost, agent: RawAgent, name: str, *volumes: str) -> None:
    """Define, build and start a pool, and create raw volumes in it."""
    await agent.ready()
    await agent.done(dir_pool(host, name))
    await agent.done(BuildPoolRequest(pool=name))
    await agent.done(StartPoolRequest(pool=name))
    for volume in volumes:
        await agent.done(raw_volume(name, volume))
