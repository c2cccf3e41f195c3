"""One run of a verb: the hosts it is about, what they answered, and what is said about those that did not."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from poolfleet.cli import exit_codes
from poolfleet.cli.advice import sentence
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.flags import Flags
from poolfleet.cli.output.answers import Answer, written
from poolfleet.cli.output.text import printable
from poolfleet.types.errors import PoolfleetError

if TYPE_CHECKING:
    from poolfleet.fleet.fleet import Fleet
    from poolfleet.fleet.hosts import Host
    from poolfleet.fleet.result import FleetResult
    from poolfleet.types.pool import Pool

T = TypeVar("T")
DEFAULT_SOCKET = "/run/poolfleet/agent.sock"
_WATCH_EVERY_S = 2.0


class UsageError(Exception):
    """The words of the command line cannot be meant; the message says what to write instead. Ends with code 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who answered a read, and who did not."""

    complete: bool
    hosts: list[dict[str, Any]]
    """One entry for each host, as documents have it: name, status, error."""
    code: ExitCode


class Session:
    """What a verb works with."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self._fleet: Fleet | None = None
        self._count = 0

    async def close(self) -> None:
        """End the connections."""
        if self._fleet is not None:
            await self._fleet.close()

    @property
    def fleet(self) -> Fleet:
        """All hosts: those of the fleet file, or this one."""
        if self._fleet is None:
            from poolfleet.fleet.fleet import Fleet

            hosts = self._hosts()
            self._count = len(hosts)
            parallel = self.flags.parallel
            self._fleet = Fleet(hosts) if parallel is None else Fleet(hosts, parallel=parallel)
        return self._fleet

    def _hosts(self) -> tuple[Host, ...]:
        from poolfleet.fleet.fleet_file import read_fleet_file
        from poolfleet.fleet.hosts import Host

        if self.flags.fleet is not None:
            return read_fleet_file(self.flags.fleet)
        socket = os.environ.get("POOLFLEET_SOCKET") or DEFAULT_SOCKET
        target = socket if socket.startswith("unix:") else f"unix:{socket}"
        try:
            return (Host(name=platform.node(), target=target),)
        except ValueError:
            return (Host(name="localhost", target=target),)

    def readers(self, host: str | None = None) -> Fleet:
        """The hosts that a read goes to: those chosen by flags or by `host` in a word, else all."""
        flags = self.flags
        globs = (*flags.host, host) if host else flags.host
        if not globs and not flags.label:
            return self.fleet
        chosen = self.fleet.select(hosts=globs, labels=flags.labels)
        if not chosen.hosts:
            raise UsageError("no host of the fleet fits --host and --label; `poolfleet host list` shows all")
        return chosen

    def changers(self, host: str | None = None) -> Fleet:
        """The hosts that a change goes to; they have to be named where there are several."""
        chosen = self.readers(host)
        if not self.are_named(host):
            raise self.which_hosts()
        return chosen

    def are_named(self, host: str | None = None) -> bool:
        """Whether flags, or `host` in a word, say which hosts are meant; a fleet of one needs no words."""
        return bool(self._count == 1 or host or self.flags.host or self.flags.label or self.flags.all_hosts)

    def which_hosts(self) -> UsageError:
        """What to say where they do not."""
        return UsageError(
            f"which of the {self._count} hosts? say --host NAME or GLOB, --label KEY=VALUE, or --all-hosts"
        )

    def agree(self, doing: str, hosts: int) -> None:
        """Say what will be done on several hosts, and ask; raises UsageError where nobody can answer."""
        flags = self.flags
        if hosts == 1 or flags.yes or flags.dry_run:
            return
        question = f"{doing[:1].upper()}{doing[1:]} on {hosts} hosts"
        if not sys.stdin.isatty():
            raise UsageError(f"{question}? Nobody can answer here: say --yes")
        typer.confirm(f"{question}?", abort=True, err=True)

    async def read(self, call: Callable[[Any], Awaitable[T]], *, host: str | None = None) -> FleetResult[T]:
        """Ask each chosen host."""
        return await self.readers(host).map(call, timeout_s=self.flags.timeout_s)

    async def show(self, look: Callable[[], Awaitable[Answer]]) -> ExitCode:
        """Write what `look` finds; with --watch again whenever it changes, until Ctrl-C."""
        before = None
        while True:
            answer = await look()
            text = self.written(answer)
            if text != before and text:
                if before is not None:
                    typer.echo("\033[H\033[2J" if sys.stdout.isatty() else "", nl=not sys.stdout.isatty())
                typer.echo(text)
            if not self.flags.watch:
                return answer.code
            before = text
            await asyncio.sleep(_WATCH_EVERY_S)

    def written(self, answer: Answer) -> str:
        """Write it as the flags and the terminal have it."""
        terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if terminal else None
        return written(answer, self.flags, width=width, colour=terminal and "NO_COLOR" not in os.environ)

    def storages(self, pools: Sequence[tuple[str, Pool]]) -> dict[tuple[str, str], str]:
        """The storage of each pool, by host and pool, one id for all hosts that share it; not those of unknown ones."""
        from poolfleet.inventory.identity import joined_ids

        known = [(host, pool) for host, pool in pools if pool.storage is not None]
        return joined_ids(known, {host.name: host.site for host in self.fleet.hosts})

    def account(self, result: FleetResult[Any]) -> Account:
        """Say on standard error which hosts did not answer, and sum up."""
        entries: list[dict[str, Any]] = []
        codes: list[ExitCode] = []
        for name, outcome in result.items():
            code = ExitCode.OK
            if outcome.error is not None:
                code = ExitCode.UNREACHABLE if outcome.status == "unreachable" else exit_codes.of_error(outcome.error)
            entries.append({"name": name, "status": str(outcome.status), "error": outcome.error})
            codes.append(code)
        answered = ExitCode.OK in codes
        missing_is_absent = answered and set(codes) <= {ExitCode.OK, ExitCode.NOT_FOUND}
        if not missing_is_absent:
            self.complain({name: each.error for name, each in result.items() if each.error is not None})
        complete = result.complete or missing_is_absent
        code = ExitCode.OK if answered else exit_codes.of_hosts(codes)
        if answered and not complete and self.flags.require_complete:
            code = ExitCode.FAILED
        return Account(complete=complete, hosts=entries, code=code)

    def complain(self, errors: Mapping[str, PoolfleetError]) -> None:
        """Write a sentence for each host's error."""
        several = self._count > 1
        for name, error in errors.items():
            say(f"{printable(name)}: {sentence(error)}" if several else sentence(error))

    def note(self, words: str) -> None:
        """Write a remark for people to standard error, unless --quiet."""
        if not self.flags.quiet:
            say(words)


def say(words: str) -> None:
    """Write a line to standard error."""
    typer.echo(words, err=True)


def run(flags: Flags, verb: Callable[[Session], Awaitable[ExitCode]]) -> ExitCode:
    """Run a verb to its end; every error becomes one sentence on standard error and an exit code."""
    from poolfleet.fleet.fleet_file import FleetFileError
    from poolfleet.fleet.hosts import NoSuchHost
    from poolfleet.inventory.store.port import StoreError

    try:
        return asyncio.run(_with_session(flags, verb))
    except PoolfleetError as error:
        say(sentence(error))
        return exit_codes.of_error(error)
    except (UsageError, FleetFileError, NoSuchHost) as error:
        say(printable_lines(str(error)))
        return ExitCode.USAGE
    except StoreError as error:
        say(printable_lines(str(error)))
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (typer.Abort, typer.Exit, typer.BadParameter, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001  # the last resort: a traceback helps nobody who only runs it
        say(f"poolfleet has a fault of its own: {type(error).__name__}: {printable_lines(str(error))}; -v shows where.")
        if flags.verbose:
            traceback.print_exc()
        return ExitCode.FAILED


async def _with_session(flags: Flags, verb: Callable[[Session], Awaitable[ExitCode]]) -> ExitCode:
    session = Session(flags)
    try:
        return await verb(session)
    finally:
        await session.close()


def printable_lines(words: str) -> str:
    """Escape each line by itself."""
    return "\n".join(printable(line) for line in words.splitlines())
