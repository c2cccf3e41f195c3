"""The references made from the code leave nothing out: errors, RPCs and messages, verbs, the Python library."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import typer

import poolfleet
from poolfleet.blocking import agent as blocking_agent
from poolfleet.cli.groups import GROUPS
from poolfleet.cli.main import app
from poolfleet.v1 import errors_pb2
from poolfleet_agent.model.errors import Reason
from scripts.contract_tables import error_tables
from scripts.error_reference import errors_page
from scripts.website import commands, contract, library
from tests.raw_agent import SERVICES

REASONS = [name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name][
    1:
]  # the first: not set
ROWS = [row for rpc in error_tables().values() for row in rpc.rows]
USED = {row.reason for row in ROWS}
ERRORS_PAGE = "\n\n".join(errors_page())
CONTRACT = contract.pages()
LIBRARY = library.pages()


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """What the page of errors says, by its headings of the third level."""
    return dict(re.findall(r"^### (\w+)\n\n(.*?)(?=\n#|\Z)", ERRORS_PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("reason", REASONS)
def test_each_reason_has_its_code_its_meaning_what_to_do_and_who_answers_with_it(
    reason: str, sections: dict[str, str]
) -> None:
    if reason not in USED:
        assert f"| `{reason}` | `{Reason(reason).code}` | " in ERRORS_PAGE
        return
    assert f"| [`{reason}`](#{reason.lower()}) | `{Reason(reason).code}` | " in ERRORS_PAGE
    meaning, table = sections[reason].split("\n\n")
    assert len(meaning) > 20
    rows = [row.split(" | ") for row in table.splitlines()[2:]]
    told = {(when, what.removesuffix(" |")) for _, when, what in rows}
    assert told == {
        (row.condition.replace("|", r"\|"), row.advice.replace("|", r"\|")) for row in ROWS if row.reason == reason
    }


def test_who_answers_is_told_as_shortly_as_it_can_be(sections: dict[str, str]) -> None:
    assert "| every call | " in sections["INVALID_FIELD"]
    assert (
        "| every change of PoolService, every change of SecretService, every change of VolumeService | "
        in (sections["REQUEST_ID_REUSED"])
    )
    assert (
        "| [UndefinePool](#undefinepool), [ErasePool](#erasepool) | no such pool | nothing; or say allow_missing |"
        in (sections["POOL_NOT_FOUND"])
    )


def test_each_rpc_message_field_and_value_of_the_contract_has_its_place() -> None:
    pages = "\n".join(CONTRACT.values())
    for service in SERVICES:
        for method in service.methods:
            assert f"\n## {method.name} {{ #{method.name} }}\n" in pages
        for message in service.file.message_types_by_name.values():
            assert pages.count(f" {message.name} {{ #{message.name} }}\n") == 1
            assert all(f"\n| `{field.name}` | " in pages for field in message.fields)
    for value in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name:
        assert f"\n| `{value}` | " in pages


def test_nothing_of_the_contract_is_without_its_words() -> None:
    for path, text in CONTRACT.items():
        assert "|  |" not in text, path
        # A table that belongs to the errors alone is not told a second time, as prose.
        assert "condition | code" not in text, path


def test_a_choice_of_fields_says_so() -> None:
    page = CONTRACT["reference/api/pool-service.md"]
    assert "| 1 | Typed. At most one of `spec`, `xml` is set. |" in page
    assert "| `transient` | bool | 3 | Start it at once and store nothing: it is gone when stopped. |" in page


def test_each_verb_has_its_options_and_examples() -> None:
    pages, program = commands.pages(), typer.main.get_command(app)
    with program.make_context("poolfleet", [], resilient_parsing=True) as context:
        for name in GROUPS:
            text = pages[f"reference/commands/{name}.md"]
            group: Any = program.get_command(context, name)  # type: ignore[attr-defined]
            for verb, command in group.commands.items():
                assert (f"\n## {verb}\n" in text) is not command.hidden
                if not command.hidden:
                    shown = text.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]
                    assert all(line.strip() in shown for line in (command.epilog or "").splitlines())
                    own = [each for each in command.params if not getattr(each, "hidden", False)]
                    assert all(each.opts[0] in shown or _is_shared(each) for each in own if each.opts[0] != "--help")
    overview = pages["reference/commands/index.md"]
    assert all(f"`{flag}`" in overview or f"`{flag} " in overview for flag in ("--fleet", "--dry-run", "--by-host"))


def _is_shared(parameter: Any) -> bool:
    return parameter.param_type_name == "argument" or parameter.rich_help_panel in ("Which hosts", "Answers", "Changes")


def test_each_public_name_of_the_library_has_its_place() -> None:
    documented = {kind for kinds in library.documented().values() for kind in kinds}
    assert {getattr(poolfleet, name) for name in poolfleet.__all__} <= documented
    for page, kinds in library.documented().items():
        for kind in kinds:
            assert f"\n## {kind.__name__} {{ #{kind.__name__} }}\n" in LIBRARY[f"reference/python/{page}.md"]


@pytest.mark.parametrize("part", ["AgentClient", "Pools", "Volumes", "Secrets", "Operations", "Inventory"])
def test_each_method_of_the_client_is_told_in_its_own_words(part: str) -> None:
    page = LIBRARY["reference/python/client.md"]
    for name, member in vars(getattr(blocking_agent, part)).items():
        if not name.startswith("_") and inspect.isfunction(member):
            told = page.partition(f"\n### {part}.{name} ")[2].partition("\n### ")[0]
            assert (inspect.getdoc(member) or "").splitlines()[0].replace("*", r"\*") in told
            assert not [word for word in ("AsyncIterator", "AsyncGenerator", " at 0x") if word in told]


def test_a_field_is_told_by_what_stands_below_it() -> None:
    page = LIBRARY["reference/python/pools.md"]
    assert "| `uuid` | `str` | `''` |  |" in page
    assert (
        r"| `cow` | `bool \| None` | `None` | Whether files are copied on write, where the file system can; of" in page
    )
