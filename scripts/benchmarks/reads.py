"""Single reads, one at a time: the client over the agent's UNIX socket, libvirt-python and virsh for the same."""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable

import grpc
import libvirt

from poolfleet import PoolSpec, VolumeSpec
from poolfleet.aio import AgentClient
from scripts.benchmarks.echo import METHOD
from scripts.benchmarks.latency import Contender, compare
from scripts.benchmarks.report import Result
from scripts.embedded.host import EmbeddedHost

POOL = "few"
VOLUME = "guest.qcow2"
VOLUME_BYTES = 1 << 30
ECHOED_BYTES = 500
"""About what a pool takes on the wire."""


async def latencies(host: EmbeddedHost, echo_target: str, calls: int) -> list[Result]:
    """Make a pool with a volume on `host`, and read both `calls` times each way."""
    connection = libvirt.open(host.libvirtd.uri)
    try:
        async with AgentClient(host.agent.target) as agent, grpc.aio.insecure_channel(echo_target) as channel:
            await agent.pools.ensure(PoolSpec.dir(POOL, target=str(host.pools_dir / POOL)))
            # At its first connections libvirtd asks every emulator what it can do, which keeps the machine busy.
            connection.getCapabilities()
            await agent.volumes.create(POOL, VolumeSpec(VOLUME, capacity_bytes=VOLUME_BYTES, format="qcow2"))
            echo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            contenders = [
                *_contenders(
                    "get_pool",
                    lambda: agent.pools.get(POOL),
                    lambda: read_pool(connection),
                    Virsh(host, f"pool-info {POOL}; pool-dumpxml {POOL}"),
                ),
                *_contenders(
                    "get_pool_fresh",
                    lambda: agent.pools.get(POOL, max_staleness_s=0),
                    lambda: read_pool(connection),
                    Virsh(host, f"pool-info {POOL}; pool-dumpxml {POOL}"),
                ),
                *_contenders(
                    "get_volume",
                    lambda: agent.volumes.get(POOL, VOLUME),
                    lambda: read_volume(connection),
                    Virsh(host, f"vol-info {VOLUME} {POOL}; vol-dumpxml {VOLUME} {POOL}"),
                ),
                Contender(case="echo", system="grpc.aio", call=lambda: echo(bytes(ECHOED_BYTES))),
            ]
            return await compare(contenders, calls=calls)
    finally:
        connection.close()


def read_pool(connection: libvirt.virConnect) -> None:
    """Read with libvirt-python what GetPool tells."""
    pool = connection.storagePoolLookupByName(POOL)
    pool.info()
    pool.XMLDesc(0)
    pool.autostart()
    pool.isPersistent()
    pool.numOfVolumes()


def read_volume(connection: libvirt.virConnect) -> None:
    """Read with libvirt-python what GetVolume tells."""
    volume = connection.storagePoolLookupByName(POOL).storageVolLookupByName(VOLUME)
    volume.info()
    volume.XMLDesc(0)


class Virsh:
    """One virsh process that runs some commands."""

    def __init__(self, host: EmbeddedHost, commands: str) -> None:
        self._argv = ["virsh", "--quiet", "--connect", host.libvirtd.uri, commands]

    def __call__(self) -> None:
        subprocess.run(self._argv, check=True, stdout=subprocess.DEVNULL, timeout=60)


def _contenders(
    case: str, ours: Callable[[], Awaitable[object]], libvirt_python: Callable[[], None], virsh: Virsh
) -> list[Contender]:
    async def by_libvirt() -> None:
        libvirt_python()

    async def by_virsh() -> None:
        virsh()

    return [
        Contender(case=case, system="poolfleet", call=ours),
        Contender(case=case, system="libvirt-python", call=by_libvirt),
        Contender(case=case, system="virsh", call=by_virsh, slow=True),
    ]
