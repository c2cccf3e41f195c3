"""One process of a simulated fleet from outside: told a line at a time, and gone when this one is, however it ends."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from scripts.embedded.process import NotReadyError

END_LIMIT_S = 10.0
ROOT = Path(__file__).parents[2]


class ServingProcess:
    """Runs scripts.simulated_fleet.served."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "scripts.simulated_fleet.served"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            # Its end is what a process that is killed leaves to this one.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C is the parent's, which ends this one.
            start_new_session=True,
        )
        self._input, self.output = _there(self._child.stdin), _there(self._child.stdout)

    def tell(self, line: str) -> None:
        """Send a line, which `answer` answers; raises NotReadyError where it has ended."""
        try:
            self._input.write(line.encode() + b"\n")
            self._input.flush()
        except BrokenPipeError:
            raise NotReadyError("a process of the simulated fleet ended") from None

    def answer(self, deadline_s: float) -> dict[str, Any]:
        """What it answers; raises NotReadyError where nothing comes before that moment of the monotonic clock."""
        ready, _, _ = select.select([self.output], [], [], max(deadline_s - time.monotonic(), 0))
        line = self.output.readline() if ready else b""
        if not line:
            raise NotReadyError(f"a process of the simulated fleet {'ended' if ready else 'does not answer'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def terminate(self) -> None:
        """Have it end; `end` waits for that."""
        self._child.terminate()

    def end(self) -> None:
        """Return when it is gone: killed, where it does not end by itself."""
        self._child.terminate()
        try:
            self._child.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(END_LIMIT_S)
        self._input.close()
        self.output.close()


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("not a pipe")
    return pipe
