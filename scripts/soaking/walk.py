"""An independent look at a host: its folders, what virsh says, its processes, and the agent's state on disk."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.memory import family, pss_bytes
from scripts.embedded.host import EmbeddedHost

VIRSH_LIMIT_S = 60.0
OWN_PREFIX = ".poolfleet-"
"""What the names of the agents' own files begin with."""

_CAPACITY = re.compile(r"<capacity unit='bytes'>(\d+)</capacity>")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """What an agent takes of the machine."""

    pid: int
    threads: int
    descriptors: int
    children: int
    pss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolFound:
    """A pool as virsh tells it."""

    active: bool
    autostart: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFound:
    """What the state directory holds: operations with whether they have ended, and operations by request id."""

    operations: dict[str, bool]
    requests: list[tuple[str, str]]
    files: list[str]


def agent_figures(host: EmbeddedHost) -> AgentFigures:
    """Of the agent that runs; raises NotReadyError where none does."""
    pid = host.agent.pid or 0
    memory_bytes = pss_bytes(host.agent.pid)
    return AgentFigures(
        pid=pid,
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        children=len(family(pid)) - 1,
        pss_bytes=memory_bytes,
    )


def files_in(host: EmbeddedHost, folder: Path) -> dict[str, int]:
    """Each file with its length in bytes, as the host sees the folder, for whom a share may be mounted there."""
    seen = Path(f"/proc/{host.libvirtd.pid}/root{folder}")
    return {path.name: path.lstat().st_size for path in seen.iterdir()}


def pools(host: EmbeddedHost) -> dict[str, PoolFound]:
    """All pools."""
    every, autostart, active = (
        set(_virsh(host, "pool-list", "--name", *flags).split()) for flags in (("--all",), ("--all", "--autostart"), ())
    )
    return {name: PoolFound(active=name in active, autostart=name in autostart) for name in every}


def volumes(host: EmbeddedHost, pool: str) -> dict[str, int]:
    """The volumes of an active pool, with their capacities in bytes."""
    listed = _virsh(host, "vol-list", pool).splitlines()[2:]
    names = [line.split()[0] for line in listed if line.strip()]
    return {name: _capacity_bytes(_virsh(host, "vol-dumpxml", name, pool)) for name in names}


def mounts_on(host: EmbeddedHost, target: Path) -> int:
    """How many mounts lie on a folder, one upon the other."""
    lines = Path(f"/proc/{host.libvirtd.pid}/mountinfo").read_text().splitlines()
    return sum(line.split()[4] == str(target) for line in lines)


def processes_of(host: EmbeddedHost, *, but: Sequence[int]) -> list[str]:
    """The command lines of all that run in the host's surroundings, but for some."""
    found = []
    for pid in host.libvirtd.surroundings.pids():
        if pid not in but:
            words = Path(f"/proc/{pid}/cmdline")
            found.append(f"{pid} {words.read_bytes().replace(bytes(1), b' ').decode()}" if words.exists() else "")
    return sorted(filter(None, found))


def state(host: EmbeddedHost) -> StateFound:
    """The state directory of an agent that has ended."""
    folder = host.agent.state_dir
    with closing(sqlite3.connect(f"file:{folder / 'state.db'}?mode=ro", uri=True)) as connection:
        ended = connection.execute("SELECT id, ended_at_s IS NOT NULL FROM operation").fetchall()
        requests = connection.execute("SELECT request_id, operation_id FROM request").fetchall()
    return StateFound(
        operations={operation_id: bool(has_ended) for operation_id, has_ended in ended},
        requests=requests,
        files=sorted(path.name for path in folder.iterdir()),
    )


def _capacity_bytes(document: str) -> int:
    found = _CAPACITY.search(document)
    return int(found[1]) if found else 0


def _virsh(host: EmbeddedHost, *words: str) -> str:
    argv = ["virsh", "--connect", host.libvirtd.uri, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=VIRSH_LIMIT_S).stdout
