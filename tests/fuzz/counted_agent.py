"""The agent, run as a program that can be asked what it holds: `python counted_agent.py serve --config FILE`.

At SIGUSR1 it writes beside its configuration how many objects of Python it has, once its bounded caches are empty and
all garbage is gone, and how many tasks its event loop has.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import re
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from poolfleet_agent.cli import main
from poolfleet_agent.inventory.history import History

REMEMBERED = 30
"""Names that the inventory's history holds here: few, so that it is full before anything is counted first."""


@dataclass(frozen=True)
class Counts:
    """`blocks`: allocated by Python; each object is one or some."""

    blocks: int
    tasks: int

    @classmethod
    def now(cls) -> Self:
        """Of this process."""
        for cache in _bounded_caches():
            cache.cache_clear()
        re.purge()
        gc.collect()
        return cls(sys.getallocatedblocks(), len(asyncio.all_tasks()))

    @staticmethod
    def path_beside(config: Path) -> Path:
        """Where the agent with this configuration writes them."""
        return config.with_suffix(".counts")

    @classmethod
    def read(cls, path: Path) -> Self:
        """As they were written."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """As a whole or not at all."""
        written = path.with_suffix(".writing")
        written.write_text(json.dumps(asdict(self)))
        written.rename(path)


def _bounded_caches() -> list[functools._lru_cache_wrapper[Any]]:
    # The garbage collector does not tell of what was there when the agent began to serve: it is frozen.
    held = (value for module in list(sys.modules.values()) for value in list(vars(module).values()))
    return [value for value in held if isinstance(value, functools._lru_cache_wrapper)]


if __name__ == "__main__":
    History.__init__.__defaults__ = (REMEMBERED,)
    config = Path(sys.argv[sys.argv.index("--config") + 1])
    signal.signal(signal.SIGUSR1, lambda *_: Counts.now().write(Counts.path_beside(config)))
    sys.exit(main(sys.argv[1:]))
