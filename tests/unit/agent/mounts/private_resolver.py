"""A resolver of the test's own: a name server on a loopback address, and the command that asks only it. Root only."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

_INSIDE = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/nsswitch.conf && shift 2 && exec "$@"'

A, AAAA = 1, 28

Answer = Callable[[bytes], bytes | None]
"""Of a question (a DNS message): the message to send back, or nothing."""


def no_such_name(question: bytes) -> bytes:
    return question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + _asked(question)


def server_failure(question: bytes) -> bytes:
    return question[:2] + b"\x81\x82" + question[4:6] + bytes(6) + _asked(question)


def address(*parts: int) -> Answer:
    """An IPv4 address, and none of IPv6."""

    def answer(question: bytes) -> bytes:
        asked = _asked(question)
        found = int.from_bytes(asked[-4:-2], "big") == A
        head = question[:2] + b"\x81\x80" + struct.pack(">4H", 1, int(found), 0, 0)
        return head + asked + (struct.pack(">HHHIH", 0xC00C, A, 1, 60, 4) + bytes(parts) if found else b"")

    return answer


def silent(_: bytes) -> None:
    return None


def _asked(question: bytes) -> bytes:
    """The question's own part, without what follows it (EDNS)."""
    end = question.index(b"\0", 12) + 5
    return question[12:end]


class _NameServer(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (reply := self._answer(data)) is not None:
            self._transport.sendto(reply, addr)


@asynccontextmanager
async def resolver(folder: Path, answer: Answer) -> AsyncIterator[Callable[[Sequence[str]], list[str]]]:
    """Within the block, what it gives turns a command into one that asks only this name server."""
    # The port is given: whoever else tests on this machine has one at another address.
    at = f"127.77.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
    conf, switch = folder / "resolv.conf", folder / "nsswitch.conf"
    conf.write_text(f"nameserver {at}\n")
    switch.write_text("hosts: files dns\n")
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _NameServer(answer), local_addr=(at, 53)
    )
    try:
        yield lambda argv: [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", _INSIDE, "sh", str(conf), str(switch)),
            *argv,
        ]
    finally:
        transport.close()
