"""The page of all errors: each reason, what it means, who answers with it, what to do; and the table of each call."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from poolfleet.cli.exit_codes import of_error
from poolfleet.transport.retries import RETRIED
from poolfleet.types.errors import CLASSES
from scripts import markdown
from scripts.contract_tables import PROTOS, ErrorRow, RpcErrors, error_tables

_REASON = re.compile(r"((?:  // .*\n)+)  ERROR_REASON_(\w+) = \d+;")


def errors_page() -> Iterator[str]:
    """The parts of the page."""
    rpcs = list(error_tables().values())
    used = {row.reason for rpc in rpcs for row in rpc.rows}
    reasons = list(_reasons())
    unused = [(f"`{reason}`", f"`{code}`", text) for reason, code, text in reasons if reason not in used]
    yield (
        "Every error has a *reason*, one word that says exactly what was wrong, and a gRPC code, the coarse kind. The"
        " same reason may refuse a call, before any work has begun, or stand in the `error` of an operation that failed"
        " at its work; the library raises the same exception for both. [Library](library.md#errors) shows how to catch"
        " them, [command line](command-line.md#exit-codes) has the exit codes."
    )
    yield "## Overview"
    yield (
        "*Exit* is what `poolfleet` ends with where every host failed so. *Again* says that the library tries a change"
        " again by itself, within its timeout: the cause passes, and another try does no harm."
    )
    yield from markdown.table(
        ("Reason", "gRPC code", "Python exception", "Exit", "Again"),
        (_reason_row(reason, code) for reason, code, _ in reasons if reason in used),
    )
    yield "Three more come from the library, and no agent sends them:"
    yield from markdown.table(
        ("Reason", "Python exception", "Exit", "Meaning"),
        (
            ("`UNREACHABLE`", "`Unavailable`", "3", "There is no connection to the agent."),
            ("`DEADLINE`", "`DeadlineExceeded`", "1", "The agent gave no answer within `timeout_s`."),
            (
                "`STILL_RUNNING`",
                "`StillRunning`",
                "6",
                "The time is up and the operation goes on, on the agent: wait for it, watch it or cancel it.",
            ),
        ),
    )
    yield (
        "And four come from a fleet: `FLEET` is the reason of the `FleetError` that `raise_for_failures()` raises,"
        " `CALL` that of an exception of your own code within `fleet.map`. Changes of a storage (`fleet.storage`) raise"
        " two more, beside what agents answer:"
    )
    yield from markdown.table(
        ("Reason", "Python exception", "Exit", "Meaning", "What to do"),
        (
            (
                "`INCOMPLETE`",
                "`Unavailable`",
                "5",
                "Whether any host uses the volume, or has begun the request of this id already, cannot be told."
                " Metadata: pool, volume, missing.",
                "see to the hosts in `missing`, and call again; or say allow_in_use, which passes over use alone",
            ),
            (
                "`NO_HOST`",
                "`Unavailable`",
                "5",
                "None of the storage's hosts may act now; the message has why not.",
                "see to one of them, or choose one: `fleet.select(hosts=[…])`",
            ),
        ),
    )
    yield "## Reasons"
    for reason, _, text in reasons:
        if reason in used:
            yield f"### {reason}"
            yield text
            yield from _who_answers(reason, rpcs)
    if unused:
        yield "## Reasons that no agent sends yet"
        yield "They are part of the contract, and their place is kept for what comes next."
        yield from markdown.table(("Reason", "gRPC code", "Meaning"), unused)
    yield "## What each call may answer"
    yield from _rpc_sections(rpcs)


def _reasons() -> Iterator[tuple[str, str, str]]:
    for comment, reason in _REASON.findall((PROTOS / "errors.proto").read_text(encoding="utf-8")):
        text = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        if found := re.fullmatch(r"\[(\w+)\] (.*)", text):
            yield reason, found[1], found[2]


def _reason_row(reason: str, code: str) -> tuple[str, ...]:
    kind = CLASSES[code]
    exit_code = of_error(kind("", reason=reason, code=code))
    return (
        f"[`{reason}`](#{reason.lower()})",
        f"`{code}`",
        f"`{kind.__name__}`",
        str(int(exit_code)),
        "yes" if reason in RETRIED else "",
    )


def _who_answers(reason: str, rpcs: Collection[RpcErrors]) -> Iterator[str]:
    rows = dict.fromkeys(row for rpc in rpcs for row in rpc.rows if row.reason == reason)
    yield from markdown.table(
        ("Answered by", "When", "What to do"),
        ((", ".join(_callers(row, rpcs)), row.condition, row.advice) for row in rows),
    )


def _callers(row: ErrorRow, rpcs: Collection[RpcErrors]) -> Iterator[str]:
    """Who answers with a row: calls by their names, or all of them, or all of a service, or its changes."""
    if all(row in rpc.rows for rpc in rpcs):
        yield "every call"
        return
    for service, here in _by_service(rpcs):
        rest = {rpc.name for rpc in here if row in rpc.rows}
        for words, names in (
            (f"every call of {service}", [rpc.name for rpc in here]),
            (f"every change of {service}", [rpc.name for rpc in _changes(here)]),
        ):
            if len(names) > 1 and rest.issuperset(names):
                yield words
                rest.difference_update(names)
        yield from (f"[{rpc.name}](#{rpc.name.lower()})" for rpc in here if rpc.name in rest)


def _by_service(rpcs: Collection[RpcErrors]) -> Iterator[tuple[str, list[RpcErrors]]]:
    for service in dict.fromkeys(rpc.service for rpc in rpcs):
        yield service, [rpc for rpc in rpcs if rpc.service == service]


def _changes(rpcs: Collection[RpcErrors]) -> list[RpcErrors]:
    """Those of a service that share errors which its others have not: what changes something."""
    common = set(_common(rpcs))
    return [rpc for rpc in rpcs if set(rpc.shared) - common]


def _rpc_sections(rpcs: Collection[RpcErrors]) -> Iterator[str]:
    everywhere = _common(rpcs)
    yield "### Every call"
    yield from _error_table(everywhere)
    for service, those in _by_service(rpcs):
        here = [row for row in _common(those) if row not in everywhere]
        changes = _changes(those)
        if here or any(rpc.own for rpc in those):
            yield f"### {service}"
        if here:
            yield f"Every call of {service}:"
            yield from _error_table(here)
        if changes:
            yield f"Every change ({', '.join(rpc.name for rpc in changes)}):"
            yield from _error_table(row for row in changes[0].shared if row not in everywhere and row not in here)
        for rpc in those:
            if rpc.own:
                yield f"#### {rpc.name}"
                yield from _error_table(rpc.own)


def _common(rpcs: Collection[RpcErrors]) -> list[ErrorRow]:
    first, *others = rpcs
    return [row for row in first.shared if all(row in other.shared for other in others)]


def _error_table(rows: Iterable[ErrorRow]) -> Iterator[str]:
    yield from markdown.table(
        ("When", "gRPC code", "Reason", "What to do"),
        ((row.condition, f"`{row.code}`", f"[`{row.reason}`](#{row.reason.lower()})", row.advice) for row in rows),
    )
