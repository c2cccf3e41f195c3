"""One process of a simulated fleet: serves some of its hosts until its standard input ends.

What it is told comes as lines of JSON on standard input, an Order first, and each is answered by one on standard
output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

if __name__ == "__main__":
    # As the agent itself does, before gRPC is loaded.
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")

from poolfleet_agent.model.ports import Encoder
from poolfleet_agent.server import logs
from poolfleet_agent.server.clock import SystemClock
from poolfleet_agent.services.convert.encoder import MessageEncoder
from scripts.simulated_fleet.agent_server import start_server
from scripts.simulated_fleet.contents import Contents
from scripts.simulated_fleet.host import SimulatedHost
from scripts.simulated_fleet.order import Order
from scripts.simulated_fleet.shape import Shape

LOOKS_EVERY_S = 30.0
"""How often each host looks at everything, and finds nothing new."""


class ServedHosts:
    """The hosts of one process; what several see is there once."""

    def __init__(self, shape: Shape, numbers: Iterable[int], encoder: Encoder) -> None:
        self.hosts: list[SimulatedHost] = []
        self._contents: dict[str, Contents] = {}
        self._seen_by: dict[str, list[SimulatedHost]] = {}
        clock = SystemClock()
        for number in numbers:
            storages = []
            for plan in shape.storages(number):
                if plan.key not in self._contents:
                    self._contents[plan.key] = Contents(plan, shape.seed, encoder)
                storages.append(self._contents[plan.key])
            host = SimulatedHost(shape, number, storages, encoder=encoder, clock=clock)
            self.hosts.append(host)
            for contents in storages:
                self._seen_by.setdefault(contents.plan.key, []).append(host)

    def change(self, step: int, share: float) -> int:
        """Change that part of every storage, seen by all its hosts at once; how many volumes were."""
        changed = 0
        for key, contents in self._contents.items():
            if count := contents.change(step, share):
                changed += count
                for host in self._seen_by[key]:
                    host.publish(contents)
        return changed

    async def keep_looking(self) -> None:
        """Have one host after the other look, without end."""
        while True:
            for host in self.hosts:
                await asyncio.sleep(LOOKS_EVERY_S / len(self.hosts))
                host.look()


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def serve() -> None:
    """Serve as ordered, and change as told."""
    lines = asyncio.StreamReader(limit=2**20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    order = Order.from_line((await lines.readline()).decode())
    # Nothing of what is made here is garbage.
    gc.disable()
    served = ServedHosts(order.shape, range(order.first, order.last), MessageEncoder())
    gc.freeze()
    gc.enable()
    async with AsyncExitStack() as ends:
        targets = {}
        for host in served.hosts:
            server, targets[host.name] = await start_server(host, order)
            ends.push_async_callback(server.stop, 0)
        looking = asyncio.create_task(served.keep_looking())
        ends.callback(looking.cancel)
        _tell({"targets": targets})
        while line := await lines.readline():
            told = json.loads(line)
            _tell({"changed": served.change(told["step"], told["share"])})


if __name__ == "__main__":
    logs.configure("warning", "console")
    asyncio.run(serve())
