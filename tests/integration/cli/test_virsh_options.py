"""The table of virsh's commands beside virsh itself: every option that virsh has is known, in virsh's order."""

from __future__ import annotations

import re
import subprocess

import pytest

from poolfleet.cli.virsh import TABLE, Command


def options_of_virsh(command: str) -> list[tuple[str, bool]]:
    """Name, and whether it takes a value, as `virsh help` lists them."""
    done = subprocess.run(["virsh", "help", command], capture_output=True, text=True, check=True, timeout=60)
    listed = done.stdout.partition("  OPTIONS\n")[2]
    found = re.findall(r"^    \[?--([\w-]+)\]?( <(?:string|number)>)?", listed, re.MULTILINE)
    return [(name, bool(value)) for name, value in found]


@pytest.mark.parametrize("command", TABLE.values(), ids=lambda command: command.name)
def test_each_option_of_virsh_is_known(command: Command) -> None:
    known = {option.name: option.takes_value for option in command.options}
    theirs = options_of_virsh(command.name)
    assert theirs
    assert {name: known.get(name) for name, _ in theirs} == dict(theirs)


@pytest.mark.parametrize("command", TABLE.values(), ids=lambda command: command.name)
def test_values_without_names_come_in_virshs_order(command: Command) -> None:
    theirs = [name for name, takes_value in options_of_virsh(command.name) if takes_value]
    ours = [option.name for option in command.options if option.takes_value and option.name in theirs]
    assert ours == theirs
