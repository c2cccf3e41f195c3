"""What can be asked of an NFS server without mounting: a call that does nothing, where programs listen, its exports."""

import struct

from poolfleet_agent.model.ports.mounts import Export
from poolfleet_agent.mounts.rpc import RpcConnection, RpcError, Unpacker, VersionMismatchError, packed

NFS_PORT = 2049
RPCBIND_PORT = 111
_HIGHEST_PORT = 65_535

_PORTMAP = (100000, 2)
_RPCBIND = (100000, 4)
_NFS = 100003
_MOUNT = (100005, 3)
_NULL, _GET_PORT, _GET_ADDRESS, _EXPORT = 0, 3, 3, 5
_PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17}
_MOST_EXPORTS = 10_000


async def ask_nfs(connection: RpcConnection, versions: tuple[int, ...]) -> int:
    """Give the first of the major versions that the server has, by NFS's NULL call.

    VersionMismatchError: none of them; ProgramUnavailableError, RpcError, OSError.
    """
    *earlier, last = versions
    for version in earlier:
        try:
            await connection.call(_NFS, version, _NULL)
        except VersionMismatchError:
            continue
        return version
    await connection.call(_NFS, last, _NULL)
    return last


async def nfs3_port(address: str) -> int:
    """Where the server's rpcbind says that NFS version 3 listens for TCP; 0: nowhere. RpcError, OSError."""
    return await _registered(address, _NFS, 3, "tcp")


async def mountd_port(address: str) -> int:
    """Where rpcbind says that the MOUNT program listens for TCP; 0: nowhere. RpcError, OSError."""
    return await _registered(address, *_MOUNT, "tcp")


async def mountd_udp_port(address: str) -> int:
    """Where rpcbind says that the MOUNT program listens for UDP; 0: nowhere. RpcError, OSError."""
    return await _registered(address, *_MOUNT, "udp")


async def exports(address: str, port: int) -> tuple[Export, ...]:
    """The server's export list, from the MOUNT program at this port, as showmount -e has it: RpcError, OSError."""
    connection = await RpcConnection.open(address, port)
    try:
        return _export_list(await connection.call(*_MOUNT, _EXPORT))
    finally:
        connection.close()


def _export_list(results: Unpacker) -> tuple[Export, ...]:
    found = []
    while results.number():
        path = results.opaque()
        clients = []
        while results.number():
            clients.append(results.opaque().decode(errors="backslashreplace"))
        found.append(Export(path.decode(errors="surrogateescape"), tuple(clients)))
        if len(found) > _MOST_EXPORTS:
            raise RpcError("the list of exports does not end")
    return tuple(found)


async def _registered(address: str, program: int, version: int, protocol: str) -> int:
    connection = await RpcConnection.open(address, RPCBIND_PORT)
    try:
        if ":" in address:
            # The old portmapper's call knows no IPv6. The answer is `::.8.1`, the port's two bytes last, or empty.
            question = struct.pack(">2I", program, version) + packed(f"{protocol}6".encode()) + packed(b"") * 2
            answer = (await connection.call(*_RPCBIND, _GET_ADDRESS, question)).opaque()
            return _port_in(answer) if answer else 0
        question = struct.pack(">4I", program, version, _PROTOCOL_NUMBERS[protocol], 0)
        return _port((await connection.call(*_PORTMAP, _GET_PORT, question)).number())
    finally:
        connection.close()


def _port_in(universal_address: bytes) -> int:
    try:
        _, high, low = universal_address.rsplit(b".", 2)
        return _port(int(high) << 8 | int(low))
    except ValueError as error:
        raise RpcError(f"rpcbind's answer is no address: {universal_address!r}") from error


def _port(number: int) -> int:
    if not 0 <= number <= _HIGHEST_PORT:
        raise RpcError(f"rpcbind's answer is no port: {number}")
    return number
