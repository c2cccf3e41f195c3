"""Arbitrary valid messages of the contract for hypothesis, built from the descriptors.

Wild ones hold anything; tame ones only what fits their fields; plain ones of that only what they need and one thing
more, and so get farthest into the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

_BITS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
_ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
_ODD_TEXT = ("", ".", "..", "-o", "a/b", "\0", "\n", "ä" * 200, "x" * 5000, "%s%n", "$(id)", "\ufffd", "\u202e")
_TAME_NUMBERS = (0, 1, 2, 0o755, 4096, 1 << 20)
_MOST_REPEATED = 3


@dataclass(frozen=True)
class Vocabulary:
    """What fits the fields: strings by `Message.field` or `field`; `needed`: what a tame message always has."""

    words: Mapping[str, Sequence[str]]
    needed: frozenset[str]

    def of(self, field: FieldDescriptor) -> Sequence[str]:
        """What fits a field."""
        exact = self.words.get(field.full_name.removeprefix("poolfleet.v1."))
        return exact or self.words.get(field.name, [""])


Kind = Callable[[Descriptor, Vocabulary], st.SearchStrategy[Message]]


def messages(descriptor: Descriptor, vocabulary: Vocabulary) -> st.SearchStrategy[Message]:
    """Messages of a type, plain ones more often."""
    plain = _plain(descriptor, vocabulary)
    return st.one_of(plain, plain, plain, _tame(descriptor, vocabulary), _wild(descriptor, vocabulary))


def _plain(descriptor: Descriptor, vocabulary: Vocabulary) -> st.SearchStrategy[Message]:
    needed, optional = _alone(descriptor, vocabulary, _plain)
    one_more = [st.fixed_dictionaries({name: values}) for name, values in optional.items()]
    return _made(descriptor, vocabulary, _plain, st.fixed_dictionaries(needed), st.one_of(st.just({}), *one_more))


def _tame(descriptor: Descriptor, vocabulary: Vocabulary) -> st.SearchStrategy[Message]:
    needed, optional = _alone(descriptor, vocabulary, _tame)
    return _made(descriptor, vocabulary, _tame, st.fixed_dictionaries(needed, optional=optional))


_Fields = dict[str, st.SearchStrategy[Any]]


def _alone(descriptor: Descriptor, vocabulary: Vocabulary, kind: Kind) -> tuple[_Fields, _Fields]:
    """The fields outside of choices: those that are needed, and the others."""
    alone = {field.name: _tame_field(field, vocabulary, kind) for field in descriptor.fields if not _chosen(field)}
    needed = {name: values for name, values in alone.items() if name in vocabulary.needed}
    return needed, {name: values for name, values in alone.items() if name not in vocabulary.needed}


def _made(
    descriptor: Descriptor, vocabulary: Vocabulary, kind: Kind, *fields: st.SearchStrategy[dict[str, Any]]
) -> st.SearchStrategy[Message]:
    parts = list(fields)
    # Of each oneof exactly one.
    for choice in descriptor.oneofs:
        if all(_chosen(field) for field in choice.fields):
            one = [st.fixed_dictionaries({field.name: _tame_field(field, vocabulary, kind)}) for field in choice.fields]
            parts.append(st.one_of(one))
    made = GetMessageClass(descriptor)
    return st.tuples(*parts).map(lambda found: made(**{name: value for part in found for name, value in part.items()}))


def _chosen(field: FieldDescriptor) -> bool:
    """Whether it is one of several in a oneof; `optional` fields are alone in theirs."""
    return field.containing_oneof is not None and not field.containing_oneof.name.startswith("_")


def _wild(descriptor: Descriptor, vocabulary: Vocabulary) -> st.SearchStrategy[Message]:
    fields = {field.name: _repeated(field, _wild_value(field, vocabulary)) for field in descriptor.fields}
    made = GetMessageClass(descriptor)
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: made(**values))


def _repeated(field: FieldDescriptor, one: st.SearchStrategy[Any], *, least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(one, min_size=least, max_size=_MOST_REPEATED) if field.is_repeated else one


def _tame_field(field: FieldDescriptor, vocabulary: Vocabulary, kind: Kind) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _repeated(field, _of_message(field.message_type, vocabulary, kind))
    if field.type == FieldDescriptor.TYPE_STRING:
        return _repeated(field, st.sampled_from(vocabulary.of(field)), least=int(field.name in vocabulary.needed))
    if field.enum_type is not None:
        return _repeated(field, st.sampled_from([*field.enum_type.values_by_number]))
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.sampled_from([b"bytes", b"\xff\0"])
    return st.sampled_from(_TAME_NUMBERS)


def _wild_value(field: FieldDescriptor, vocabulary: Vocabulary) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _of_message(field.message_type, vocabulary, _wild)
    if field.enum_type is not None:
        return st.sampled_from([*field.enum_type.values_by_number, 99, -1])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_STRING:
        words = vocabulary.of(field)
        if field.name in _NEVER_WILD:
            return st.sampled_from(words)
        return st.one_of(st.sampled_from(words), st.sampled_from(_ODD_TEXT), _ANY_TEXT)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.one_of(st.binary(max_size=40), st.just(bytes(65_537)))
    least, most = _BITS[field.type]
    return st.one_of(st.sampled_from([least, most, *_TAME_NUMBERS]), st.integers(least, most))


# What is no name of a host here could be one on the network.
_NEVER_WILD = frozenset({"host"})


def _of_message(descriptor: Descriptor, vocabulary: Vocabulary, kind: Kind) -> st.SearchStrategy[Message]:
    if descriptor.full_name != "google.protobuf.Duration":
        return kind(descriptor, vocabulary)
    # What is to be waited for is short, so that no right answer takes long.
    seconds, nanos = (
        ([0], [0, 1, 10**8]) if kind is not _wild else ([-(2**63), 2**63 - 1, -1, 1], [-(2**31), -1, 2**31 - 1])
    )
    made = GetMessageClass(descriptor)
    return st.builds(made, seconds=st.sampled_from(seconds), nanos=st.sampled_from(nanos))
