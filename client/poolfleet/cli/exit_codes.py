"""The one table from what happened to the number that the shell sees."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poolfleet.types.errors import PoolfleetError


class ExitCode(IntEnum):
    """What `poolfleet` ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    STILL_RUNNING = 6
    INTERRUPTED = 130


_BY_REASON = {
    "STILL_RUNNING": ExitCode.STILL_RUNNING,
    "UNREACHABLE": ExitCode.UNREACHABLE,
    "INCOMPLETE": ExitCode.CONFLICT,
    "NO_HOST": ExitCode.CONFLICT,
}
_BY_CODE = {
    "INVALID_ARGUMENT": ExitCode.USAGE,
    "OUT_OF_RANGE": ExitCode.USAGE,
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "ALREADY_EXISTS": ExitCode.CONFLICT,
    "FAILED_PRECONDITION": ExitCode.CONFLICT,
    "ABORTED": ExitCode.CONFLICT,
}


def of_error(error: PoolfleetError) -> ExitCode:
    """The code of one host's failure, by its reason or else its gRPC code; what no row names is FAILED."""
    return _BY_REASON.get(error.reason) or _BY_CODE.get(error.code, ExitCode.FAILED)


def of_hosts(codes: Iterable[ExitCode]) -> ExitCode:
    """The code of many hosts' codes: the one that all share, else FAILED; still running counts before OK only."""
    seen = set(codes) or {ExitCode.OK}
    if seen == {ExitCode.OK, ExitCode.STILL_RUNNING}:
        return ExitCode.STILL_RUNNING
    return seen.pop() if len(seen) == 1 else ExitCode.FAILED
