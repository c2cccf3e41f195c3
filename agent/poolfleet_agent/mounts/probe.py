"""Asks a server layer by layer whether a share could be mounted: name, TCP, RPC, and for NFS version 3 the export.

Each layer has its own limit, and all together one. Nothing is mounted, and no doubt stops a mount: what cannot be
asked (UDP, RDMA, a list of exports that is kept secret) is left to it.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from poolfleet_agent.model.allowed_paths import is_within
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.mount_texts import FAILURE_OF_ERRNO
from poolfleet_agent.model.ports.mounts import LayerResult, MountRequest, ServerProbe
from poolfleet_agent.mounts import nfs_rpc
from poolfleet_agent.mounts.resolve import Resolver
from poolfleet_agent.mounts.rpc import ProgramUnavailableError, RpcConnection, RpcError, VersionMismatchError
from poolfleet_agent.mounts.ways import Ways, ways_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeLimits:
    """Seconds for each layer but the name's, which the resolver limits, and for all layers. TCP: one lost packet."""

    tcp_s: float = 2.0
    rpc_s: float = 1.5
    export_s: float = 1.5
    total_s: float = 2.8


class ServerProber:
    """Probes servers, any number at a time."""

    def __init__(self, resolver: Resolver, limits: ProbeLimits | None = None) -> None:
        self._resolver = resolver
        self._limits = limits or ProbeLimits()

    async def probe(self, request: MountRequest) -> ServerProbe:
        """Ask layer by layer, up to the first that fails."""
        asking = _Asking(self._resolver, self._limits, request)
        try:
            await asking.all_layers()
        except MountError:
            # It stands among the layers.
            pass
        finally:
            asking.close()
        return ServerProbe(layers=tuple(asking.layers), addresses=asking.addresses)


class _Asking:
    """One probe: what was found so far."""

    def __init__(self, resolver: Resolver, limits: ProbeLimits, request: MountRequest) -> None:
        self._resolver = resolver
        self._limits = limits
        self._request = request
        self._ways: Ways = ways_of(request)
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + limits.total_s
        self._connection: RpcConnection | None = None
        self.layers: list[LayerResult] = []
        self.addresses: tuple[str, ...] = ()

    async def all_layers(self) -> None:
        """MountError of the layer that failed, which stands in `layers` too."""
        async with self._layer("dns", self._limits.total_s):
            self.addresses = await self._resolver.addresses(self._request.source.host)
        if not self._ways.tcp:
            return
        async with self._layer("tcp", self._limits.tcp_s):
            self._connection = connection = await self._connect()
        if not self._ways.versions:
            return
        async with self._layer("rpc", self._limits.rpc_s):
            version = await nfs_rpc.ask_nfs(connection, self._ways.versions)
        if version == 3 and self._ways.ask_exports:
            async with self._layer("export", self._limits.export_s):
                await self._find_export(connection.address)

    def close(self) -> None:
        """Close what is open."""
        if self._connection is not None:
            self._connection.close()

    async def _connect(self) -> RpcConnection:
        ways, addresses = self._ways, self._ways.usable(self.addresses)
        try:
            return await RpcConnection.open_first(addresses, ways.port)
        except ConnectionRefusedError:
            if ways.stated_port or ways.versions != (3,):
                raise
        # Version 3 may listen anywhere; it nearly always does where version 4 has to.
        port = await nfs_rpc.nfs3_port(addresses[0])
        if port == 0:
            message = "NFS version 3 over TCP is not registered with the server's rpcbind"
            raise MountError(MountFailure.RPC_NOT_REGISTERED, message, layer="tcp")
        return await RpcConnection.open_first(addresses, port)

    async def _find_export(self, address: str) -> None:
        port = self._ways.mountd_port or await nfs_rpc.mountd_port(address)
        if port == 0:
            if await nfs_rpc.mountd_udp_port(address):
                return
            raise MountError(
                MountFailure.RPC_NOT_REGISTERED, "mountd is not registered with the server's rpcbind", layer="export"
            )
        wanted, exports = clean_path(self._request.source.path), await nfs_rpc.exports(address, port)
        # Folders below an export can be mounted too. A server may keep its list to itself.
        if exports and not any(is_within(wanted, clean_path(export.path)) for export in exports):
            message = f"{wanted} is not among the {len(exports)} exports of {self._request.source.host}"
            raise MountError(MountFailure.NO_SUCH_EXPORT, message, layer="export")

    @asynccontextmanager
    async def _layer(self, layer: str, limit_s: float) -> AsyncIterator[None]:
        started_s = self._loop.time()
        ends_s = min(started_s + limit_s, self._deadline)
        failure, message = "", ""
        try:
            async with asyncio.timeout_at(ends_s):
                yield
        except MountError as error:
            failure, message = error.failure, error.message
            raise
        except (TimeoutError, OSError, RpcError) as error:
            failed = self._as_mount_error(error, layer, ends_s - started_s)
            failure, message = failed.failure, failed.message
            raise failed from error
        finally:
            duration_s = self._loop.time() - started_s
            self.layers.append(LayerResult(layer=layer, duration_s=duration_s, failure=failure, message=message))

    def _as_mount_error(self, error: TimeoutError | OSError | RpcError, layer: str, limit_s: float) -> MountError:
        host, port = self._request.source.host, self._ways.port
        match error:
            case OSError(errno=number) if number:
                failure = FAILURE_OF_ERRNO.get(number, MountFailure.UNKNOWN)
                # Not the error's own words: asyncio says "Connect call failed", and the address again.
                return MountError(failure, f"{host} port {port}: {os.strerror(number)}", layer=layer)
            case VersionMismatchError():
                asked = " or ".join(map(str, self._ways.versions))
                return MountError(
                    MountFailure.NOT_SUPPORTED, f"{host} does not have NFS version {asked}: {error}", layer=layer
                )
            case ProgramUnavailableError():
                return MountError(MountFailure.RPC_NOT_REGISTERED, f"{host}: NFS does not run: {error}", layer=layer)
            case RpcError():
                return MountError(MountFailure.RPC_NOT_REGISTERED, f"{host} port {port}: {error}", layer=layer)
            case _:
                return MountError(MountFailure.TIMED_OUT, f"{host}: no answer within {limit_s:.1f} s", layer=layer)
