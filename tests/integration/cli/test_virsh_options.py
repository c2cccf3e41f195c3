"""The table of virsh's commands beside virsh itself: it lacks no command and no option, and has virsh's order."""

from __future__ import annotations

import re
import subprocess

import pytest

from poolfleet.cli.virsh.rows import Command
from poolfleet.cli.virsh.table import TABLE


def help_of_virsh(word: str) -> str:
    return subprocess.run(["virsh", "help", word], capture_output=True, text=True, check=True, timeout=60).stdout


def options_of_virsh(command: str) -> list[tuple[str, bool]]:
    """Name, and whether it takes a value, as `virsh help` lists them."""
    listed = help_of_virsh(command).partition("  OPTIONS\n")[2]
    found = re.findall(r"^    \[?--([\w-]+)\]?( <(?:string|number)>)?", listed, re.MULTILINE)
    return [(name, bool(value)) for name, value in found]


@pytest.mark.parametrize("group", ["pool", "volume"])
def test_each_command_of_virsh_has_a_row(group: str) -> None:
    theirs = re.findall(r"^    ([\w-]+)  ", help_of_virsh(group), re.MULTILINE)
    assert theirs
    assert set(theirs) <= TABLE.keys()


@pytest.mark.parametrize("command", TABLE.values(), ids=lambda command: command.name)
def test_each_option_of_virsh_is_known(command: Command) -> None:
    known = {option.name: option.takes_value for option in command.options}
    theirs = options_of_virsh(command.name)
    assert theirs or not command.options
    assert {name: known.get(name) for name, _ in theirs} == dict(theirs)


@pytest.mark.parametrize("command", TABLE.values(), ids=lambda command: command.name)
def test_values_without_names_come_in_virshs_order(command: Command) -> None:
    theirs = [name for name, takes_value in options_of_virsh(command.name) if takes_value]
    ours = [option.name for option in command.options if option.takes_value and option.name in theirs]
    assert ours == theirs
