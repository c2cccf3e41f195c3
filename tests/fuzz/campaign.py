"""A run of questions to one host: fills in what there is, asks, and holds every answer against the RPC's table."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from poolfleet.v1 import operation_pb2
from scripts.contract_tables import error_tables
from scripts.embedded.host import EmbeddedHost
from tests.fuzz.asking import ask
from tests.fuzz.host import furnish
from tests.fuzz.outside import Outsider
from tests.fuzz.questions import Question
from tests.fuzz.vocabulary import ETAG, OPERATION, TOKEN
from tests.raw_agent import RawAgent, Refused, refused

FURNISH_EVERY = 200
"""Messages, after which all is there again that the vocabulary knows."""
OUTSIDE_EVERY = 7
"""Messages, after which somebody else does something on the host."""
MOST_AT_ONCE = 12

Outcome = tuple[str, str]
"""Code and reason."""

_OF_ANY_MESSAGE: frozenset[Outcome] = frozenset(
    {("INVALID_ARGUMENT", "INVALID_FIELD"), ("RESOURCE_EXHAUSTED", "TOO_BUSY"), ("UNAVAILABLE", "AGENT_STOPPING")}
)
_OF_OTHERS: dict[str, frozenset[Outcome]] = {
    "grpc.health.v1.Health/Check": _OF_ANY_MESSAGE | {("NOT_FOUND", "")},
    "grpc.health.v1.Health/Watch": _OF_ANY_MESSAGE,
    "grpc.health.v1.Health/List": _OF_ANY_MESSAGE | {("UNIMPLEMENTED", "")},
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _OF_ANY_MESSAGE,
}
"""What services answer that are not of our contract."""


def documented() -> dict[str, frozenset[Outcome]]:
    """The outcomes of every RPC, by its path."""
    return {**{path: table.outcomes for path, table in error_tables().items()}, **_OF_OTHERS}


@dataclass
class Campaign:
    """Asks, and remembers what came of it.

    `faults`: one example of each answer that is not documented, or is INTERNAL, which the tables have for what nobody
    foresaw, and a person is to mend.
    """

    host: EmbeddedHost
    agent: RawAgent
    documented: dict[str, frozenset[Outcome]] = field(default_factory=documented)
    asked: int = 0
    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    faults: dict[tuple[str, str, str], str] = field(default_factory=dict)
    longest_s: tuple[float, str] = (0.0, "")
    _operations: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    _tokens: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    _etags: dict[tuple[str, str], str] = field(default_factory=dict)
    _in_flight: set[asyncio.Task[None]] = field(default_factory=set)
    _furnish_at: int = 0
    _furnishing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._outsider = Outsider(self.host)

    async def ask_many(self, asked: st.SearchStrategy[Question], messages: int) -> None:
        """Ask so many, and wait for all answers."""
        for question in _examples(asked, messages):
            await self._ask_beside_others(question)
        while self._in_flight:
            await self._wait(asyncio.ALL_COMPLETED)

    async def _ask_beside_others(self, question: Question) -> None:
        if self._furnishing is None or self._furnishing.done():
            if self.asked >= self._furnish_at:
                self._furnish_at = self.asked + FURNISH_EVERY
                self._furnishing = self._begin(self._furnish())
            elif self.asked % OUTSIDE_EVERY == 0:
                self._outsider.do_something()
        self.asked += 1
        self._begin(self._ask(question))
        while len(self._in_flight) >= MOST_AT_ONCE:
            await self._wait(asyncio.FIRST_COMPLETED)

    def _begin(self, asking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(asking)
        self._in_flight.add(task)
        return task

    async def _wait(self, until: str) -> None:
        done, self._in_flight = await asyncio.wait(self._in_flight, return_when=until)
        for task in done:
            task.result()

    async def _furnish(self) -> None:
        self._etags.clear()
        self._outsider.put_back()
        await furnish(self.host, self.agent)

    async def _ask(self, question: Question) -> None:
        self._fill_in(question.request)
        began_s = time.monotonic()
        try:
            answer = await ask(self.agent, question)
        except Refused as error:
            self._note(question, error, by_grpc=question.refused_by_grpc)
            answer = None
        else:
            self.seen[question.path, "OK", ""] += 1
        self.longest_s = max(self.longest_s, (time.monotonic() - began_s, question.path))
        if answer is not None:
            await self._learn(question, answer)

    async def _learn(self, question: Question, answer: Any) -> None:
        """Keep what later messages may name, and see an operation to its end."""
        if token := getattr(answer, "next_page_token", ""):
            self._tokens.append(token)
        for named in _etagged(answer):
            self._etags[_name_of(named)] = named.etag
        if "request_id" in question.method.input_type.fields_by_name and answer.operation.id:
            self._operations.append(answer.operation.id)
            operation = await self.agent.ended(answer.operation)
            if operation.state != operation_pb2.OPERATION_STATE_SUCCEEDED:
                self._note(question, refused(operation.error))

    def _fill_in(self, request: Message) -> None:
        for known, value in request.ListFields():
            if value == OPERATION and self._operations:
                setattr(request, known.name, self._operations[-1])
            elif value == TOKEN and self._tokens:
                setattr(request, known.name, self._tokens[-1])
            elif value == ETAG:
                request.etag = self._etags.get(_asked_for(request), "")  # type: ignore[attr-defined]
            elif known.name == "operations" and OPERATION in value and self._operations:
                value[list(value).index(OPERATION)] = self._operations[-1]

    def _note(self, question: Question, error: Refused, *, by_grpc: frozenset[str] = frozenset()) -> None:
        self.seen[question.path, error.code, error.reason] += 1
        fits = (error.code, error.reason) in self.documented[question.path] and error.reason != "INTERNAL"
        if not fits and not (not error.reason and error.code in by_grpc):
            self.faults.setdefault((question.path, error.code, error.reason), f"{error}\n{question}")


def _examples(asked: st.SearchStrategy[Question], count: int) -> list[Question]:
    """What hypothesis makes: nothing is asked while it does, and it keeps no memory of what it made before."""
    made: list[Question] = []

    @settings(max_examples=count, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(question=asked)
    def make(question: Question) -> None:
        made.append(question)

    make()
    return made[:count]


_HAVE_ETAGS = {"poolfleet.v1.Pool", "poolfleet.v1.Volume", "poolfleet.v1.Secret"}


def _etagged(answer: Message) -> Iterator[Any]:
    """Pools, volumes and secrets in an answer, and in its operation."""
    for known, value in answer.ListFields():
        if known.message_type is None:
            continue
        if known.message_type.full_name in _HAVE_ETAGS:
            yield from value if known.is_repeated else [value]
        elif known.message_type.full_name == "poolfleet.v1.Operation" and not known.is_repeated:
            yield from _etagged(value)


def _name_of(named: Any) -> tuple[str, str]:
    """Of an object that has an etag."""
    match named.DESCRIPTOR.name:
        case "Pool":
            return named.name, ""
        case "Volume":
            return named.pool, named.name
    return "", named.usage_id


def _asked_for(request: Any) -> tuple[str, str]:
    """The name of the object that a request would change, as `_name_of` has it."""
    secret = getattr(request, "secret", None) or getattr(request, "spec", None)
    if not hasattr(request, "pool"):
        return "", getattr(secret, "usage_id", "")
    return request.pool, getattr(request, "volume", "")
