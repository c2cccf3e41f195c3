"""What the cases need of the place where they are measured: a server, and two hosts of which one has no agent.

Each has one share that both hosts can mount. The agent's host is asked by poolfleet alone, the plain one by virsh.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from poolfleet import PoolSpec
from poolfleet.aio import AgentClient
from scripts.benchmarks.storm import Load
from scripts.embedded.process import NotReadyError


class Fault(StrEnum):
    """How a server fails who would mount; the name of the case."""

    REFUSED = "refused"
    SILENT = "silent"
    MISSING_EXPORT = "missing_export"
    UNRESOLVABLE = "unresolvable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a netfs pool is made of."""

    host: str
    path: str
    options: tuple[str, ...] = ()


class Place(Protocol):
    """Where it is measured."""

    name: str
    shows_virsh_failing: bool
    """Whether a start by plain libvirt fails here as it does on real NFS."""
    pools_dir: str
    """Where pools may lie on the agent's host."""
    plain_pools_dir: str
    """Where pools may lie on the plain host."""
    load: Load
    """What the agent bears."""
    virsh_load: Load
    """What libvirt bears by virsh, each call of which is a process."""

    def agent(self) -> AgentClient:
        """A client of the agent, for the caller to close."""

    def source(self, fault: Fault | None = None) -> Source:
        """The share; or what has to be started to meet this fault."""

    async def virsh(self, *words: str) -> int:
        """Run virsh on the plain host; its exit status. CutOffError where it does not end, and is killed."""

    def failing(self, fault: Fault) -> AbstractAsyncContextManager[None]:
        """Within the block the server fails so; afterwards nothing goes on of what virsh was cut off from."""

    async def silence(self) -> None:
        """Let the share answer nothing to hosts that have it mounted."""

    async def heal(self) -> None:
        """Let it answer again."""


def netfs_spec(place: Place, name: str, fault: Fault | None = None) -> PoolSpec:
    """The pool as the agent is told of it."""
    source = place.source(fault)
    target = f"{place.pools_dir}/{name}"
    return PoolSpec.netfs(name, host=source.host, path=source.path, target=target, options=source.options)


def netfs_words(place: Place, name: str, fault: Fault | None = None) -> Sequence[str]:
    """The pool as virsh is told of it."""
    source = place.source(fault)
    told = ["--source-host", source.host, "--source-path", source.path]
    return ["pool-define-as", name, "netfs", *told, "--target", f"{place.plain_pools_dir}/{name}"]


async def must(place: Place, *words: str) -> None:
    """Run virsh on the plain host; raises NotReadyError where it fails, CutOffError where it does not end."""
    if (status := await place.virsh(*words)) != 0:
        raise NotReadyError(f"virsh {' '.join(words)} ended with {status}")
