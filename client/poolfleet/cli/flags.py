"""The flags that are the same everywhere: one table makes them on each verb, each group and `poolfleet` itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from poolfleet.cli import parsing


class Output(StrEnum):
    """How answers are written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    NAME = "name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The values, as far as they were given; None, empty and False: not given."""

    fleet: Path | None = None
    host: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    all_hosts: bool = False
    parallel: int | None = None
    timeout: str | None = None
    output: Output | None = None
    by_host: bool = False
    bytes: bool = False
    no_headers: bool = False
    sort: str | None = None
    require_complete: bool = False
    watch: bool = False
    quiet: bool = False
    verbose: bool = False
    yes: bool = False
    dry_run: bool = False
    no_wait: bool = False
    batch: str | None = None
    max_failures: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be read; raises typer.BadParameter."""
        for word in self.label:
            parsing.label(word)
        if self.timeout is not None and not parsing.duration_s(self.timeout):
            raise typer.BadParameter("--timeout 0 leaves no time for an answer")
        for name, number in (("parallel", self.parallel), ("max-failures", self.max_failures)):
            if number is not None and number < 1:
                raise typer.BadParameter(f"--{name} is at least 1, not {number}")
        if self.batch is not None:
            parsing.batch(self.batch)

    @property
    def timeout_s(self) -> float | None:
        """The limit of each wait, in seconds; None: not given."""
        return None if self.timeout is None else parsing.duration_s(self.timeout)

    @property
    def labels(self) -> dict[str, str]:
        """The labels that hosts are chosen by."""
        return dict(parsing.label(word) for word in self.label)

    @property
    def for_programs(self) -> bool:
        """Whether the answer is one document (JSON, YAML) that holds everything, failures too."""
        return self.output in (Output.JSON, Output.YAML)

    def merged(self, given: Mapping[str, Any]) -> Flags:
        """Add what was given nearer to the verb: it wins; hosts and labels add up."""
        changes: dict[str, Any] = {}
        for name, value in given.items():
            if isinstance(value, (list, tuple)):
                changes[name] = (*getattr(self, name), *value)
            elif value is not None and value is not False:
                changes[name] = value
        return replace(self, **changes)


HOSTS, ANSWERS, CHANGES = "Which hosts", "Answers", "Changes"


@dataclass(frozen=True, slots=True)
class _Flag:
    panel: str
    names: tuple[str, ...]
    kind: Any
    help: str
    metavar: str | None = None
    default: Any = None
    envvar: str | None = None
    complete: Callable[[typer.Context, str], list[str]] | None = None

    @property
    def field(self) -> str:
        return self.names[0].lstrip("-").replace("-", "_")

    def parameter(self, panels: frozenset[str]) -> inspect.Parameter:
        option = typer.Option(
            *self.names,
            help=self.help,
            metavar=self.metavar,
            envvar=self.envvar,
            autocompletion=self.complete,
            show_default=False,
            show_envvar=bool(self.envvar),
            rich_help_panel=self.panel,
            hidden=self.panel not in panels,
        )
        kind: Any = Annotated[self.kind, option]
        return inspect.Parameter(self.field, inspect.Parameter.KEYWORD_ONLY, default=self.default, annotation=kind)


def _host_names(ctx: typer.Context, incomplete: str) -> list[str]:
    from poolfleet.cli import completion

    return completion.hosts(ctx, incomplete)


def _switch(panel: str, *names: str, text: str) -> _Flag:
    return _Flag(panel, names, bool, text, default=False)


TABLE = (
    _Flag(
        HOSTS, ("--fleet",), Path | None, "The hosts; without it this host alone.", "FILE", envvar="POOLFLEET_FLEET"
    ),
    _Flag(
        HOSTS, ("--host", "-H"), list[str], "Hosts whose name fits; `!GLOB` leaves out. Repeatable.", "GLOB", (),
        complete=_host_names,
    ),
    _Flag(HOSTS, ("--label", "-l"), list[str], "Hosts with this label. Repeatable: all must fit.", "KEY=VALUE", ()),
    _switch(HOSTS, "--all-hosts", "-A", text="All hosts of the fleet."),
    _Flag(HOSTS, ("--parallel",), int | None, "Hosts asked at the same time.", "N"),
    _Flag(HOSTS, ("--timeout",), str | None, "How long to wait, such as 90s or 2m.", "TIME"),
    _Flag(ANSWERS, ("--output", "-o"), Output | None, "table, wide, json, yaml, csv or name.", "FORMAT"),
    _switch(ANSWERS, "--by-host", text="A line for each host."),
    _switch(ANSWERS, "--bytes", text="Sizes in bytes."),
    _switch(ANSWERS, "--no-headers", text="Leave out the line of titles."),
    _Flag(ANSWERS, ("--sort",), str | None, "Order by this column; `-COLUMN`: largest first.", "COLUMN"),
    _switch(ANSWERS, "--require-complete", text="Exit 1 where a host is missing from the answer."),
    _switch(ANSWERS, "--watch", "-w", text="Show it again whenever it changes."),
    _switch(ANSWERS, "--quiet", "-q", text="Say nothing but what was asked for."),
    _switch(ANSWERS, "--verbose", "-v", text="Say more; show where a fault of poolfleet's own comes from."),
    _switch(CHANGES, "--yes", "-y", text="Do not ask."),
    _switch(CHANGES, "--dry-run", text="Check on each host, change nothing."),
    _switch(CHANGES, "--no-wait", text="Print the operations' ids and do not wait for their end."),
    _Flag(CHANGES, ("--batch",), str | None, "So many hosts at a time, the first one alone.", "N|N%"),
    _Flag(CHANGES, ("--max-failures",), int | None, "Stop once so many hosts have failed; with --batch 1.", "N"),
)  # fmt: skip
NAMES = frozenset(flag.field for flag in TABLE)
# For who reads a line of words before typer does: which words take a value.
TAKES_VALUE = {name: flag.kind is not bool for flag in TABLE for name in flag.names}


def parameters(*panels: str) -> list[inspect.Parameter]:
    """All of them as parameters of a typer function; `--help` shows those of these panels only."""
    return [flag.parameter(frozenset(panels)) for flag in TABLE]
