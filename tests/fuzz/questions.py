"""What is asked of an agent: a message to any RPC of any service, and ways to send it that no client of ours takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import strategies as st

from tests.fuzz.strategies import Vocabulary, messages
from tests.raw_agent import SERVICES

LIMIT_S = 20.0
"""No call may take so long, however odd."""
SHORT_S = (0.0, 0.0005, 0.005)
LARGEST_MESSAGE_BYTES = 4 << 20

_OF_GRPC: Any = (
    health_pb2.DESCRIPTOR.services_by_name["Health"],
    reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"],
)
EVERY_SERVICE: tuple[ServiceDescriptor, ...] = (*SERVICES, *_OF_GRPC)
"""All that an agent answers."""


@dataclass(frozen=True)
class Sending:
    """How a message travels. `kept`: the share of its bytes, before `tail` is put behind them."""

    kept: float = 1.0
    tail: bytes = b""
    metadata: tuple[tuple[str, str | bytes], ...] = ()
    timeout_s: float = LIMIT_S
    cancelled_after_s: float | None = None
    compressed: bool = False

    def raw(self, message: Message) -> bytes:
        """The bytes that go out."""
        whole = message.SerializeToString()
        return whole[: round(len(whole) * self.kept)] + self.tail

    @property
    def refused_by_grpc(self) -> frozenset[str]:
        """The codes with which gRPC itself may end such a call, before the agent hears of it or after."""
        codes: set[str] = set()
        if self.timeout_s in SHORT_S:
            # A stream whose time is over before its first message has gone out is cancelled by gRPC's client.
            codes |= {"DEADLINE_EXCEEDED", "CANCELLED"}
        if self.cancelled_after_s is not None:
            codes.add("CANCELLED")
        if len(self.tail) > LARGEST_MESSAGE_BYTES or sum(len(value) for _, value in self.metadata) > 8000:
            codes.add("RESOURCE_EXHAUSTED")
        if self.compressed:
            codes.add("UNIMPLEMENTED")
        return frozenset(codes)


@dataclass(frozen=True)
class Question:
    """One call."""

    method: MethodDescriptor
    request: Message
    sending: Sending

    @property
    def path(self) -> str:
        """The RPC: `poolfleet.v1.PoolService/GetPool`."""
        return f"{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def refused_by_grpc(self) -> frozenset[str]:
        """The codes with which gRPC itself may end the call."""
        codes = self.sending.refused_by_grpc
        if self.method.name == "WaitOperation":  # it may be told to wait for longer
            codes |= {"DEADLINE_EXCEEDED"}
        # So its client calls it when a stream ends before its first request is out.
        return codes | {"INTERNAL"} if codes and self.method.client_streaming else codes

    def __str__(self) -> str:
        """For a person, shortened."""
        return f"{self.path} {self.sending!r:.300}\n{self.request!s:.1500}"


def questions(vocabulary: Vocabulary) -> st.SearchStrategy[Question]:
    """To every RPC, to those that change something more often; one in five travels oddly."""
    methods = [method for service in EVERY_SERVICE for method in service.methods]
    methods += [method for method in methods if "request_id" in method.input_type.fields_by_name]
    sendings = st.one_of(*([st.just(Sending())] * 4), _odd_sendings())
    return st.one_of(
        [st.builds(Question, st.just(method), messages(method.input_type, vocabulary), sendings) for method in methods]
    )


def _odd_sendings() -> st.SearchStrategy[Sending]:
    return st.one_of(
        st.builds(Sending, tail=st.sampled_from(_TAILS)),
        st.builds(Sending, tail=st.binary(max_size=60)),
        st.builds(Sending, kept=st.floats(0, 1)),
        st.builds(Sending, kept=st.floats(0, 1), tail=st.binary(min_size=1, max_size=20)),
        st.builds(Sending, metadata=st.sampled_from(_METADATA)),
        st.builds(Sending, timeout_s=st.sampled_from([*SHORT_S, 1e9])),
        st.builds(Sending, cancelled_after_s=st.sampled_from([0.0, 0.0005, 0.002, 0.01, 0.05])),
        st.builds(Sending, compressed=st.just(True), tail=st.sampled_from([b"", _field(1999, bytes(1 << 20))])),
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        value = _field(1, value)
    return value


_TAILS = (
    # Fields that nobody knows, of each wire type; one that is a group.
    _varint(1999 << 3) + _varint(2**64 - 1),
    _varint(1999 << 3 | 1) + bytes(8),
    _field(1999, b"newer"),
    _varint(1999 << 3 | 3) + _varint(1999 << 3 | 4),
    _varint(1999 << 3 | 5) + bytes(4),
    # Known numbers with a wire type of another kind.
    *(_varint(number << 3) + b"\x01" for number in range(1, 5)),
    # No message at all: a field 0, unknown wire types, a group without an end, a number and a length without one.
    b"\x00",
    b"\x06",
    b"\x0f",
    _varint(1999 << 3 | 3),
    b"\x80" * 20,
    _varint(1999 << 3 | 2) + _varint(2**31),
    _nested(50),
    _nested(300),
    _varint(1999 << 3 | 3) * 5000,
    # Larger than any call may be.
    _field(1999, bytes(LARGEST_MESSAGE_BYTES + 1)),
)

_METADATA: tuple[tuple[tuple[str, str | bytes], ...], ...] = (
    (("request-id", "x" * 4000),),
    (("x-request-id", "$(id)"), ("authorization", "Bearer none")),
    (("grpc-status-details-bin", b"\xff" * 100),),
    (("user-agent", "none"), ("te", "x"), ("content-type", "text/html")),
    tuple((f"k{number}", "v") for number in range(100)),
    (("k", "v" * 60_000),),
)
