"""The reference of the gRPC contract: a page for each proto, whose comments are the text."""

from __future__ import annotations

import importlib.resources
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

from scripts import markdown
from scripts.contract_tables import PACKAGE, PROTOS, ErrorRow, RpcErrors, error_tables, prose

FOLDER = "reference/api"
_SCALARS = {
    number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()
}  # fmt: skip
_NAMED = {FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM}
# Numbers that descriptor.proto gives to what a path of comments leads through.
_MESSAGES, _ENUMS, _SERVICES = (
    FileDescriptorProto.DESCRIPTOR.fields_by_name[name].number for name in ("message_type", "enum_type", "service")
)
_SYNTAX = FileDescriptorProto.DESCRIPTOR.fields_by_name["syntax"].number
_FIELDS, _NESTED, _INNER_ENUMS, _ONEOFS = (
    DescriptorProto.DESCRIPTOR.fields_by_name[name].number
    for name in ("field", "nested_type", "enum_type", "oneof_decl")
)
_VALUES = EnumDescriptorProto.DESCRIPTOR.fields_by_name["value"].number
_METHODS = ServiceDescriptorProto.DESCRIPTOR.fields_by_name["method"].number

Place = tuple[int, ...]


def pages() -> dict[str, str]:
    """The pages, by their paths in the site."""
    files = _compiled()
    made = {f"{FOLDER}/index.md": "\n\n".join(_overview(files)) + "\n"}
    at = {name: f"{_page_name(file)}.md" for file in files for name in _type_names(file)}
    tables = error_tables()
    return made | {f"{FOLDER}/{_page_name(file)}.md": _Page(file, at, tables).text() for file in files}


def _overview(files: Iterable[FileDescriptorProto]) -> Iterator[str]:
    yield "# gRPC"
    yield (
        "The contract between clients and agents, `poolfleet.v1`, as its protos have it. It imports nothing but"
        " Google's well-known types and `google/rpc/status.proto`, so that other languages compile it with nothing"
        " else. Beside these services an agent has `grpc.health.v1.Health`, and server reflection on its UNIX socket."
    )
    for file in files:
        for number, service in enumerate(file.service):
            yield f"## {service.name}"
            comments = _comments(file)
            yield from markdown.table(
                ("RPC", "What it does"),
                (
                    (
                        f"[{rpc.name}]({_page_name(file)}.md#{rpc.name})",
                        markdown.one_line(_first_sentence(comments[_SERVICES, number, _METHODS, index])),
                    )
                    for index, rpc in enumerate(service.method)
                ),
            )


def _first_sentence(comment: str) -> str:
    return re.split(r"(?<=[.:;]) ", " ".join(prose(comment).split()), maxsplit=1)[0].rstrip(":;.") + "."


def _comments(file: FileDescriptorProto) -> dict[Place, str]:
    return {
        tuple(location.path): location.leading_comments or location.trailing_comments
        for location in file.source_code_info.location
    }


def _page_name(file: FileDescriptorProto) -> str:
    """What the page of a proto is called."""
    return Path(file.name).stem.replace("_", "-")


def _compiled() -> list[FileDescriptorProto]:
    root = PROTOS.parents[1]
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    names = sorted(str(path.relative_to(root)) for path in PROTOS.glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "contract"
        words = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root}", f"-I{well_known}"]
        words += ["--include_source_info", f"--descriptor_set_out={out}"]
        subprocess.run([*words, *names], check=True)
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def _type_names(file: FileDescriptorProto) -> Iterator[str]:
    yield from (enum.name for enum in file.enum_type)
    for message in file.message_type:
        yield message.name
        yield from (f"{message.name}.{inner.name}" for inner in message.nested_type)
        yield from (f"{message.name}.{inner.name}" for inner in message.enum_type)


class _Page:
    """The page of one proto. `at`: the page of each type of the contract."""

    def __init__(self, file: FileDescriptorProto, at: Mapping[str, str], tables: Mapping[str, RpcErrors]) -> None:
        self._file = file
        self._at = at
        self._tables = tables
        self._comments = _comments(file)
        self._messages = {message.name: index for index, message in enumerate(file.message_type)}
        # Those of the RPCs, each with the first that has it.
        self._of_rpcs: set[str] = set()

    def text(self) -> str:
        """All of it."""
        services = self._file.service
        title = services[0].name if services else f"Messages: {Path(self._file.name).stem.replace('_', ' ')}"
        return "\n\n".join([f"# {title}", *self._parts()]) + "\n"

    def _parts(self) -> Iterator[str]:
        yield f"`{self._file.name}`: {markdown.text(self._about((_SYNTAX,)))}"
        for index, service in enumerate(self._file.service):
            yield from self._service((_SERVICES, index), service)
        others = [name for name in self._messages if name not in self._of_rpcs]
        if self._file.service and (others or self._file.enum_type):
            yield "## Other messages"
        level = "###" if self._file.service else "##"
        for name in others:
            yield from self._message(name, level)
        for index, enum in enumerate(self._file.enum_type):
            yield from self._enum(enum.name, (_ENUMS, index), enum, level)

    def _service(self, place: Place, service: ServiceDescriptorProto) -> Iterator[str]:
        yield markdown.text(self._about(place))
        yield "Which errors every call has in common, and which every change, stands in [Errors](../../errors.md)."
        for index, rpc in enumerate(service.method):
            yield f"## {rpc.name} {{ #{rpc.name} }}"
            stream = "stream " if rpc.server_streaming else ""
            request, answer = _short(rpc.input_type), _short(rpc.output_type)
            yield f"```proto\nrpc {rpc.name}({request}) returns ({stream}{answer});\n```"
            yield markdown.text(self._about((*place, _METHODS, index)))
            yield from _errors(self._tables[f"{PACKAGE}.{service.name}/{rpc.name}"].own)
            for name in (request, answer):
                if name in self._messages and name not in self._of_rpcs:
                    self._of_rpcs.add(name)
                    yield from self._message(name, "###")

    def _message(self, name: str, level: str) -> Iterator[str]:
        place = (_MESSAGES, self._messages[name])
        yield from self._message_at(name, place, self._file.message_type[place[1]], level)

    def _message_at(self, name: str, place: Place, message: DescriptorProto, level: str) -> Iterator[str]:
        yield f"{level} {name} {{ #{name} }}"
        yield markdown.text(self._about(place))
        rows = (
            (f"`{field.name}`", self._type(field), str(field.number), self._about_field(place, message, index))
            for index, field in enumerate(message.field)
        )
        yield from markdown.table(("Field", "Type", "No.", "Meaning"), rows)
        for index, inner in enumerate(message.nested_type):
            if not inner.options.map_entry:
                yield from self._message_at(f"{name}.{inner.name}", (*place, _NESTED, index), inner, f"{level}#")
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(f"{name}.{enum.name}", (*place, _INNER_ENUMS, index), enum, f"{level}#")

    def _enum(self, name: str, place: Place, enum: EnumDescriptorProto, level: str) -> Iterator[str]:
        yield f"{level} {name} {{ #{name} }}"
        yield markdown.text(self._about(place))
        rows = (
            (f"`{value.name}`", str(value.number), markdown.one_line(self._about((*place, _VALUES, index))))
            for index, value in enumerate(enum.value)
        )
        yield from markdown.table(("Value", "No.", "Meaning"), rows)

    def _about_field(self, place: Place, message: DescriptorProto, index: int) -> str:
        field = message.field[index]
        words = self._about((*place, _FIELDS, index))
        if _is_choice(field):
            others = [each.name for each in message.field if _is_choice(each) and each.oneof_index == field.oneof_index]
            words += f" At most one of {', '.join(f'`{name}`' for name in others)} is set."
        return markdown.one_line(words)

    def _type(self, field: FieldDescriptorProto) -> str:
        many = "repeated " if field.label == FieldDescriptorProto.LABEL_REPEATED else ""
        optional = "optional " if field.proto3_optional else ""
        if field.type not in _NAMED:
            return f"{many}{optional}{_SCALARS[field.type]}"
        name = _short(field.type_name)
        if name in self._at:
            return f"{many}{optional}[{name}]({self._at[name]}#{name})"
        entry = name.rpartition(".")[2]
        return "map of string to string" if entry.endswith("Entry") else f"{many}{optional}{name}"

    def _about(self, place: Place) -> str:
        return prose(self._comments.get(place, ""))


def _is_choice(field: FieldDescriptorProto) -> bool:
    """Whether it belongs to a oneof that is written; proto3 makes one of its own for each optional field."""
    return field.HasField("oneof_index") and not field.proto3_optional


def _short(name: str) -> str:
    return name.removeprefix(f".{PACKAGE}.").removeprefix(".")


def _errors(rows: tuple[ErrorRow, ...]) -> Iterator[str]:
    if rows:
        yield "Its own errors:"
    yield from markdown.table(
        ("When", "gRPC code", "Reason", "What to do"),
        (
            (row.condition, f"`{row.code}`", f"[`{row.reason}`](../../errors.md#{row.reason.lower()})", row.advice)
            for row in rows
        ),
    )
