"""The program `poolfleet`: its groups, and the virsh commands that it answers to."""

from __future__ import annotations

import sys
from typing import Any

import typer

from poolfleet.cli import completion
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.groups import GROUPS, canonical
from poolfleet.cli.verbs import Group, Sections, group_callback


class Root(Group):
    """The program itself: it loads groups when they are used, and translates virsh's commands."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the groups, and what stands beside them."""
        return [*GROUPS, *self._beside(ctx)]

    def _beside(self, ctx: Any) -> list[str]:
        return [name for name in super().list_commands(ctx) if name not in GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a group by any of its names."""
        name = canonical(cmd_name)
        if name in GROUPS and name not in self.commands:
            self.commands[name] = typer.main.get_command(GROUPS[name].load())
        return super().get_command(ctx, name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that the words mean."""
        from poolfleet.cli.virsh import translation

        return super().resolve_command(ctx, translation.translated(args, announce=not ctx.resilient_parsing))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the groups, without loading them, and what stands beside them."""
        beside = [(name, self.commands[name].get_short_help_str(60)) for name in self._beside(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, group.about) for name, group in GROUPS.items()] + beside)


app = typer.Typer(
    name="poolfleet",
    help="libvirt's storage pools and volumes, on this host or on many. virsh's storage commands are understood too.",
    cls=Root,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)
group_callback(app, Root)
app.command("completion", cls=Sections, epilog="source <(poolfleet completion bash)")(completion.completion)


@app.command("version", cls=Sections)
def version() -> None:
    """Print the version of this program. Those of the agents: `poolfleet host check`."""
    from importlib.metadata import version as installed

    typer.echo(f"poolfleet {installed('poolfleet')}")


def main() -> None:
    """Run the program with the process's own words; ends the process with the code of exit_codes."""
    completion.prepare()
    try:
        app(prog_name="poolfleet")
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
