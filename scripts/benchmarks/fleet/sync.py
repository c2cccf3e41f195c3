"""One sync in a process of its own, as a person's `inventory sync` is one: what it took, and what it held at most."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from poolfleet.aio import Fleet
from poolfleet.inventory.store.addresses import open_store

_VOLUMES = "SELECT count(*) FROM volume"


async def sync(file: str, address: str) -> dict[str, object]:
    """Bring the fleet of a fleet file into the store at that address."""
    store = open_store(address)
    try:
        async with Fleet.from_file(file) as fleet:
            began_s = time.perf_counter()
            result = await fleet.sync_inventory(store)
            took_s = time.perf_counter() - began_s
        peak_mb = peak_bytes() / 1e6
        with store.query(_VOLUMES) as found:
            ((stored,),) = found.rows
    finally:
        store.close()
    return {
        "seconds": took_s,
        "peak_mb": peak_mb,
        "told": sum(outcome.value.volumes for outcome in result.values() if outcome.value),
        "stored": stored,
        "failed": [f"{outcome.host}: {outcome.error}" for outcome in result.values() if outcome.value is None],
    }


def peak_bytes() -> int:
    """The most memory that this process had. What getrusage says counts what its parent had, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmHWM")


def main(arguments: Sequence[str]) -> None:
    """Sync once, and print a line of JSON."""
    file, address = arguments
    print(json.dumps(asyncio.run(sync(file, address))))


if __name__ == "__main__":
    main(sys.argv[1:])
