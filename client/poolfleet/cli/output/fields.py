"""One object in full: its fields line by line, one field by itself, or libvirt's XML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from poolfleet.cli.flags import Flags
from poolfleet.cli.output import text
from poolfleet.cli.output.answers import Answer, Column, Kind, Table, plain, shown
from poolfleet.cli.session import Account, UsageError

_FIELD = typer.Option("--field", metavar="NAME", help="This field only.", show_default=False)
FieldOption = Annotated[str | None, _FIELD]
Fresh = Annotated[bool, typer.Option("--fresh", help="Have it looked at now, instead of the agent's snapshot.")]
Field = tuple[str, Any, Kind]
_COLUMNS: tuple[Column[tuple[str, str]], ...] = (
    Column("FIELD", lambda row: row[0]),
    Column("VALUE", lambda row: row[1], Kind.MESSAGE),
)


def in_full(
    account: Account, kind: str, found: Mapping[str, Any], lines: Mapping[str, Sequence[Field]], flags: Flags
) -> Answer:
    """Show an object as each host has it; `lines` are its fields by host, `kind` its word in documents."""
    document = {
        "complete": account.complete,
        "hosts": account.hosts,
        kind: [{"host": h, **plain(o)} for h, o in found.items()],
    }
    tables = [
        Table(
            _COLUMNS,
            [
                (name, shown(Column(name, _nothing, kind), value, flags))
                for name, value, kind in fields
                if value not in (None, "")
            ],
            name=lambda row: row[1],
            heading=host if len(lines) > 1 else "",
        )
        for host, fields in lines.items()
    ]
    return Answer(tables=tables, document=document, code=account.code)


def _nothing(row: object) -> None:
    return None


def one_field(account: Account, found: Mapping[str, Any], field: str) -> Answer:
    """Show one field of it, a line for each host; raises UsageError where there is no such field."""
    name = field.replace("-", "_")
    values = {host: plain(each) for host, each in found.items()}
    for each in values.values():
        if name not in each:
            raise UsageError(f"there is no field {field!r}; there are {', '.join(each)}")
    several = len(values) > 1
    lines = [text.printable(f"{host}  " * several + _flat(each[name])) for host, each in values.items()]
    document = [{"host": host, name: each[name]} for host, each in values.items()]
    return Answer(verbatim="\n".join(lines), document=document, code=account.code)


def _flat(value: Any) -> str:
    match value:
        case None:
            return text.NOTHING
        case bool():
            return text.yes_no(value)
        case dict():
            return " ".join(f"{key}={_flat(each)}" for key, each in value.items() if each not in (None, "", []))
        case list():
            return " ".join(_flat(each) for each in value)
    return str(value)


def xml_documents(account: Account, documents: Mapping[str, str]) -> Answer:
    """The XML as libvirt wrote it; where hosts have different ones each with a comment that names its hosts."""
    alike: dict[str, list[str]] = {}
    for host, xml in documents.items():
        alike.setdefault(xml.strip(), []).append(host)
    if len(alike) < 2:
        verbatim = next(iter(alike), "")
    else:
        parts = [f"<!-- {', '.join(hosts).replace('--', '- -')} -->\n{xml}" for xml, hosts in alike.items()]
        verbatim = "\n\n".join(parts)
    found = [{"host": host, "xml": xml} for host, xml in documents.items()]
    # A reference means the same to whoever reads the XML, and does nothing to a terminal.
    verbatim = re.sub(r"[\x7f-\x9f]", lambda match: f"&#{ord(match[0])};", verbatim)
    return Answer(verbatim=verbatim, document=found, code=account.code)
