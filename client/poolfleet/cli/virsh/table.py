"""The table of virsh's storage commands: of it are made aliases, a page of docs/ and a test that drives both sides."""

from __future__ import annotations

from poolfleet.cli.virsh.pools import POOL_COMMANDS
from poolfleet.cli.virsh.rows import Command
from poolfleet.cli.virsh.volumes import VOLUME_COMMANDS

TABLE: dict[str, Command] = {command.name: command for command in (*POOL_COMMANDS, *VOLUME_COMMANDS)}
