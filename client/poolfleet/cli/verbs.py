"""How a function becomes a verb: shared flags beside its own options, examples in its help, its end an exit code."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer
from typer.core import TyperCommand, TyperGroup

from poolfleet.cli import flags as shared
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.flags import ANSWERS, CHANGES, HOSTS, Flags
from poolfleet.cli.groups import GROUPS

if TYPE_CHECKING:
    from poolfleet.cli.session import Session

P = ParamSpec("P")
Verb = Callable[Concatenate["Session", P], Awaitable[ExitCode]]

# The order in which help lists verbs: from what is looked at to what is rarely done.
_ORDER = (
    *("completion", "version"),
    *(
        "list",
        "show",
        "find",
        "users",
        "disk-xml",
        "define",
        "create",
        "clone",
        "ensure",
        "set",
        "update",
        "edit",
        "undefine",
        "resize",
        "wipe",
        "delete",
    ),
    *("erase", "start", "stop", "restart", "build", "refresh", "autostart", "supervise", "probe", "discover", "events"),
    *("adopt", "wait", "watch", "cancel", "check", "disks", "cordon", "uncordon", "validate"),
    *("unmanaged", "duplicates", "query", "sync", "export"),
)


class Sections(TyperCommand):
    """A verb whose help has its flags in sections, and its examples line by line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options panel by panel."""
        _write_panels(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        _write_examples(self, formatter)


class Group(TyperGroup):
    """A group of verbs, in the order of help."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the verbs, in the order of help."""
        return sorted(super().list_commands(ctx), key=_ORDER.index)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs, then the options panel by panel."""
        self.format_commands(ctx, formatter)
        _write_panels(self, ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples."""
        _write_examples(self, formatter)


def panels(command: Any, ctx: Any) -> dict[str, list[tuple[str, str]]]:
    """What a verb takes, as help tells it: how it is written and what it means, panel by panel."""
    found: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            kind = "Options" if parameter.param_type_name == "option" else "Arguments"
            # Typer writes the Python type of an argument beside its name.
            shown = (record[0].partition(" <")[0] if kind == "Arguments" else record[0], record[1])
            found.setdefault(getattr(parameter, "rich_help_panel", None) or kind, []).append(shown)
    last = [HOSTS, ANSWERS, CHANGES]
    first = ["Arguments", "Options"]
    own = [panel for panel in found if panel not in first + last]
    return {panel: found[panel] for panel in (*first, *own, *last) if panel in found}


def _write_panels(command: Any, ctx: Any, formatter: Any) -> None:
    for panel, shown in panels(command, ctx).items():
        with formatter.section(panel):
            formatter.write_dl(shown)


def _write_examples(command: Any, formatter: Any) -> None:
    if command.epilog:
        with formatter.section("Examples"):
            for line in command.epilog.splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def group(name: str, *, no_args_is_help: bool = True) -> typer.Typer:
    """Make a group; the shared flags are accepted before its verb too."""
    app = typer.Typer(
        name=name,
        help=GROUPS[name].about,
        cls=Group,
        add_completion=False,
        no_args_is_help=no_args_is_help,
        rich_markup_mode=None,
    )
    group_callback(app, Group, panels=())
    return app


def group_callback(app: typer.Typer, kind: type[Group], *, panels: Sequence[str] = (HOSTS, ANSWERS, CHANGES)) -> None:
    """Have the shared flags accepted before the verbs of `app`; `--help` shows those of `panels`."""
    app.callback(cls=kind)(_with_flags(_remember, panels))


def _remember(ctx: typer.Context, flags: Flags) -> None:
    ctx.obj = flags


def reads(app: typer.Typer, name: str, *examples: str) -> Callable[[Verb[P]], Verb[P]]:
    """Make a verb that changes nothing."""
    return functools.partial(_add, app, name, (HOSTS, ANSWERS), examples, ())


def default_verb(app: typer.Typer, name: str, *examples: str) -> Callable[[Verb[[]]], Verb[[]]]:
    """Make a verb that changes nothing, and that the group's name alone stands for."""

    def add(verb: Verb[[]]) -> Verb[[]]:
        def unless_named(ctx: typer.Context, flags: Flags) -> None:
            ctx.obj = flags
            if ctx.invoked_subcommand is None:
                from poolfleet.cli.session import run

                _end(run(flags, verb))

        app.callback(cls=Group, invoke_without_command=True)(_with_flags(unless_named, (HOSTS, ANSWERS)))
        return reads(app, name, *examples)(verb)

    return add


def changes(
    app: typer.Typer, name: str, *examples: str, options: Sequence[inspect.Parameter] = ()
) -> Callable[[Verb[P]], Verb[P]]:
    """Make a verb that changes something on the hosts; it gets `options`, which several verbs share, as keywords."""
    return functools.partial(_add, app, name, (HOSTS, ANSWERS, CHANGES), examples, options)


def option(field: str, kind: Any, about: str, *, default: Any = None, **more: Any) -> inspect.Parameter:
    """Make one option `--field` for `changes(…, options=…)`."""
    more.setdefault("metavar", field.rpartition("_")[2].upper())
    info = typer.Option(f"--{field.replace('_', '-')}", help=about, show_default=False, **more)
    return inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def choice(*names: str, about: str, metavar: str | None = None, envvar: str | None = None) -> Any:
    """Make the `Annotated` part of an option of one verb."""
    own = None if "/" in names[0] else names[0].rpartition("-")[2].upper()
    return typer.Option(
        *names, help=about, metavar=metavar or own, show_default=False, envvar=envvar, show_envvar=False
    )


def _add(
    app: typer.Typer,
    name: str,
    panels: Sequence[str],
    examples: Sequence[str],
    options: Sequence[inspect.Parameter],
    verb: Verb[P],
) -> Verb[P]:
    def call(ctx: typer.Context, flags: Flags, **own: Any) -> None:
        from poolfleet.cli.session import run

        _end(run(flags, functools.partial(verb, **own)))

    hints = inspect.get_annotations(verb, eval_str=True)
    own = [p for p in inspect.signature(verb).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    mine = [p.replace(annotation=hints[p.name]) for p in own[1:]]
    command = _with_flags(call, panels, [*mine, *options])
    command.__doc__ = inspect.getdoc(verb)
    app.command(name, cls=Sections, epilog="\n".join(examples) or None)(command)
    return verb


def _end(code: ExitCode) -> None:
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def _with_flags(
    call: Callable[..., None], panels: Sequence[str], own: Sequence[inspect.Parameter] = ()
) -> Callable[..., None]:
    def command(ctx: typer.Context, **values: Any) -> None:
        flags = {field: values.pop(field) for field in shared.NAMES}
        if ctx.parent is None or not isinstance(ctx.parent.obj, Flags):
            call(ctx, Flags().merged(flags), **values)
            return
        # The program itself has read the environment: read once more here, it would win over a flag before the verb.
        nearer = {field: value for field, value in flags.items() if not _of_environment(ctx, field)}
        call(ctx, ctx.parent.obj.merged(nearer), **values)

    context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    parameters = [context, *keywords, *shared.parameters(*panels)]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _of_environment(ctx: typer.Context, field: str) -> bool:
    source = ctx.get_parameter_source(field)
    return source is not None and source.name == "ENVIRONMENT"
