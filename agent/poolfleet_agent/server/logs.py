"""The log: structured events on standard error, ours and those of the libraries, in one format."""

import logging
import sys
from typing import Literal

import grpc
import structlog
from structlog.dev import plain_traceback
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_WORDS = ("password", "passphrase", "secret", "private_key", "credential")
_HIDDEN = "(hidden)"
_GRPC_CALLS = "grpc._cython.cygrpc"
"""The logger of what becomes of calls; filters of a logger do not hold for those below it."""


def configure(level: Literal["debug", "info", "warning", "error"], form: Literal["json", "console"]) -> None:
    """Set the process's log up: one JSON object a line, or text for people."""
    threshold = getattr(logging, level.upper())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    # Both would show the values of local variables by default, and with them whatever is secret.
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    rendering: list[Processor] = (
        [tracebacks, structlog.processors.JSONRenderer()]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    # At debug, gRPC's says several lines for each call, and nothing about it.
    for library in ("grpc", "asyncio"):
        logging.getLogger(library).setLevel(max(threshold, logging.INFO))
    logging.getLogger(_GRPC_CALLS).addFilter(_caller_stayed)
    structlog.configure(
        processors=[
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _caller_stayed(record: logging.LogRecord) -> bool:
    """False for the traceback that gRPC logs as an error when a caller leaves in the moment of the answer."""
    return record.exc_info is None or not isinstance(record.exc_info[1], grpc.aio.InternalError)


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = _HIDDEN
    return event
