"""Messages as another version of the contract has them: the one that was recorded at the last release, and a later one.

The later one is made of the recorded one: each message has a field more, each enum a value, and pools a type.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

RECORDED = Path(__file__).with_name("recorded.binpb")
PACKAGE = "poolfleet.v1"
LATER_NUMBER = 77
"""Number of each value and of each field that only the later contract has."""

LATER_SOURCE = 78
LATER_TEXT = "said by a later contract"


class Contract:
    """One version of the contract: its messages, by their full names."""

    def __init__(self, files: FileDescriptorSet) -> None:
        self._pool = DescriptorPool()
        for file in files.file:
            self._pool.Add(file)
        self.services = [
            self._pool.FindServiceByName(f"{file.package}.{service.name}")
            for file in files.file
            for service in file.service
        ]

    def new(self, name: str, **fields: Any) -> Any:
        """A message of it."""
        return GetMessageClass(self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))(**fields)

    def heard(self, message: Message) -> Any:
        """What somebody who knows this version reads where another one said `message`."""
        kind = GetMessageClass(self._pool.FindMessageTypeByName(message.DESCRIPTOR.full_name))
        return kind.FromString(message.SerializeToString())


def recorded_files() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(RECORDED.read_bytes())


def recorded() -> Contract:
    """The contract of the last release."""
    return Contract(recorded_files())


def later() -> Contract:
    """A contract that has more than the recorded one, of every kind."""
    files = recorded_files()
    for file in files.file:
        if file.package == PACKAGE:
            for message in file.message_type:
                _add_to(message)
            for enum in file.enum_type:
                _add_value(enum)
    return Contract(files)


def _add_to(message: DescriptorProto) -> None:
    for inner in message.nested_type:
        if not inner.options.map_entry:
            _add_to(inner)
    for enum in message.enum_type:
        _add_value(enum)
    text = FieldDescriptorProto.TYPE_STRING
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    message.field.add(name="later_text", number=LATER_NUMBER, type=text, label=optional)
    if "source" in {oneof.name for oneof in message.oneof_decl}:
        arm = [oneof.name for oneof in message.oneof_decl].index("source")
        message.field.add(name="later_source", number=LATER_SOURCE, type=text, label=optional, oneof_index=arm)


def _add_value(enum: EnumDescriptorProto) -> None:
    enum.value.add(name=f"{enum.value[0].name}_LATER", number=LATER_NUMBER)


def say_more(message: Any, *, but_for: frozenset[str] = frozenset()) -> None:
    """Say in a message of the later contract all that only that has, in whatever it holds; enums `but_for` stay."""
    if message.DESCRIPTOR.file.package != PACKAGE:
        return
    message.later_text = LATER_TEXT
    if message.DESCRIPTOR.full_name == f"{PACKAGE}.Pool":
        message.type, message.later_source = "future", "somewhere"
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_ENUM and field.enum_type.name not in but_for:
            if field.is_repeated:
                value.append(LATER_NUMBER)
            else:
                setattr(message, field.name, LATER_NUMBER)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field):
            for inner in value if field.is_repeated else [value]:
                say_more(inner, but_for=but_for)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
