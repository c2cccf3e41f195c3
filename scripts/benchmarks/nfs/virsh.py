"""Runs virsh, or what runs it elsewhere, with a limit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from scripts.benchmarks.figures import CutOffError


async def ended(argv: Sequence[str], *, limit_s: float) -> int:
    """Run a command that is silent; its exit status. Raises CutOffError where it did not end, and was killed."""
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*argv, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    try:
        async with asyncio.timeout(limit_s):
            return await process.wait()
    except TimeoutError:
        raise CutOffError(limit_s) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
