"""Holds what was told against what the agent has recorded, and both against what is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from poolfleet import Operation
from poolfleet.types.operation import OperationKind
from scripts.soaking.possible import History, Step
from scripts.soaking.told import Told
from scripts.soaking.walk import OWN_PREFIX, AgentFigures, PoolFound, StateFound

# What an agent may have more of after much work than after little: its bounded pools of threads have filled up.
MORE_THREADS = 24
MORE_DESCRIPTORS = 24
MORE_BYTES = 32 << 20
BYTES_FOR_EACH_OPERATION = 8192

Name = tuple[str, str]
"""A pool and a volume; the volume is empty for the pool itself."""


@dataclass
class Findings:
    """What is wrong, each as a sentence with names in it; all empty where all is well."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)


def reckon_records(told: Told, recorded: Sequence[Operation], findings: Findings) -> None:
    """Each operation that a caller was told of is recorded as it was told, and no request has two."""
    by_id = {operation.id: operation for operation in recorded}
    by_request: defaultdict[str, set[str]] = defaultdict(set)
    for operation in recorded:
        for request_id in operation.request_ids:
            by_request[request_id].add(operation.id)
        if not operation.ended:
            findings.leaked.append(f"operation {operation.id} ({operation.kind}) never ends")
    for asked in told.asked.values():
        ids = {operation.id for operation in asked.told} | by_request[asked.request_id]
        if len(ids) > 1:
            findings.doubled.append(f"request {asked.request_id} ({asked.change.kind}) has {len(ids)} operations")
        for operation in asked.told:
            known = by_id.get(operation.id)
            if known is None:
                findings.lost.append(f"operation {operation.id} ({operation.kind}) is not recorded any more")
            elif operation.ended and known.state is not operation.state:
                findings.lost.append(f"operation {operation.id} was told {operation.state}, and is {known.state}")


def reckon_state(told: Told, recorded: Sequence[Operation], state: StateFound, findings: Findings) -> None:
    """What the agent tells is what lies on its disk."""
    for operation in recorded:
        if operation.id not in state.operations:
            findings.lost.append(f"operation {operation.id} ({operation.kind}) is not on disk")
    findings.leaked += [
        f"operation {found} on disk never ends" for found, ended in state.operations.items() if not ended
    ]
    remembered = dict(state.requests)
    for asked in told.asked.values():
        if asked.told and remembered.get(asked.request_id) != asked.told[0].id:
            findings.lost.append(f"request id {asked.request_id} ({asked.change.kind}) is not on disk")
    findings.leaked += [f"{name} in the state directory" for name in state.files if not name.startswith("state.db")]


def histories(told: Told, recorded: Sequence[Operation]) -> dict[Name, History]:
    """What may be there, by every operation that the agent has recorded."""
    steps: defaultdict[Name, list[Step]] = defaultdict(list)
    for operation in sorted(recorded, key=lambda operation: operation.created_at or 0):
        changes = [told.asked[known].change for known in operation.request_ids if known in told.asked]
        steps[operation.pool, operation.volume].append(Step(operation, changes[0] if changes else None))
    return {name: _followed(name, taken) for name, taken in steps.items()}


def _followed(name: Name, steps: Iterable[Step]) -> History:
    history = History("/".join(filter(None, name)))
    history.follow(steps)
    return history


def wanted_active(recorded: Sequence[Operation]) -> set[str]:
    """Pools that were told to be started, and of which nothing that came after may have changed that."""
    ends = {OperationKind.STOP_POOL, OperationKind.UNDEFINE_POOL, OperationKind.ERASE_POOL}
    wanted: dict[str, bool] = {}
    for operation in sorted(recorded, key=lambda operation: operation.created_at or 0):
        if operation.kind is OperationKind.START_POOL and Step(operation, None).done:
            wanted[operation.pool] = True
        elif operation.kind in ends:
            wanted[operation.pool] = False
    return {pool for pool, active in wanted.items() if active}


def reckon_volumes(
    pool: str,
    known: dict[Name, History],
    *,
    files: dict[str, int],
    by_virsh: dict[str, int],
    by_agent: dict[str, int | None],
    findings: Findings,
) -> None:
    """The pool's folder, virsh, the agent and what was told agree on each volume."""
    findings.leaked += [f"{pool}: {name} stays" for name in files if name.startswith(OWN_PREFIX)]
    visible = {name for name in files if not name.startswith(".")}
    for what, names in (("virsh", set(by_virsh)), ("the agent", set(by_agent))):
        findings.lost += [f"{pool}/{name} is in the folder, but {what} does not tell it" for name in visible - names]
        findings.leaked += [f"{pool}/{name} is told by {what}, but not in the folder" for name in names - visible]
    for name in visible & by_virsh.keys() & by_agent.keys():
        if by_virsh[name] != by_agent[name]:
            findings.lost.append(f"{pool}/{name}: virsh tells {by_virsh[name]} bytes, the agent {by_agent[name]}")
        if name.endswith(".raw") and files[name] != by_virsh[name]:
            findings.lost.append(f"{pool}/{name}: {files[name]} bytes in the folder, virsh tells {by_virsh[name]}")
    told_of = {volume for one, volume in known if one == pool and volume}
    findings.leaked += [f"{pool}/{name} was made by nobody" for name in visible - told_of]
    for volume in told_of:
        known[pool, volume].found(by_virsh.get(volume))


def reckon_pools(
    known: dict[Name, History], by_virsh: dict[str, PoolFound], active: set[str], findings: Findings
) -> None:
    """virsh has each pool that was told, and no other; what was started is active."""
    told_of = {pool for pool, volume in known if not volume}
    findings.leaked += [f"pool {name} was defined by nobody" for name in by_virsh.keys() - told_of]
    for pool in told_of:
        found = by_virsh.get(pool)
        known[pool, ""].found(None if found is None else int(found.autostart))
        if pool in active and not (found and found.active):
            findings.lost.append(f"pool {pool} was started, and is not active")


def reckon_figures(begin: AgentFigures, end: AgentFigures, operations: int, findings: Findings) -> None:
    """After much work the agent has no more of anything than its own limits grant."""
    limits = {
        "threads": begin.threads + MORE_THREADS,
        "descriptors": begin.descriptors + MORE_DESCRIPTORS,
        "children": begin.children,
        "pss_bytes": begin.pss_bytes + MORE_BYTES + operations * BYTES_FOR_EACH_OPERATION,
    }
    for name, most in limits.items():
        if (now := getattr(end, name)) > most:
            findings.leaked.append(f"the agent has {now} {name}, {getattr(begin, name)} at the beginning")


def gather(known: Iterable[History], findings: Findings) -> None:
    """Add what the histories have found."""
    for history in known:
        findings.lost += history.lost
        findings.doubled += history.doubled
