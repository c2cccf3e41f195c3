"""Asks one question over the wire as it is, and gives what came back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.questions import Question
from tests.raw_agent import RawAgent, refusal_of

MOST_ANSWERS = 20
QUIET_S = 0.2
"""A stream that says nothing for so long is left."""


async def ask(agent: RawAgent, question: Question) -> Message | None:
    """The answer, of a stream the last that was read; None: there was none. Raises Refused."""
    ask_one = _ask_stream if question.method.server_streaming else _ask_unary
    try:
        return await ask_one(agent.channel, question)
    except grpc.aio.AioRpcError as error:
        raise refusal_of(error) from error


async def _ask_unary(channel: grpc.aio.Channel, question: Question) -> Message | None:
    made: Any = channel.unary_unary(f"/{question.path}", None, _parser(question))
    call = made(question.sending.raw(question.request), **_call_options(question))
    with _cancelled(call, question):
        answer: Message = await _told(call)
    return answer


async def _ask_stream(channel: grpc.aio.Channel, question: Question) -> Message | None:
    raw = question.sending.raw(question.request)
    both_ways = question.method.client_streaming
    made: Any = (channel.stream_stream if both_ways else channel.unary_stream)(
        f"/{question.path}", None, _parser(question)
    )
    call = made(_once(raw) if both_ways else raw, **_call_options(question))
    last: Message | None = None
    try:
        with _cancelled(call, question):
            for _ in range(MOST_ANSWERS):
                async with asyncio.timeout(QUIET_S if last is not None else None):
                    answer = await _told(call, call.read)
                if answer is grpc.aio.EOF:
                    break
                last = answer
    except TimeoutError:
        pass
    finally:
        call.cancel()
    return last


async def _told(call: Any, read: Callable[[], Any] | None = None) -> Any:
    """What a call gives; where it was cancelled, and not who waits for it, the status that it ended with."""
    try:
        return await (call if read is None else read())
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(await call.code(), nothing, nothing, await call.details()) from None


@contextlib.contextmanager
def _cancelled(call: Any, question: Question) -> Any:
    if (after_s := question.sending.cancelled_after_s) is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(after_s, call.cancel)
    try:
        yield
    finally:
        timer.cancel()


def _parser(question: Question) -> Callable[[bytes], Any]:
    return GetMessageClass(question.method.output_type).FromString


def _call_options(question: Question) -> dict[str, Any]:
    sending = question.sending
    options: dict[str, Any] = {"timeout": sending.timeout_s, "metadata": sending.metadata}
    if sending.compressed:
        options["compression"] = grpc.Compression.Gzip
    return options


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
