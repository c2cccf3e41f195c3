"""Many clients of one agent, calling everything at once: how long each kind of call took, and how it ended."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from poolfleet import AgentClient, PoolfleetError, VolumeSpec
from scripts.virtual_lab.host import Host
from tests.lab.shares import MIB

CLIENTS = 50
# Between two calls of one client: an agent here answers a dozen in a second, and makes one volume.
PAUSE_S = 10.0
# Of a call that hangs; whatever is answered at all is answered long before.
HANGS_S = 180.0

Call = Callable[[], object]


@dataclass(slots=True)
class Storm:
    """What became of the calls: seconds of each by kind, and how often they ended how."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def slowest_s(self, kind: str) -> float:
        """The longest call of the kind."""
        return max(self.seconds[kind])

    def p99_s(self, kind: str) -> float:
        """What 99 of 100 calls of the kind did not exceed."""
        ordered = sorted(self.seconds[kind])
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    def figures(self) -> str:
        """For the report: calls, and p99, by kind."""
        return ", ".join(
            f"{kind} {len(taken)} calls, p99 {self.p99_s(kind):.2f} s" for kind, taken in sorted(self.seconds.items())
        )


class Crowd:
    """50 clients of one agent, connected."""

    def __init__(self, clients: Sequence[AgentClient], pool: ThreadPoolExecutor) -> None:
        self._clients = clients
        self._pool = pool

    def storm(self, *, dead: Sequence[str], near: str, lasts_s: float) -> Storm:
        """Let all call everything of the pools `dead` and of the pool `near`, for so many seconds."""
        seen = Storm()
        until = time.monotonic() + lasts_s
        together = threading.Barrier(len(self._clients))

        def run(number: int) -> None:
            client = self._clients[number]
            calls = {**_near_calls(client, near, number), **_dead_calls(client, dead)}
            together.wait(timeout=HANGS_S)
            for kind in _shuffled(tuple(calls), seed=number):
                if time.monotonic() > until:
                    return
                began = time.monotonic()
                outcome = _outcome(calls[kind])
                group = kind.partition(" ")[0]
                seen.seconds[group].append(time.monotonic() - began)
                seen.outcomes[group][f"{kind}: {outcome}"] += 1
                time.sleep(random.uniform(0, 2 * PAUSE_S))

        for ended in [self._pool.submit(run, number) for number in range(len(self._clients))]:
            ended.result()
        return seen


@contextmanager
def crowd(host: Host) -> Iterator[Crowd]:
    """The clients, each with a connection of its own."""
    with ExitStack() as stack:
        clients = [stack.enter_context(host.agent(timeout_s=HANGS_S)) for _ in range(CLIENTS)]
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        # One after the other, for the machine of a lab shakes hands with some in a second.
        for client in clients:
            client.get()
        yield Crowd(clients, pool)


def _near_calls(client: AgentClient, near: str, number: int) -> Mapping[str, Call]:
    own = VolumeSpec(f"v{number}", capacity_bytes=MIB, allocation_bytes=0)

    def make_and_delete() -> None:
        client.volumes.create(near, own)
        client.volumes.delete(near, own.name)

    return {
        "near get": lambda: client.pools.get(near),
        "near get anew": lambda: client.pools.get(near, max_staleness_s=0),
        "near volumes": lambda: client.volumes.read_all(near),
        "near create and delete": make_and_delete,
        "near refresh": lambda: client.pools.refresh(near),
        "near pools": lambda: list(client.pools.list()),
    }


def _dead_calls(client: AgentClient, dead: Sequence[str]) -> Mapping[str, Call]:
    names = itertools.cycle(random.sample(dead, len(dead)))
    new = VolumeSpec("new", capacity_bytes=MIB, allocation_bytes=0)
    return {
        "dead get": lambda: client.pools.get(next(names)),
        "dead get anew": lambda: client.pools.get(next(names), max_staleness_s=0),
        "dead volumes": lambda: client.volumes.read_all(next(names), max_staleness_s=0),
        # The one that hangs may be joined, and would be waited for.
        "dead refresh": lambda: client.pools.refresh(next(names), wait=False),
        "dead create": lambda: client.volumes.create(next(names), new),
        "dead delete": lambda: client.volumes.delete(next(names), "new", allow_missing=True),
    }


def _shuffled(kinds: Sequence[str], *, seed: int) -> Iterator[str]:
    order = random.Random(seed)
    while True:
        yield from order.sample(kinds, len(kinds))


def _outcome(call: Call) -> str:
    try:
        call()
    except PoolfleetError as error:
        return error.reason
    return "OK"
