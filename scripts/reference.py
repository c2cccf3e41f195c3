"""Pages of docs/ that are made from the code: errors, the agent's configuration, virsh's commands, what is tested."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from poolfleet.cli.virsh.rows import Command, Option
from poolfleet.cli.virsh.table import TABLE
from poolfleet.cli.virsh.translation import translated
from poolfleet_agent.config.settings import ENVIRONMENT_PREFIX, Settings
from scripts import markdown
from scripts.error_reference import errors_page
from tests.cells import CELLS, VERBS, Place, Row

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "<!-- Made by scripts/docs; changes by hand are lost. -->"
END = "<!-- End of what scripts/docs made. -->"


def main() -> int:
    """Write the pages, or with --check compare them; 1 where one differs."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is not as made")
    check = parser.parse_args().check
    virsh = DOCS / "virsh.md"
    pages = {
        DOCS / "errors.md": _page("Errors", *errors_page()),
        DOCS / "configuration.md": configuration_page(),
        DOCS / "tested.md": tested_page(),
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
    yield from markdown.table(
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
            *markdown.table(("virsh", "poolfleet", "Note"), (_virsh_row(command) for command in TABLE.values())),
            "### Options",
            *markdown.table(
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


def tested_page() -> str:
    """Which part of each pool type's life is gone through, and where."""
    return _page(
        "What is tested of each pool type",
        "Each cell has a test, which goes through the agent and asks the host itself (virsh, its kernel, its tools)"
        " what came of it. *here*: on a real libvirtd of the machine that runs tests. *lab*: in the virtual machines"
        " of the [lab](lab.md). *define*: definitions are compared, as libvirt's test driver has them, and all else is"
        " refused with what to install, as neither Debian's libvirt nor a server of one machine can be had for it.",
        "*Volume* is to create, list, get and delete one; *given*: they are what the source has, which are listed and"
        " got, and to create or delete one is refused. *refused* stands where libvirt has no such thing for a type."
        " What is refused is so as NOT_SUPPORTED_HERE, and tested in that place.",
        *markdown.table(
            ("Type", *(verb.capitalize() for verb in VERBS), "On"),
            (_cells_row(pool_type, row) for pool_type, row in CELLS.items()),
        ),
    )


def _cells_row(pool_type: str, row: Row) -> tuple[str, ...]:
    return (f"[{pool_type}](pools/{pool_type}.md)", *(_cell(row, verb) for verb in VERBS), row.on)


def _cell(row: Row, verb: str) -> str:
    if row.places == (Place.DEFINE,):
        return "define" if verb == "define" else "refused"
    where = ", ".join(row.places)
    if verb not in row.refused:
        return where
    return f"{'given' if verb == 'volume' else 'refused'} ({where})"


def _with_part(text: str, part: str) -> str:
    before, _, rest = text.partition(MADE)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"docs/virsh.md lacks {MADE} or {END}")
    return f"{before}{MADE}\n\n{part}\n\n{END}{after}"


def _page(title: str, *parts: str) -> str:
    return "\n\n".join((MADE, f"# {title}", *parts)) + "\n"


if __name__ == "__main__":
    sys.exit(main())
