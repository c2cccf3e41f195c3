"""What can be amiss with hosts, each judged by itself and beside the others."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output.answers import Answer, Column, Kind, Table

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.fleet.result import FleetResult
    from poolfleet.types.agent import Agent

# Certificates, leases and ages are judged by clocks: more than this is worth a look.
CLOCK_LIMIT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How a host answered."""

    agent: Agent
    answer_s: float
    clock_s: float | None
    """How much its clock is ahead of this machine's, give or take half of `answer_s`; None: it did not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is known of a host, and what is amiss there."""

    host: str
    seen: Reached | None
    problems: tuple[str, ...]


async def reached(client: AgentClient) -> Reached:
    """Ask a host twice: the first answer pays for the connection, the second is measured."""
    await client.get()
    before, started = datetime.now(UTC), time.monotonic()
    agent = await client.get()
    answer_s = time.monotonic() - started
    clock_s = None if agent.time is None else (agent.time - before).total_seconds() - answer_s / 2
    return Reached(agent=agent, answer_s=answer_s, clock_s=clock_s)


def findings(result: FleetResult[Reached]) -> list[Finding]:
    """Judge each host."""
    seen = dict(result.answers())
    agents = Counter(each.agent.versions.agent for each in seen.values())
    usual = agents.most_common(1)[0][0] if agents else ""
    twins = {name: [other for other in group if other != name] for group in _twins(seen) for name in group}
    found = []
    for host, outcome in result.items():
        if outcome.value is None:
            problems = [outcome.error.message.rstrip(".")] if outcome.error else ["not asked"]
        else:
            problems = _problems(outcome.value, usual)
            if host in twins:
                problems.append(
                    f"the same agent as {', '.join(twins[host])}: one host entered twice, or a cloned image"
                )
        found.append(Finding(host=host, seen=outcome.value, problems=tuple(problems)))
    return found


def _problems(seen: Reached, usual_version: str) -> list[str]:
    agent, problems = seen.agent, []
    if not agent.libvirt_connected:
        problems.append("libvirt does not answer")
    if not agent.registry_loaded:
        problems.append("its pools were never read")
    if seen.clock_s is not None and abs(seen.clock_s) - seen.answer_s / 2 > CLOCK_LIMIT_S:
        problems.append(f"its clock is {abs(seen.clock_s):.1f} s {'ahead' if seen.clock_s > 0 else 'behind'}")
    if agent.versions.agent != usual_version:
        problems.append(f"its agent is {agent.versions.agent or 'of unknown version'}, most are {usual_version}")
    if agent.maintenance.enabled:
        problems.append(f"under maintenance: {agent.maintenance.reason or 'no reason given'}")
    return problems


def _twins(seen: Mapping[str, Reached]) -> list[list[str]]:
    by_agent: dict[str, list[str]] = {}
    for host, each in seen.items():
        by_agent.setdefault(each.agent.agent_id or host, []).append(host)
    return [hosts for hosts in by_agent.values() if len(hosts) > 1]


_COLUMNS: tuple[Column[Finding], ...] = (
    Column("HOST", lambda row: row.host),
    Column("REACHED", lambda row: f"{row.seen.answer_s * 1000:.1f}ms" if row.seen else "no"),
    Column("AGENT", lambda row: row.seen.agent.versions.agent if row.seen else None),
    Column("LIBVIRT", lambda row: row.seen.agent.versions.libvirt if row.seen else None),
    Column("CLOCK", lambda row: f"{row.seen.clock_s:+.1f}s" if row.seen and row.seen.clock_s is not None else None),
    Column("PROBLEMS", lambda row: "; ".join(row.problems) or "none", Kind.MESSAGE),
    Column("AGENT-ID", lambda row: row.seen.agent.agent_id if row.seen else None, wide=True),
)


def answer(result: FleetResult[Reached]) -> Answer:
    """Show the findings."""
    found = findings(result)
    hosts = [
        {
            "name": each.host,
            "reached": each.seen is not None,
            "answer_s": each.seen and each.seen.answer_s,
            "clock_s": each.seen and each.seen.clock_s,
            "agent": each.seen and each.seen.agent,
            "problems": each.problems,
        }
        for each in found
    ]
    code = ExitCode.FAILED if any(each.problems for each in found) else ExitCode.OK
    if not any(each.seen for each in found) and not result.failed:
        code = ExitCode.UNREACHABLE
    document = {"complete": all(each.seen for each in found), "hosts": hosts}
    return Answer(tables=[Table(_COLUMNS, found, name=lambda row: row.host)], document=document, code=code)
