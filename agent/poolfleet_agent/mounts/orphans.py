"""Mounts that an agent had begun, and that go on without it: its helpers outlive it, and nobody waits for them."""

from collections.abc import Mapping
from pathlib import Path

import structlog

from poolfleet_agent.mounts.process_table import HELPERS, INIT_PID, HostProcess, ancestors, end, processes

_PROGRAMS = HELPERS | {"mount"}
_GONE_WITHIN_S = 2.0

log = structlog.get_logger(__name__)


def end_orphans(target: str) -> bool:
    """End the mount programs for a target whose starter is gone; whether there were any. Blocking; PermissionError."""
    all_of_them = dict(processes())
    mounting = {pid for pid, one in all_of_them.items() if one.name in _PROGRAMS and target in _arguments(pid)}
    orphans = [pid for pid in mounting if _nobody_waits(pid, mounting, all_of_them)]
    for pid in orphans:
        if end(pid, all_of_them[pid].started_ticks, wait_s=_GONE_WITHIN_S):
            log.warning("a mount that nobody waits for any more is ended", target=target, pid=pid)
    return bool(orphans)


def _nobody_waits(pid: int, mounting: set[int], all_of_them: Mapping[int, HostProcess]) -> bool:
    return all(ancestor in mounting or ancestor <= INIT_PID for ancestor in ancestors(pid, all_of_them))


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="surrogateescape").split("\0")
    except OSError:
        return []
