"""A server's RPC programs without NFS behind them, on a loopback port; and sockets that refuse or say nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

RPCBIND, NFS, MOUNT = 100000, 100003, 100005


def xdr(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">I", len(raw)) + raw + bytes(-len(raw) % 4)


class FakeServer:
    """All of its programs on one port. `calls` are (program, version, procedure), as they came."""

    def __init__(
        self,
        programs: Mapping[int, tuple[int, int]],
        *,
        host: str = "127.0.0.1",
        registered: Mapping[tuple[int, str], int] | None = None,
        exports: Sequence[tuple[str, Sequence[str]]] = (),
    ) -> None:
        self.programs = programs
        self.host = host
        self.registered = dict(registered or {})
        self.exports = exports
        self.calls: list[tuple[int, int, int]] = []
        self.fragment_bytes = 1 << 20
        self.raw_reply: bytes | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            # An end of the connection is the client's good right.
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    (header,) = struct.unpack(">I", await reader.readexactly(4))
                    call = await reader.readexactly(header & 0x7FFFFFFF)
                    if self.raw_reply is not None:
                        writer.write(self.raw_reply)
                        return
                    self._write(writer, self._answer(call))
        finally:
            writer.close()

    def _write(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        size = self.fragment_bytes
        parts = [reply[start : start + size] for start in range(0, len(reply), size)]
        for part in parts[:-1]:
            writer.write(struct.pack(">I", len(part)) + part)
        writer.write(struct.pack(">I", 1 << 31 | len(parts[-1])) + parts[-1])

    def _answer(self, call: bytes) -> bytes:
        call_id, kind, rpc_version, program, version, procedure = struct.unpack(">6I", call[:24])
        assert (kind, rpc_version) == (0, 2)
        self.calls.append((program, version, procedure))
        # A verifier with something in it, which has to be read over.
        accepted = struct.pack(">III", call_id, 1, 0) + struct.pack(">I", 1) + xdr("who")
        lowest, highest = self.programs.get(program, (0, -1))
        if highest < 0:
            return accepted + struct.pack(">I", 1)
        if not lowest <= version <= highest:
            return accepted + struct.pack(">III", 2, lowest, highest)
        return accepted + struct.pack(">I", 0) + self._results(program, version, procedure, call[40:])

    def _results(self, program: int, version: int, procedure: int, arguments: bytes) -> bytes:
        match program, procedure:
            case _, 0:
                return b""
            case 100000, 3:
                wanted, _ = struct.unpack(">II", arguments[:8])
                if version == 2:
                    protocol = {6: "tcp", 17: "udp"}[struct.unpack(">I", arguments[8:12])[0]]
                    return struct.pack(">I", self.registered.get((wanted, protocol), 0))
                length = struct.unpack(">I", arguments[8:12])[0]
                port = self.registered.get((wanted, arguments[12 : 12 + length].decode()), 0)
                return xdr(f"::.{port >> 8}.{port & 255}" if port else "")
            case 100005, 5:
                return b"".join(_export(path, clients) for path, clients in self.exports) + struct.pack(">I", 0)
            case _:
                raise AssertionError((program, procedure))


def _export(path: str, clients: Sequence[str]) -> bytes:
    one = struct.pack(">I", 1)
    return one + xdr(path) + b"".join(one + xdr(client) for client in clients) + struct.pack(">I", 0)


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port that drops what would connect: those that came before fill its backlog."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield int(listening.getsockname()[1])


@contextlib.contextmanager
def mute_port() -> Iterator[int]:
    """A port that accepts, and never says a word, as the kernel does for a stopped server."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield int(listening.getsockname()[1])
