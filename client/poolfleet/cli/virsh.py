"""virsh's storage commands, each with the same options, as verbs of poolfleet.

One table: it translates what people type, and documentation and tests read it. What poolfleet cannot do yet has no row.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import typer

from poolfleet.cli.flags import TAKES_VALUE

Values = dict[str, str]
Words = Callable[[Values], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a virsh command, in virsh's order; those that take a value may be given without their names."""

    name: str
    becomes: tuple[str, ...]
    """What it is in the new form, before its value; empty: `Command.words` or nothing takes it up."""
    takes_value: bool = False
    required: bool = False
    refused: str = ""
    """Why it has no counterpart; empty: it has one."""


@dataclass(frozen=True, slots=True)
class Command:
    """A virsh command and what it is here."""

    name: str
    verb: str
    options: tuple[Option, ...]
    words: Words


def _one(name: str) -> Words:
    return lambda given: [given[name]]


def _needs(*names: str) -> tuple[Option, ...]:
    return tuple(Option(name=name, becomes=(), takes_value=True, required=True) for name in names)


def _may(*names: str, **renamed: str) -> tuple[Option, ...]:
    pairs = {name: f"--{name}" for name in names} | {name.replace("_", "-"): new for name, new in renamed.items()}
    return tuple(Option(name=name, becomes=(new,) if new else (), takes_value=True) for name, new in pairs.items())


def _switches(*names: str, **renamed: str) -> tuple[Option, ...]:
    pairs = {name: f"--{name}" for name in names} | {name.replace("_", "-"): new for name, new in renamed.items()}
    return tuple(Option(name=name, becomes=tuple(new.split())) for name, new in pairs.items())


def _refused(why: str, *names: str, takes_value: bool = False) -> tuple[Option, ...]:
    return tuple(Option(name=name, becomes=(), refused=why, takes_value=takes_value) for name in names)


_POOL = _needs("pool")
_VALIDATE = _refused("libvirt checks the document anyway", "validate")
_XPATH = (
    *_refused("pipe the XML to `xmllint --xpath`", "xpath", takes_value=True),
    *_refused("it goes with --xpath", "wrap"),
)
_BUILD = _refused("build needs a stored pool: `poolfleet pool ensure`", "build", "no-overwrite", "overwrite")
_PREALLOC = _refused("poolfleet does not preallocate metadata", "prealloc-metadata")
_REFLINK = _refused("what shares its source's bytes is `poolfleet volume clone --linked`", "reflink")
_AS = (
    *_needs("name", "type"),
    *_switches("print-xml"),
    *_may("source-host", "source-path", "source-dev", "source-name", "target", "source-format"),
    *_may("auth-type", "auth-username", "secret-usage", "secret-uuid"),
    *_may(
        "adapter-name", "adapter-wwnn", "adapter-wwpn", "adapter-parent", "adapter-parent-wwnn", "adapter-parent-wwpn"
    ),
    *_may("adapter-parent-fabric-wwn", source_protocol_ver="--protocol-version"),
    *_may("source-initiator"),
)


def _defined_as(given: Values) -> list[str]:
    return [given["name"], "--type", given["type"]]


def _from_file(given: Values) -> list[str]:
    return ["--file", given["file"]]


def _shown(given: Values) -> list[str]:
    return [] if "all" in given or "inactive" in given else ["--active"]


def _volume(given: Values) -> list[str]:
    volume, pool = given["vol"], given.get("pool")
    if volume.startswith("/"):
        return [volume]
    if not pool:
        raise typer.BadParameter(f"in which pool is {volume!r}? say --pool POOL, or the volume's path")
    return [f"{pool}/{volume}"]


def _resized(given: Values) -> list[str]:
    # virsh writes what is taken away with a minus or without.
    size = given["capacity"].removeprefix("-") if "delta" in given and "shrink" in given else given["capacity"]
    if "delta" not in given:
        return [*_volume(given), size]
    return [*_volume(given), "--by", f"-{size}" if "shrink" in given else size]


def _volume_or_key(field: str) -> Words:
    def words(given: Values) -> list[str]:
        return [*(_volume(given) if given.get("pool") else [given["vol"]]), "--field", field]

    return words


_IN_POOL = _may(pool="")
TABLE: dict[str, Command] = {
    command.name: command
    for command in (
        Command("pool-define", "pool define", (*_needs("file"), *_VALIDATE), _from_file),
        Command("pool-define-as", "pool define", _AS, _defined_as),
        Command("pool-create", "pool define --transient", (*_needs("file"), *_BUILD), _from_file),
        Command("pool-create-as", "pool define --transient", (*_AS, *_BUILD), _defined_as),
        Command("pool-start", "pool start", (*_POOL, *_switches("build", "no-overwrite", "overwrite")), _one("pool")),
        Command("pool-destroy", "pool stop", _POOL, _one("pool")),
        Command(
            "pool-list",
            "pool list",
            (
                *_switches("inactive", "transient", "persistent", "autostart", "no-autostart"),
                *_switches(all="", details="-o wide", uuid="--field uuid", name="-o name"),
                *_may("type"),
            ),
            _shown,
        ),
        Command("pool-info", "pool show", (*_POOL, *_switches("bytes")), _one("pool")),
        Command(
            "pool-dumpxml",
            "pool show",
            (*_POOL, *_switches("inactive"), *_XPATH),
            lambda given: [given["pool"], "--xml"],
        ),
        Command("pool-autostart", "pool autostart", (*_POOL, *_switches(disable="--off")), _one("pool")),
        Command("pool-build", "pool build", (*_POOL, *_switches("no-overwrite", "overwrite")), _one("pool")),
        Command("pool-refresh", "pool refresh", _POOL, _one("pool")),
        Command("pool-undefine", "pool undefine", _POOL, _one("pool")),
        Command("pool-delete", "pool erase", _POOL, _one("pool")),
        Command("pool-uuid", "pool show", _POOL, lambda given: [given["pool"], "--field", "uuid"]),
        Command("pool-name", "pool show", _POOL, lambda given: [given["pool"], "--field", "name"]),
        Command(
            "find-storage-pool-sources-as",
            "pool discover",
            (*_needs("type"), *_may(host="--server"), *_may("port", "initiator")),
            _one("type"),
        ),
        Command("pool-edit", "pool edit", _POOL, _one("pool")),
        Command("vol-list", "volume list", (*_POOL, *_switches(details="-o wide")), _one("pool")),
        Command("vol-info", "volume show", (*_needs("vol"), *_IN_POOL, *_switches("bytes", physical="")), _volume),
        Command(
            "vol-dumpxml", "volume show", (*_needs("vol"), *_IN_POOL, *_XPATH), lambda given: [*_volume(given), "--xml"]
        ),
        Command(
            "vol-create",
            "volume create",
            (*_needs("pool", "file"), *_switches("prealloc-metadata"), *_VALIDATE),
            lambda given: [given["pool"], "--file", given["file"]],
        ),
        Command(
            "vol-create-as",
            "volume create",
            (
                *_needs("pool", "name", "capacity"),
                *_may("allocation", "format", backing_vol="--backing", backing_vol_format="--backing-format"),
                *_switches("prealloc-metadata"),
                *_switches("print-xml"),
            ),
            lambda given: [f"{given['pool']}/{given['name']}", given["capacity"]],
        ),
        Command(
            "vol-clone",
            "volume clone",
            (
                *_needs("vol", "newname"),
                *_IN_POOL,
                *_PREALLOC,
                *_REFLINK,
                *_refused("the source's is `poolfleet volume show --xml`", "print-xml"),
            ),
            lambda given: [*_volume(given), given["newname"]],
        ),
        Command(
            "vol-create-from",
            "volume clone",
            (*_needs("pool", "file", "vol"), *_may(inputpool=""), *_PREALLOC, *_REFLINK, *_VALIDATE),
            lambda given: [
                *_volume({"vol": given["vol"], "pool": given.get("inputpool", given["pool"])}),
                given["pool"],
                "--file",
                given["file"],
            ],
        ),
        Command(
            "vol-delete",
            "volume delete",
            (*_needs("vol"), *_IN_POOL, *_refused("poolfleet deletes no snapshots", "delete-snapshots")),
            _volume,
        ),
        Command(
            "vol-resize",
            "volume resize",
            (
                *_needs("vol", "capacity"),
                *_IN_POOL,
                *_switches("allocate", delta="", shrink="--allow-shrink"),
            ),
            _resized,
        ),
        Command("vol-wipe", "volume wipe", (*_needs("vol"), *_IN_POOL, *_may("algorithm")), _volume),
        Command("vol-path", "volume show", (*_needs("vol"), *_IN_POOL), _volume_or_key("path")),
        Command("vol-key", "volume show", (*_needs("vol"), *_IN_POOL), _volume_or_key("key")),
        Command("vol-name", "volume find", _needs("vol"), lambda given: [given["vol"], "--field", "name"]),
        Command(
            "vol-pool",
            "volume find",
            (*_needs("vol"), *_switches(uuid="")),
            lambda given: [given["vol"], "--field", "pool_uuid" if "uuid" in given else "pool"],
        ),
    )
}


def translated(args: Sequence[str], *, announce: bool) -> list[str]:
    """Turn a virsh command into words of poolfleet's; others stay. Raises typer.BadParameter where virsh would."""
    if not args or args[0] not in TABLE:
        return list(args)
    command = TABLE[args[0]]
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
