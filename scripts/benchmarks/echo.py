"""A bare grpc.aio server that sends back what it gets: what a call costs where nothing is done for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from scripts.embedded.process import Process, wait_until

SERVICE, RPC = "echo", "Echo"
METHOD = f"/{SERVICE}/{RPC}"
START_LIMIT_S = 30.0


@contextmanager
def echo_server(root: Path) -> Iterator[str]:
    """Run the server in a process of its own within the block; its address."""
    socket, process = root / "echo.sock", Process(root / "echo.pid")
    process.start([sys.executable, "-m", "scripts.benchmarks.echo", str(socket)], log=root / "echo.log")
    try:
        wait_until(socket.exists, limit_s=START_LIMIT_S, what="the echo server listens")
        yield f"unix:{socket}"
    finally:
        process.stop()


async def _echo(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return request


async def _serve(socket: str) -> None:
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {RPC: grpc.unary_unary_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
