from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from poolfleet.cli.groups import GROUPS
from poolfleet.cli.main import app

VERBS = [
    (name, verb.name) for name, group in GROUPS.items() for verb in group.load().registered_commands if not verb.hidden
]


def helped(*words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--help"], prog_name="poolfleet", env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    return result.output


def test_the_program_lists_its_groups_and_nothing_that_has_not_come() -> None:
    listed = helped().partition("Commands:")[2].partition("Options:")[0]
    assert [line.split()[0] for line in listed.strip().splitlines()] == [*GROUPS, "completion", "version"]


@pytest.mark.parametrize(
    ("group", "verbs"),
    [
        (
            "pool",
            "list show define ensure update edit undefine erase start stop restart build refresh autostart supervise"
            " probe discover events",
        ),
        ("volume", "list show find users disk-xml create clone resize wipe delete"),
        ("operation", "list show wait watch cancel"),
        ("host", "list show check disks cordon uncordon"),
        ("storage", "list show adopt check"),
        ("inventory", "show unmanaged duplicates query sync export"),
        ("config", "show validate"),
    ],
)
def test_groups_list_their_verbs(group: str, verbs: str) -> None:
    listed = helped(group).partition("Commands:")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.strip().splitlines()] == verbs.split()


@pytest.mark.parametrize(("group", "verb"), VERBS)
def test_each_verb_has_examples_and_the_shared_flags(group: str, verb: str) -> None:
    text = helped(group, verb)
    assert f"  poolfleet {group}" in text.partition("Examples:")[2]
    assert "--host" in text
    assert "--output" in text


@pytest.mark.parametrize("word", ["pools", "vol", "op", "hosts", "volumes", "inv"])
def test_groups_answer_to_other_names(word: str) -> None:
    assert "Commands:" in helped(word)


def test_help_and_version_load_no_grpc() -> None:
    program = (
        "import sys; from poolfleet.cli.main import app\n"
        "for words in (['--help'], ['pool', '--help'], ['pool', 'start', '--help'], ['version']):\n"
        "    try: app(words, prog_name='poolfleet')\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'grpc', 'google.protobuf', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, stdout=subprocess.DEVNULL)
