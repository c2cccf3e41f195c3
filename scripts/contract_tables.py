"""Reads the tables of errors out of the comments of protos/poolfleet/v1: what every RPC may answer with, and why.

A table is a comment line that begins with `Errors` and ends with a colon, and below it one line for each error:
`condition | CODE | REASON | what the caller should do`. Its first line says for which RPCs it holds: `of every RPC of
poolfleet.v1`, `of every RPC here`, `of every mutation here` (who takes a request id), or for the RPC that it stands at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROTOS = Path(__file__).resolve().parent.parent / "protos/poolfleet/v1"
PACKAGE = "poolfleet.v1"

_COMMENT = re.compile(r"\s*// ?(.*)")
_SERVICE = re.compile(r"service (\w+) \{")
_RPC = re.compile(r"\s+rpc (\w+)\((\w+)\) returns \((?:stream )?\w+\);")
_MESSAGE = re.compile(r"^message (\w+) \{(\}|.*?^\})", re.MULTILINE | re.DOTALL)
_HEADER = re.compile(r"Errors\b(.*):")


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One line of a table."""

    condition: str
    code: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcErrors:
    """The errors of one RPC: its own, and those that it shares with others."""

    service: str
    name: str
    own: tuple[ErrorRow, ...]
    shared: tuple[ErrorRow, ...]

    @property
    def rows(self) -> tuple[ErrorRow, ...]:
        """All of them."""
        return self.own + self.shared

    @property
    def outcomes(self) -> frozenset[tuple[str, str]]:
        """Every (code, reason) that it may answer with."""
        return frozenset((row.code, row.reason) for row in self.rows)


@dataclass(slots=True)
class _Service:
    name: str
    tables: dict[str, list[ErrorRow]]
    rpcs: list[tuple[str, str, dict[str, list[ErrorRow]]]] = field(default_factory=list)


_EVERYWHERE, _HERE, _MUTATIONS = " of every RPC of poolfleet.v1", " of every RPC here", " of every mutation here"


def error_tables(protos: Path = PROTOS) -> dict[str, RpcErrors]:
    """The errors of every RPC, by its full name (`poolfleet.v1.PoolService/GetPool`). ValueError: a malformed line."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(protos.glob("*.proto"))]
    mutating = {name for text in texts for name, body in _MESSAGE.findall(text) if " request_id = " in body}
    services = [service for text in texts for service in _services(text)]
    everywhere = [row for service in services for row in service.tables.get(_EVERYWHERE, [])]
    return {
        f"{PACKAGE}.{service.name}/{name}": RpcErrors(
            service=service.name,
            name=name,
            own=tuple(tables.get("", [])),
            shared=(
                *service.tables.get(_HERE, []),
                *(service.tables.get(_MUTATIONS, []) if request in mutating else []),
                *everywhere,
            ),
        )
        for service in services
        for name, request, tables in service.rpcs
    }


def prose(comment: str) -> str:
    """What a comment says beside its tables of errors; `comment` has its lines without their slashes."""
    kept: list[str] = []
    in_table = False
    for line in (each.removeprefix(" ").rstrip() for each in comment.splitlines()):
        in_table = _begins_errors(line) or (in_table and line.startswith("  "))
        if not in_table:
            kept.append(line)
    return "\n".join(kept).strip()


def _begins_errors(line: str) -> bool:
    return bool(_HEADER.fullmatch(line)) or line.startswith("Errors: none")


def _services(text: str) -> Iterator[_Service]:
    comment: list[str] = []
    service: _Service | None = None
    for line in text.splitlines():
        if found := _COMMENT.fullmatch(line):
            comment.append(found[1])
            continue
        if found := _SERVICE.match(line):
            service = _Service(found[1], _tables(comment))
            yield service
        elif service is not None and (found := _RPC.match(line)):
            service.rpcs.append((found[1], found[2], _tables(comment)))
        comment = []


def _tables(comment: list[str]) -> dict[str, list[ErrorRow]]:
    tables: dict[str, list[ErrorRow]] = {}
    rows: list[ErrorRow] | None = None
    for line in comment:
        if found := _HEADER.fullmatch(line):
            rows = tables.setdefault(found[1].partition(" (")[0], [])
        elif rows is not None and line.startswith("  "):
            rows.append(_row(line))
        else:
            rows = None
    return tables


def _row(line: str) -> ErrorRow:
    cells = [cell.strip() for cell in line.split("|")]
    if len(cells) != 4 or not all(cells):
        raise ValueError(f"not `condition | CODE | REASON | advice`: {line.strip()}")
    return ErrorRow(*cells)
