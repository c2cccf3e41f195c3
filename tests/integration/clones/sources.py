"""What clones are made of, and looking at them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from poolfleet import (
    Volume,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from poolfleet.types.operation import Operation
from scripts.embedded.host import EmbeddedHost

LIMIT_S = 60.0
MIB = 1 << 20
DATA = os.urandom(3 * MIB)
OFFSET = 5 * MIB
CAPACITY = 64 * MIB
CANCELLED_WITHIN_S = 10.0
"""Wide for the 2 s that it may take, on a busy machine."""


def path_of(host: EmbeddedHost, name: str, pool: str = "a") -> Path:
    return host.pools_dir / pool / name


def names(host: EmbeddedHost, pool: str = "a") -> list[str]:
    return sorted(path.name for path in (host.pools_dir / pool).iterdir())


def run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT_S, check=True).stdout


def assert_same(one: Path, one_format: str, other: Path, other_format: str) -> None:
    run("qemu-img", "compare", "-f", one_format, "-F", other_format, "--", str(one), str(other))


async def sparse_source(client: AgentClient, host: EmbeddedHost, name: str = "src", form: str = "raw") -> Path:
    """A volume of 64 MiB, 3 of which hold something."""
    path = path_of(host, name)
    await client.volumes.create("a", VolumeSpec(name, capacity_bytes=CAPACITY, allocation_bytes=0, format=form))
    if form == "raw":
        with path.open("r+b") as file:
            file.seek(OFFSET)
            file.write(DATA)
    else:
        (host.root / "data").write_bytes(DATA)
        run("qemu-io", "-f", form, "-c", f"write -s {host.root}/data {OFFSET} {len(DATA)}", str(path))
    return path


def made(operation: Operation) -> Volume:
    assert operation.changed
    assert isinstance(operation.result, Volume)
    return operation.result
