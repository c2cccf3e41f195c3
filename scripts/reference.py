"""Pages of docs/ that are made from the code: the errors, the agent's configuration, and virsh's commands."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from poolfleet.cli.exit_codes import of_error
from poolfleet.cli.virsh.rows import Command, Option
from poolfleet.cli.virsh.table import TABLE
from poolfleet.cli.virsh.translation import translated
from poolfleet.transport.retries import RETRIED
from poolfleet.types.errors import CLASSES
from poolfleet_agent.config.settings import ENVIRONMENT_PREFIX, Settings
from scripts.contract_tables import PROTOS, ErrorRow, RpcErrors, error_tables

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "<!-- Made by scripts/docs; changes by hand are lost. -->"
END = "<!-- End of what scripts/docs made. -->"

_REASON = re.compile(r"((?:  // .*\n)+)  ERROR_REASON_(\w+) = \d+;")


def main() -> int:
    """Write the pages, or with --check compare them; 1 where one differs."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is not as made")
    check = parser.parse_args().check
    virsh = DOCS / "virsh.md"
    pages = {
        DOCS / "errors.md": errors_page(),
        DOCS / "configuration.md": configuration_page(),
        virsh: _with_part(virsh.read_text(encoding="utf-8"), virsh_tables()),
    }
    old = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in old:
        if check:
            print(f"{path.relative_to(DOCS.parent)} is not as the code has it: run scripts/docs", file=sys.stderr)
        else:
            path.write_text(pages[path], encoding="utf-8")
            print(path.relative_to(DOCS.parent))
    return 1 if check and old else 0


def errors_page() -> str:
    """Every reason that an error can have, and which of them each RPC answers with."""
    tables = error_tables()
    used = {row.reason for rpc in tables.values() for row in rpc.rows}
    reasons = list(_reasons())
    return _page(
        "Errors",
        "Every error has a *reason*, one word that says exactly what was wrong, and a gRPC code, the coarse kind. The"
        " same reason may refuse a call, before any work has begun, or stand in the `error` of an operation that failed"
        " at its work; the library raises the same exception for both. [Library](library.md#errors) shows how to catch"
        " them, [command line](command-line.md#exit-codes) has the exit codes.",
        "## Reasons",
        "*Exit* is what `poolfleet` ends with where every host failed so. *Again* says that the library tries a change"
        " again by itself, within its timeout: the cause passes, and another try does no harm.",
        *_table(
            ("Reason", "gRPC code", "Python exception", "Exit", "Again", "Meaning"),
            (_reason_row(reason, code, text) for reason, code, text in reasons if reason in used),
        ),
        "Three more come from the library, and no agent sends them:",
        *_table(
            ("Reason", "Python exception", "Exit", "Meaning"),
            (
                ("`UNREACHABLE`", "`Unavailable`", "3", "There is no connection to the agent."),
                ("`DEADLINE`", "`DeadlineExceeded`", "1", "The agent gave no answer within `timeout_s`."),
                (
                    "`STILL_RUNNING`",
                    "`StillRunning`",
                    "6",
                    "The time is up and the operation goes on, on the agent: wait for it, watch it or cancel it.",
                ),
            ),
        ),
        "And two come from a fleet: `FLEET` is the reason of the `FleetError` that `raise_for_failures()` raises,"
        " `CALL` that of an exception of your own code within `fleet.map`.",
        "## Reasons that no agent sends yet",
        "They are part of the contract, and their place is kept for the pool and volume calls that come next.",
        *_table(
            ("Reason", "gRPC code", "Meaning"),
            ((f"`{reason}`", f"`{code}`", text) for reason, code, text in reasons if reason not in used),
        ),
        "## What each call may answer",
        *_rpc_sections(tables),
    )


def _reasons() -> Iterator[tuple[str, str, str]]:
    for comment, reason in _REASON.findall((PROTOS / "errors.proto").read_text(encoding="utf-8")):
        text = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        if found := re.fullmatch(r"\[(\w+)\] (.*)", text):
            yield reason, found[1], found[2]


def _reason_row(reason: str, code: str, text: str) -> tuple[str, ...]:
    kind = CLASSES[code]
    exit_code = of_error(kind("", reason=reason, code=code))
    return (
        f"`{reason}`",
        f"`{code}`",
        f"`{kind.__name__}`",
        str(int(exit_code)),
        "yes" if reason in RETRIED else "",
        text,
    )


def _rpc_sections(tables: dict[str, RpcErrors]) -> Iterator[str]:
    everywhere = _common(tables.values())
    yield "### Every call"
    yield from _error_table(everywhere)
    for service in dict.fromkeys(rpc.service for rpc in tables.values()):
        rpcs = [rpc for rpc in tables.values() if rpc.service == service]
        here = [row for row in _common(rpcs) if row not in everywhere]
        mutations = [rpc for rpc in rpcs if set(rpc.shared) - set(everywhere) - set(here)]
        if here or any(rpc.own for rpc in rpcs):
            yield f"### {service}"
        if here:
            yield f"Every call of {service}:"
            yield from _error_table(here)
        if mutations:
            yield f"Every change ({', '.join(rpc.name for rpc in mutations)}):"
            yield from _error_table(row for row in mutations[0].shared if row not in everywhere and row not in here)
        for rpc in rpcs:
            if rpc.own:
                yield f"#### {rpc.name}"
                yield from _error_table(rpc.own)


def _common(rpcs: Iterable[RpcErrors]) -> list[ErrorRow]:
    first, *others = rpcs
    return [row for row in first.shared if all(row in other.shared for other in others)]


def _error_table(rows: Iterable[ErrorRow]) -> Iterator[str]:
    yield from _table(
        ("When", "gRPC code", "Reason", "What to do"),
        ((row.condition, f"`{row.code}`", f"`{row.reason}`", row.advice) for row in rows),
    )


def configuration_page() -> str:
    """Every setting of the agent, from the settings' own docstrings."""
    return _page(
        "Configuration of the agent",
        "`poolfleet-agent serve --config FILE` reads a TOML file, `/etc/poolfleet/poolfleet-agent.toml` where none is"
        " named. Every setting has a default. [deploy/poolfleet-agent.toml](../deploy/poolfleet-agent.toml) is a file"
        " with all of them to start from. `poolfleet-agent check --config FILE` says what is wrong with a file, or"
        " prints the whole configuration as it holds.",
        f"The environment wins over the file. A variable is `{ENVIRONMENT_PREFIX}` and the setting's name in capitals,"
        f" with `__` for the dot: `{ENVIRONMENT_PREFIX}LISTEN__TCP`. Lists are written as JSON:"
        f' `{ENVIRONMENT_PREFIX}ALLOWED_PATHS=["/srv"]`.',
        "The agent reads its configuration once, when it starts; certificates it reads again when they change.",
        "## At the top of the file",
        *_settings_table(Settings),
        *(part for name, info in Settings.model_fields.items() for part in _section(name, info)),
    )


def _section(name: str, info: FieldInfo) -> Iterator[str]:
    section = _model_of(info)
    if section is None:
        return
    many = info.annotation is not section
    yield f"## `[[{name}]]`" if many else f"## `[{name}]`"
    about = " ".join((section.__doc__ or "").split())
    yield f"{about} As many of them as needed." if many else about
    yield from _settings_table(section)


def _settings_table(section: type[BaseModel]) -> Iterator[str]:
    fields = {name: info for name, info in section.model_fields.items() if _model_of(info) is None}
    yield from _table(
        ("Setting", "Default", "Meaning"),
        ((f"`{name}`", _default(info), " ".join((info.description or "").split())) for name, info in fields.items()),
    )


def _model_of(info: FieldInfo) -> type[BaseModel] | None:
    kinds = [info.annotation, *get_args(info.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "must be given"
    # Strings, numbers and lists of them are written in TOML as in JSON.
    return "left out" if info.default is None else f"`{json.dumps(info.default)}`"


def virsh_tables() -> str:
    """virsh's storage commands and their options, and what each is here."""
    return "\n\n".join(
        (
            "### Commands",
            *_table(("virsh", "poolfleet", "Note"), (_virsh_row(command) for command in TABLE.values())),
            "### Options",
            *_table(
                ("Option", "virsh", "poolfleet", "Note"),
                (
                    (f"`{command.name} --{option.name}`", *_virsh_row(command, option))
                    for command in TABLE.values()
                    for option in command.optional
                ),
            ),
        )
    )


def _virsh_row(command: Command, option: Option | None = None) -> tuple[str, str, str]:
    typed = f"`{shlex.join(['virsh', *command.line(option)])}`"
    if not command.verb:
        return (typed, "", "coming")
    if option and option.refused:
        return ("", "", f"none: {option.refused}")
    here = f"`{shlex.join(['poolfleet', *translated(command.line(option), announce=False)])}`"
    if command.needs_device:
        return (typed, here, "not compared")
    return (typed, here, "definitions compared" if option and option.needs_device else "")


def _with_part(text: str, part: str) -> str:
    before, _, rest = text.partition(MADE)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"docs/virsh.md lacks {MADE} or {END}")
    return f"{before}{MADE}\n\n{part}\n\n{END}{after}"


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((MADE, f"# {title}", *parts)) + "\n"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = [titles, ("---",) * len(titles), *rows]
    yield "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
