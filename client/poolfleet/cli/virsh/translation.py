"""Translates what people type to virsh into words of poolfleet's."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import typer

from poolfleet.cli.flags import TAKES_VALUE
from poolfleet.cli.virsh.rows import Command, Values
from poolfleet.cli.virsh.table import TABLE


def translated(args: Sequence[str], *, announce: bool) -> list[str]:
    """Turn a virsh command into words of poolfleet's; others stay. Raises typer.BadParameter where virsh would."""
    if not args or args[0] not in TABLE:
        return list(args)
    command = TABLE[args[0]]
    if not command.verb:
        raise typer.BadParameter(f"{command.name} is not there yet")
    given, passed_on = _read(command, args[1:])
    if "--help" in passed_on or "-h" in passed_on:
        return [*command.verb.split(), "--help"]
    words = [*command.verb.split(), *_words(command, given), *passed_on]
    if announce:
        typer.echo(f"{command.name} is here: {shlex.join(['poolfleet', *words])}", err=True)
    return words


def _words(command: Command, given: Values) -> list[str]:
    for option in command.options:
        if option.required and not given.get(option.name):
            raise typer.BadParameter(f"{command.name} needs --{option.name}")
        if option.refused and option.name in given:
            raise typer.BadParameter(f"{command.name} --{option.name} has no counterpart: {option.refused}")
    words = command.words(given)
    for option in command.options:
        # A lone dash is how people skip what they do not give to virsh.
        if option.name in given and option.becomes and given[option.name] != "-":
            words += [*option.becomes, *([given[option.name]] if option.takes_value else [])]
    return words


def _read(command: Command, args: Sequence[str]) -> tuple[Values, list[str]]:
    """Sort words into the command's options and what poolfleet's own flags take."""
    options = {option.name: option for option in command.options}
    given: Values = {}
    unnamed: list[str] = []
    passed_on: list[str] = []
    rest = iter(args)
    for word in rest:
        name, equals, value = word.removeprefix("--").partition("=")
        if word == "--":
            unnamed += rest
        elif word.startswith("--") and name in options:
            option = options[name]
            given[name] = (value if equals else _value(rest, word)) if option.takes_value else ""
        elif word.startswith("-") and word != "-" and not word[1].isdigit():
            passed_on.append(word)
            if TAKES_VALUE.get(word):
                passed_on.append(_value(rest, word))
        else:
            unnamed.append(word)
    free = [option.name for option in command.options if option.takes_value and option.name not in given]
    if len(unnamed) > len(free):
        raise typer.BadParameter(f"{command.name}: unexpected word {unnamed[len(free)]!r}")
    given |= dict(zip(free, unnamed, strict=False))
    return given, passed_on


def _value(rest: Iterator[str], word: str) -> str:
    value = next(rest, None)
    if value is None:
        raise typer.BadParameter(f"{word} needs a value")
    return value
