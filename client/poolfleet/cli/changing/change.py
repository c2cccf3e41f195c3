"""A change on one host or on many: asked for, followed to its end, and summed up in one line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer

from poolfleet.cli import exit_codes
from poolfleet.cli.changing.following import LONGEST_S, followed, shown_meanwhile
from poolfleet.cli.changing.progress import Progress
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output.answers import Answer
from poolfleet.cli.output.text import printable
from poolfleet.cli.parsing import batch
from poolfleet.cli.session import Session
from poolfleet.types.errors import PoolfleetError, StillRunning
from poolfleet.types.operation import Operation

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.fleet.fleet import Fleet
    from poolfleet.fleet.result import FleetResult, Outcome
    from poolfleet.types.pool import EnsureResult

Asked = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Switched:
    """What came of setting something that is no operation of the agent's."""

    changed: bool


if TYPE_CHECKING:
    Value = Operation | EnsureResult | Switched


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is asked of each host, and the words for it."""

    ask: Callable[[AgentClient, Asked], Awaitable[Value]]
    """Called with the keywords that every mutation takes: wait, validate_only."""
    doing: str
    """Such as `stop pool vm_data`."""
    done: str
    """Such as `stopped`."""
    already: str
    """For a host where nothing had to be done, such as `already inactive`."""
    several_steps: bool = False
    """True where what `ask` does cannot be left to the agent: `ask` waits for all steps but the one it answers with."""
    starts: str = ""
    """A pool that `ask` itself starts and waits for: it is shown how that goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Among:
    """The hosts that a change goes to, where that had to be asked first."""

    fleet: Fleet | None
    """None: no host is left that it could go to."""
    silent: tuple[Outcome[Any], ...] = ()
    """Of the hosts that did not tell. Nothing is sent to them: they may have what another one changes."""


@dataclass(slots=True)
class _Run:
    """What is known of a change while it runs."""

    cli: Session
    change: Change
    progress: Progress
    running: dict[str, tuple[AgentClient, str]] = field(default_factory=dict)

    async def on_host(self, client: AgentClient) -> Value:
        flags, host = self.cli.flags, _host(client)
        operation = await self._asked(client, host)
        if not isinstance(operation, Operation):
            return operation
        if not operation.ended and not flags.no_wait and not flags.dry_run:
            self.running[host] = (client, operation.id)
            try:
                operation = await followed(
                    client, operation, timeout_s=flags.timeout_s, seen=lambda now: self.progress.attempt(host, now)
                )
            finally:
                del self.running[host]
        if operation.error is not None:
            raise operation.error
        return operation

    async def _asked(self, client: AgentClient, host: str) -> Value:
        flags, change = self.cli.flags, self.change
        asked: Asked = {"validate_only": flags.dry_run}
        if not change.several_steps:
            return await change.ask(client, {**asked, "wait": False})
        asked["timeout_s"] = flags.timeout_s or LONGEST_S
        if not change.starts or flags.dry_run:
            return await change.ask(client, asked)
        async with shown_meanwhile(
            client, change.starts, seen=lambda operation: self.progress.attempt(host, operation)
        ):
            return await change.ask(client, asked)


def _host(client: AgentClient) -> str:
    return client.name or client.target


async def carry_out(cli: Session, change: Change, *, host: str | None = None, among: Among | None = None) -> ExitCode:
    """Do it on each chosen host (`among`: on these), say how it went, and answer with the code to end with."""
    result = await _done_on(cli, change, cli.changers(host) if among is None else among.fleet)
    if among is not None and among.silent:
        result = _with(result, among.silent, cli.fleet)
    return _summed_up(cli, change, result)


def _with(result: FleetResult[Value], silent: Iterable[Outcome[Any]], fleet: Fleet) -> FleetResult[Value]:
    """All outcomes, in the order of the fleet."""
    from poolfleet.fleet.result import FleetResult

    outcomes = {outcome.host: outcome for outcome in (*result.values(), *silent)}
    return FleetResult([outcomes[host.name] for host in fleet.hosts if host.name in outcomes], result.duplicates)


async def _done_on(cli: Session, change: Change, fleet: Fleet | None) -> FleetResult[Value]:
    from poolfleet.fleet.result import FleetResult

    if fleet is None:
        return FleetResult(())
    flags = cli.flags
    cli.agree(change.doing, len(fleet.hosts))
    with Progress(cli) as progress:
        going = _Run(cli, change, progress)
        work = asyncio.ensure_future(
            fleet.map(
                going.on_host,
                batch=None if flags.batch is None else batch(flags.batch),
                max_failures=flags.max_failures,
            )
        )
        return await _unless_interrupted(going, work)


async def _unless_interrupted(going: _Run, work: asyncio.Future[FleetResult[Value]]) -> FleetResult[Value]:
    """Wait for the work; Ctrl-C asks once whether the agents shall go on by themselves or stop."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        # asyncio.run turns the first Ctrl-C into this; a second one ends the program at once.
        going.progress.stop()
        for name, (_, operation) in going.running.items():
            typer.echo(f"{printable(name)} {operation}" if len(going.running) > 1 else operation)
        if going.running and going.progress.may_ask and _wants_to_cancel():
            await asyncio.gather(*(_cancel(going.cli, client, op) for client, op in going.running.values()))
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise


def _wants_to_cancel() -> bool:
    answer: str = typer.prompt(
        "Detach, so that it goes on, or cancel it? [d/c]", default="d", show_default=False, err=True
    )
    return answer.strip().lower().startswith("c")


async def _cancel(cli: Session, client: AgentClient, operation: str) -> None:
    try:
        await client.operations.cancel(operation)
    except PoolfleetError as error:
        cli.complain({_host(client): error})


def _was_changed(value: Value | None) -> bool:
    return bool(getattr(value, "changed", False) or getattr(value, "changes", ()))


def _summed_up(cli: Session, change: Change, result: FleetResult[Value]) -> ExitCode:
    flags = cli.flags
    entries, codes, counts = [], [], dict.fromkeys((change.done, change.already, "failed", "skipped"), 0)
    for name, outcome in result.items():
        code, word = ExitCode.OK, "skipped"
        value = outcome.value
        if outcome.error is not None:
            code = ExitCode.UNREACHABLE if outcome.status == "unreachable" else exit_codes.of_error(outcome.error)
            word = "failed"
        elif value is not None:
            word = change.done if _was_changed(value) else change.already
        else:
            code = ExitCode.FAILED
        for warning in getattr(value, "warnings", ()):
            cli.note(printable(f"{name}: {warning}" if len(result) > 1 else warning))
        counts[word] += 1
        codes.append(code)
        entries.append(
            {
                "name": name,
                "status": str(outcome.status),
                "result": value,
                "error": outcome.error,
                "duration_s": outcome.duration_s,
            }
        )
        if not flags.for_programs:
            _print_id(outcome.error, value, several=len(result) > 1, host=name, no_wait=flags.no_wait)
    cli.complain({name: each.error for name, each in result.items() if each.error is not None})
    if flags.for_programs:
        from poolfleet.cli.output.answers import written

        typer.echo(written(Answer(document={"hosts": entries}), flags, width=None))
    elif not flags.quiet and not flags.no_wait and (len(result) > 1 or not counts["failed"]):
        steps = [step for outcome in result.values() for step in getattr(outcome.value, "changes", ())]
        typer.echo(_line(change, counts, steps, several=len(result) > 1, dry_run=flags.dry_run))
    return exit_codes.of_hosts(codes)


def _print_id(error: PoolfleetError | None, value: Value | None, *, several: bool, host: str, no_wait: bool) -> None:
    still = error.operation_id if isinstance(error, StillRunning) else getattr(value, "id", None) if no_wait else None
    if still:
        typer.echo(f"{printable(host)} {still}" if several else still)


def _line(change: Change, counts: dict[str, int], steps: list[str], *, several: bool, dry_run: bool) -> str:
    would = f"would be {change.done}" if dry_run else change.done
    said = [(count, would if word == change.done else word) for word, count in counts.items() if count]
    if several:
        return ", ".join(f"{count} {word}" for count, word in said)
    what = change.doing.partition(" ")[2]
    return printable(f"{what} {', '.join(steps) or said[0][1]}")
