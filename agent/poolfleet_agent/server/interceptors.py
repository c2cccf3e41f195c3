"""What happens around every call, whatever its service: bounds, who calls, errors, the log and the metrics.

It is a wrapper put around each handler when its service is registered: some microseconds a call, where gRPC's own
interceptors cost several times that.
"""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar, cast

import grpc
import structlog
from google.protobuf.message import DecodeError

from poolfleet_agent.model.errors import Code, ModelError, Reason, invalid_field
from poolfleet_agent.server.authz import caller_of
from poolfleet_agent.services.caller import set_caller
from poolfleet_agent.services.errors import abort

_log = structlog.stdlib.get_logger(__name__)

_ServicerT = TypeVar("_ServicerT")
Context = grpc.aio.ServicerContext[Any, Any]
Unary = Callable[[Any, Context], Awaitable[Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Streaming = Callable[[Any, Context], AsyncIterator[Any]]

_OWN_SERVICES = "poolfleet."
_HARMLESS = ("Get", "List", "Lookup", "Wait", "Watch", "Cancel")
"""How the names of RPCs begin that a stopping agent still answers; streams apart."""
_WAITING = ("Wait", "Watch")
_BUSY_RETRY_S = 1.0
_STOPPING_RETRY_S = 5.0
_END = object()


class CallMetrics(Protocol):
    """Where calls are counted."""

    def called(self, method: str, code: str, seconds: float) -> None:
        """Count a call that has ended."""
        ...


@dataclass(slots=True)
class _Call:
    method: str
    started_s: float
    caller: str = ""
    code: str = "OK"


class Registrar:
    """Takes the place of the server when services are added to it, and knows the calls that are being answered."""

    def __init__(
        self,
        server: grpc.aio.Server,
        *,
        longest_calls: int,
        longest_streams: int,
        slow_call_s: float,
        metrics: CallMetrics | None = None,
    ) -> None:
        """Bounds are of calls and of streams at once; calls that last longer than `slow_call_s` are logged."""
        self._server = server
        self._longest_calls = longest_calls
        self._longest_streams = longest_streams
        self._slow_call_s = slow_call_s
        self._metrics = metrics
        self._log_each = logging.getLogger().isEnabledFor(logging.DEBUG)
        self._calls = 0
        self._streams = 0
        self._waits: set[asyncio.Timeout] = set()
        self._draining = False
        self.services: list[str] = []

    def register(self, add: Callable[[_ServicerT, grpc.aio.Server], None], servicer: _ServicerT) -> None:
        """Add a service by its generated `add_…Servicer_to_server`."""
        add(servicer, cast("grpc.aio.Server", self))

    def drain(self) -> None:
        """Refuse from now on what changes something, refuse new streams, and end the open ones."""
        self._draining = True
        now_s = asyncio.get_running_loop().time()
        for wait in self._waits:
            wait.reschedule(now_s)

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Called by generated code; what it adds here comes again, with names, in the next call."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Called by generated code: wraps each handler and adds it to the server."""
        own = service.startswith(_OWN_SERVICES)
        wrapped = {name: self._wrapped(f"{service}/{name}", handler, own=own) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))
        self._server.add_registered_method_handlers(service, wrapped)
        self.services.append(service)

    def _wrapped(self, method: str, handler: Any, *, own: bool) -> Handler:
        serialize = partial(_encoded, handler.response_serializer)
        if handler.unary_unary:
            unary = self._unary(method, handler.unary_unary, handler.request_deserializer, own=own)
            return grpc.unary_unary_rpc_method_handler(unary, response_serializer=serialize)
        if handler.unary_stream:
            streaming = self._streaming(method, handler.unary_stream, partial(_parsed, handler.request_deserializer))
            return grpc.unary_stream_rpc_method_handler(streaming, response_serializer=serialize)
        if handler.stream_stream:
            # Parsed here: to what gRPC cannot parse it has no answer but UNKNOWN.
            streaming = self._streaming(
                method, handler.stream_stream, partial(_each_parsed, handler.request_deserializer)
            )
            return grpc.stream_stream_rpc_method_handler(streaming, response_serializer=serialize)
        raise TypeError(f"{method}: calls with a stream of requests and one answer are not wrapped yet")

    def _unary(self, method: str, behavior: Unary, parse: Callable[[bytes], Any], *, own: bool) -> Unary:
        refused_while_draining = own and not method.rpartition("/")[2].startswith(_HARMLESS)

        async def answer(raw: bytes, context: Context) -> Any:
            call = _Call(method, time.perf_counter())
            self._calls += 1
            try:
                if own and self._calls > self._longest_calls:
                    raise _too_busy(f"more than {self._longest_calls} calls at once", self._longest_calls)
                if self._draining and refused_while_draining:
                    raise _stopping()
                call.caller = caller_of(context)
                set_caller(call.caller)
                return await behavior(_parsed(parse, raw), context)
            except (asyncio.CancelledError, grpc.aio.InternalError):
                # The second: gRPC could not send what it was given, for the caller has left.
                call.code = Code.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001  translated, logged, and told to the caller
                await _fail(call, context, error)
            finally:
                self._calls -= 1
                self._ended(call)

        return answer

    def _streaming(self, method: str, behavior: Streaming, requested: Callable[[Any], Any]) -> Unary:
        async def answer(raw: Any, context: Context) -> None:
            call = _Call(method, time.perf_counter())
            self._streams += 1
            try:
                if self._streams > self._longest_streams:
                    raise _too_busy(f"more than {self._longest_streams} streams at once", self._longest_streams)
                if self._draining:
                    raise _stopping()
                call.caller = caller_of(context)
                set_caller(call.caller)
                responses: Any = behavior(requested(raw), context)
                async with contextlib.aclosing(responses):
                    await self._pump(responses, context)
            except (asyncio.CancelledError, grpc.aio.InternalError):
                # The second: gRPC could not send what it was given, for the caller has left.
                call.code = Code.CANCELLED
                raise
            except Exception as error:  # noqa: BLE001  translated, logged, and told to the caller
                await _fail(call, context, error)
            finally:
                self._streams -= 1
                self._ended(call)

        return answer

    async def _pump(self, responses: AsyncIterator[Any], context: Context) -> None:
        """Send until the stream ends by itself or drain ends it: in its wait for what comes next, never in a write.

        gRPC takes no status while a message is on its way.
        """
        while not self._draining:
            try:
                async with asyncio.timeout(None) as limit:
                    self._waits.add(limit)
                    response = await anext(responses, _END)
            except TimeoutError:
                if limit.expired():
                    break
                raise
            finally:
                self._waits.discard(limit)
            if response is _END:
                return
            await context.write(response)
        raise _stopping()

    def _ended(self, call: _Call) -> None:
        seconds = time.perf_counter() - call.started_s
        if self._metrics is not None:
            self._metrics.called(call.method, call.code, seconds)
        slow = seconds > self._slow_call_s and not call.method.rpartition("/")[2].startswith(_WAITING)
        if slow or self._log_each:
            log = _log.info if slow else _log.debug
            log(
                "call",
                method=call.method,
                caller=call.caller,
                code=str(call.code),
                seconds=round(seconds, 6),
                slow=slow,
            )


def _parsed(parse: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return parse(raw)
    except DecodeError as error:
        raise invalid_field("request", "is not a message of this RPC, or a string in it is not UTF-8") from error


async def _each_parsed(parse: Callable[[bytes], Any], raws: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for raw in raws:
        yield _parsed(parse, raw)


def _encoded(serialize: Callable[[Any], bytes], response: Any) -> bytes:
    """What goes out; a servicer may have encoded its answer itself."""
    return response if isinstance(response, bytes) else serialize(response)


async def _fail(call: _Call, context: Context, error: Exception) -> NoReturn:
    if isinstance(error, grpc.aio.AbortError):
        call.code = _name_of(context.code())
        raise error
    if not isinstance(error, ModelError):
        correlation_id = str(uuid.uuid4())
        _log.error("call failed unexpectedly", method=call.method, correlation_id=correlation_id, exc_info=error)
        error = ModelError(
            Reason.INTERNAL,
            f"an error that nobody foresaw; the agent's log has it under {correlation_id}",
            metadata={"correlation_id": correlation_id},
        )
    elif error.code is Code.INTERNAL:
        _log.error("call failed", method=call.method, error=error.message, metadata=error.metadata)
    call.code = error.code
    await abort(context, error)


def _name_of(code: object) -> str:
    if isinstance(code, grpc.StatusCode):
        return code.name
    return next((status.name for status in grpc.StatusCode if status.value[0] == code), "UNKNOWN")


def _too_busy(what: str, limit: int) -> ModelError:
    return ModelError(Reason.TOO_BUSY, what, metadata={"limit": str(limit)}, retry_delay_s=_BUSY_RETRY_S)


def _stopping() -> ModelError:
    return ModelError(Reason.AGENT_STOPPING, "the agent is shutting down", retry_delay_s=_STOPPING_RETRY_S)
