"""The host's processes, by /proc: what mounts, who started it, and the end of one that is sure to be that very one."""

import os
import select
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HELPERS = frozenset({"mount.nfs", "mount.nfs4", "mount.cifs"})
"""Those that wait for a server. Not mount(8) itself, which may be replaying the journal of a disk."""

INIT_PID = 1


@dataclass(frozen=True, slots=True)
class HostProcess:
    """A process: its name as the kernel has it, who started it, and when, in ticks since the boot."""

    name: str
    parent: int
    started_ticks: int


def processes() -> Iterator[tuple[int, HostProcess]]:
    """All of them, by number."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (found := process(int(entry))) is not None:
            yield int(entry), found


def process(pid: int) -> HostProcess | None:
    """What /proc says of a process; None: it is gone, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # A name may have spaces and brackets of its own.
    before, _, after = text.rpartition(")")
    state, parent, *rest = after.split()
    return None if state == "Z" else HostProcess(before.partition("(")[2], int(parent), int(rest[17]))


def ancestors(pid: int, among: Mapping[int, HostProcess]) -> Iterator[int]:
    """Who started it, who started that one, and so on."""
    seen: set[int] = set()
    while (found := among.get(pid)) is not None and pid not in seen:
        seen.add(pid)
        pid = found.parent
        yield pid


def end(pid: int, started_ticks: int, *, wait_s: float = 0.0) -> bool:
    """Kill that very process, and wait at most so long until it is gone: False: it was already. PermissionError."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The descriptor holds the process: what /proc says from here on is said of that one, or of none.
        now = process(pid)
        if now is None or now.started_ticks != started_ticks:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        ended.poll(wait_s * 1000)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True
