"""Remote procedure calls over TCP (RFC 5531): one connection, one call at a time, answers of bounded length."""

import asyncio
import itertools
import random
import socket
import struct
from collections.abc import Sequence
from typing import Self

_CALL, _REPLY = 0, 1
_RPC_VERSION = 2
_ACCEPTED = 0
_NO_AUTHENTICATION = struct.pack(">II", 0, 0)
_LAST_FRAGMENT = 1 << 31
_LONGEST_REPLY_BYTES = 4 << 20
_MOST_ADDRESSES = 8


class RpcError(Exception):
    """The server did not do what was asked, or what answers there does not speak RPC."""


class ProgramUnavailableError(RpcError):
    """The server does not have the program."""


class VersionMismatchError(RpcError):
    """The server has the program in other versions: `lowest` to `highest`."""

    def __init__(self, lowest: int, highest: int) -> None:
        super().__init__(f"versions {lowest} to {highest} are to be had")
        self.lowest = lowest
        self.highest = highest


def packed(text: bytes) -> bytes:
    """Bytes as XDR has them: their length before them, filled up to fours."""
    return struct.pack(">I", len(text)) + text + bytes(-len(text) % 4)


class Unpacker:
    """Reads what XDR (RFC 4506) has packed: RpcError where there is less than was said."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def number(self) -> int:
        """An unsigned number of four bytes."""
        return int.from_bytes(self._take(4), "big")

    def opaque(self) -> bytes:
        """Bytes with their length before them, filled up to fours."""
        length = self.number()
        found = bytes(self._take(length))
        self._take(-length % 4)
        return found

    def _take(self, length: int) -> memoryview:
        if length > len(self._data):
            raise RpcError("the answer is cut off")
        taken, self._data = self._data[:length], self._data[length:]
        return taken


class RpcConnection:
    """A TCP connection to one port of a server. Limits are the caller's; after one, it is of no more use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(random.getrandbits(31))
        self.address = address
        """The server's."""

    @classmethod
    async def open(cls, address: str, port: int) -> Self:
        """Connect to a numeric address: OSError."""
        # With a number nothing is asked; it only reads the interface's name of fe80::1%eth0.
        *family, _, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )[0]
        connection = socket.socket(*family)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, where)
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        return cls(reader, writer, address)

    @classmethod
    async def open_first(cls, addresses: Sequence[str], port: int) -> Self:
        """Connect to the first address that answers, all asked at once: OSError of the first, where none does."""
        opening = [asyncio.create_task(cls.open(address, port)) for address in addresses[:_MOST_ADDRESSES]]
        won, pending = None, set(opening)
        try:
            while won is None and pending:
                finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                won = next((task for task in finished if not task.exception()), None)
            return (won or opening[0]).result()
        finally:
            for task in opening:
                task.cancel()
            for other in await asyncio.gather(*(task for task in opening if task is not won), return_exceptions=True):
                if isinstance(other, cls):
                    other.close()

    async def call(self, program: int, version: int, procedure: int, arguments: bytes = b"") -> Unpacker:
        """Ask, as nobody in particular, and give the results: RpcError, OSError."""
        call_id = next(self._ids) & 0xFFFFFFFF
        message = struct.pack(">6I", call_id, _CALL, _RPC_VERSION, program, version, procedure)
        message += _NO_AUTHENTICATION * 2 + arguments
        self._writer.write(struct.pack(">I", _LAST_FRAGMENT | len(message)) + message)
        try:
            reply = Unpacker(await self._reply())
        except asyncio.IncompleteReadError as error:
            raise RpcError("the connection was closed without an answer") from error
        if (reply.number(), reply.number()) != (call_id, _REPLY):
            raise RpcError("the answer is none of RPC's")
        return _results(reply)

    def close(self) -> None:
        """Close it at once."""
        self._writer.transport.abort()

    async def _reply(self) -> bytes:
        reply = bytearray()
        while True:
            (header,) = struct.unpack(">I", await self._reader.readexactly(4))
            length = header & ~_LAST_FRAGMENT
            if len(reply) + length > _LONGEST_REPLY_BYTES:
                raise RpcError("the answer is too long, or none of RPC's")
            reply += await self._reader.readexactly(length)
            if header & _LAST_FRAGMENT:
                return bytes(reply)


def _results(reply: Unpacker) -> Unpacker:
    if reply.number() != _ACCEPTED:
        raise RpcError("the server denies the call")
    reply.number()
    reply.opaque()
    match reply.number():
        case 0:
            return reply
        case 1:
            raise ProgramUnavailableError("the program is not to be had there")
        case 2:
            raise VersionMismatchError(reply.number(), reply.number())
        case other:
            raise RpcError(f"the server could not do it (accept_stat {other})")
