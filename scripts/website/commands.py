"""The reference of the command line, from the verbs themselves: a page for each group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from poolfleet.cli.flags import ANSWERS, CHANGES, HOSTS
from poolfleet.cli.groups import GROUPS
from poolfleet.cli.main import app
from poolfleet.cli.verbs import panels
from scripts import markdown

FOLDER = "reference/commands"
_SHARED = (HOSTS, ANSWERS, CHANGES)


def pages() -> dict[str, str]:
    """The pages, by their paths in the site."""
    program = typer.main.get_command(app)
    with program.make_context("poolfleet", [], resilient_parsing=True) as context:
        made = {f"{FOLDER}/index.md": "\n\n".join(_overview(program, context)) + "\n"}
        for name in GROUPS:
            made[f"{FOLDER}/{name}.md"] = "\n\n".join(_group(program, context, name)) + "\n"
    return made


def _overview(program: Any, context: Any) -> Iterator[str]:
    yield "# Commands"
    yield (
        "`poolfleet GROUP VERB`. What follows is what `--help` says, of each group and verb. How they are used together"
        " stands in [Command line](../../command-line.md); virsh's own commands, which work too, in"
        " [Coming from virsh](../../virsh.md)."
    )
    yield from markdown.table(
        ("Group", "What it does", "Also understood"),
        (
            (f"[`{name}`]({name}.md)", markdown.text(group.about), ", ".join(f"`{other}`" for other in group.also))
            for name, group in GROUPS.items()
        ),
    )
    yield "## Flags that are the same everywhere"
    yield "They may stand before the group, before the verb or after it. *Changes* are for verbs that change something."
    shared = panels(program, context)
    yield from _panels({panel: shared[panel] for panel in _SHARED}, "###")
    for name in program.list_commands(context):
        if name not in GROUPS:
            yield from _verb(program.get_command(context, name), context, name)


def _group(program: Any, context: Any, name: str) -> Iterator[str]:
    group = program.get_command(context, name)
    yield f"# {name}"
    yield f"{markdown.text(GROUPS[name].about)} Flags that are the same everywhere: [Commands](index.md)."
    with group.make_context(name, [], parent=context, resilient_parsing=True) as inner:
        for verb in group.list_commands(inner):
            command = group.get_command(inner, verb)
            if not command.hidden:
                yield from _verb(command, inner, verb)


def _verb(command: Any, parent: Any, name: str) -> Iterator[str]:
    with command.make_context(name, [], parent=parent, resilient_parsing=True) as context:
        yield f"## {name}"
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{context.command_path} {usage}\n```"
        yield markdown.text(command.help or "")
        taken = panels(command, context)
        yield from _panels({panel: rows for panel, rows in taken.items() if panel not in _SHARED}, "")
        shared = [f"[{panel}](index.md#{panel.lower().replace(' ', '-')})" for panel in _SHARED if panel in taken]
        if shared:
            yield f"And the flags of {' and '.join(shared)}."
        if command.epilog:
            lines = command.epilog.splitlines()
            yield "```console\n" + "\n".join(line if line.startswith(" ") else f"$ {line}" for line in lines) + "\n```"


def _panels(taken: dict[str, list[tuple[str, str]]], level: str) -> Iterator[str]:
    for panel, rows in taken.items():
        if level:
            yield f"{level} {panel}"
        shown = ((f"`{written}`", markdown.one_line(about)) for written, about in rows if "--help" not in written)
        yield from markdown.table((panel, "Meaning"), shown)
