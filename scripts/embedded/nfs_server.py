"""A server that answers NFS NULL calls and nothing else: what an agent asks before it mounts. On loopback, in a thread.

Together with a NetfsStandIn of the same host it is a share that can be refused, silent, and come back.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

from scripts.embedded.free_port import free_port

_LAST_FRAGMENT = 0x80000000
_ACCEPTED = struct.pack(">IIIII", 1, 0, 0, 0, 0)
"""A reply, accepted, without verifier, successful."""


class NullNfsServer:
    """Listens on `127.0.0.1:port`, which stays the same over `close` and `open`. `silent`: hears, and says nothing."""

    def __init__(self) -> None:
        self.port: int = free_port()
        self.silent = False
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Begin to answer."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while header := connection.recv(4, socket.MSG_WAITALL):
                (mark,) = struct.unpack(">I", header)
                call = connection.recv(mark & ~_LAST_FRAGMENT, socket.MSG_WAITALL)
                if not self.silent:
                    reply = call[:4] + _ACCEPTED
                    connection.sendall(struct.pack(">I", _LAST_FRAGMENT | len(reply)) + reply)
