"""The one way out for errors: a model error, or the failure of an operation, becomes a gRPC status with its details.

Details travel in the trailing metadata, where clients of other languages accept 8 KiB: what is long is shortened.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    QuotaFailure,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status

from poolfleet_agent.model.errors import Code, ModelError, Reason
from poolfleet_agent.model.operation import Failure

DOMAIN = "poolfleet"
STATUS_DETAILS_KEY = "grpc-status-details-bin"

STATUS_CODES: Mapping[Code, grpc.StatusCode] = {code: grpc.StatusCode[code.name] for code in Code}
"""The model's codes are gRPC's by name: a code that gRPC lacks fails at import."""

# In all, with what percent-encoding and base64 add to it on the wire, less than 8 KiB.
_MESSAGE_BYTES = 600
_METADATA_BYTES = 1500
_VALUE_BYTES = 300
_MOST_VIOLATIONS = 6
_DESCRIPTION_BYTES = 120

_RESOURCES: Mapping[Reason, tuple[str, tuple[str, ...]]] = {
    Reason.POOL_NOT_FOUND: ("pool", ("pool",)),
    Reason.POOL_EXISTS: ("pool", ("pool",)),
    Reason.SOURCE_IN_USE: ("pool", ("existing_pool",)),
    Reason.VOLUME_NOT_FOUND: ("volume", ("volume", "path", "key")),
    Reason.VOLUME_EXISTS: ("volume", ("volume",)),
    Reason.OPERATION_NOT_FOUND: ("operation", ("operation",)),
    Reason.SECRET_NOT_FOUND: ("secret", ("secret",)),
    Reason.SECRET_EXISTS: ("secret", ("secret",)),
}
"""What kind of thing a reason speaks of, and which metadata may have its name, the first that is there."""

_SUBJECTS = ("volume", "pool", "path", "operation", "secret")


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: ModelError) -> NoReturn:
    """End the call with the error's status and details."""
    status = status_of(error)
    details = ((STATUS_DETAILS_KEY, status.SerializeToString()),)
    await context.abort(STATUS_CODES[error.code], status.message, details)
    raise AssertionError("abort always raises")


def status_of(error: ModelError) -> Status:
    """Translate a model error."""
    code, _ = STATUS_CODES[error.code].value
    message = _shortened(error.message, _MESSAGE_BYTES)
    status = Status(code=code, message=message)
    for detail in _details(error, message):
        status.details.add().Pack(detail)
    return status


def status_of_failure(failure: Failure) -> Status:
    """Translate why an operation did not succeed, as the same error of a call would be."""
    return status_of(
        ModelError(
            failure.reason,
            failure.message,
            metadata=dict(failure.metadata),
            violations=failure.violations,
            retry_delay_s=failure.retry_delay_s,
        )
    )


def _details(error: ModelError, message: str) -> Iterator[Message]:
    metadata = _bounded(error.metadata)
    yield ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=metadata)
    if error.violations:
        yield BadRequest(
            field_violations=[
                BadRequest.FieldViolation(
                    field=_shortened(violation.field, _DESCRIPTION_BYTES),
                    description=_shortened(violation.description, _DESCRIPTION_BYTES),
                )
                for violation in error.violations[:_MOST_VIOLATIONS]
            ]
        )
    if error.reason in _RESOURCES:
        kind, keys = _RESOURCES[error.reason]
        yield ResourceInfo(resource_type=kind, resource_name=_first(metadata, keys))
    short = _shortened(message, _VALUE_BYTES)
    if error.code is Code.FAILED_PRECONDITION:
        violation = PreconditionFailure.Violation(
            type=error.reason.value, subject=_first(metadata, _SUBJECTS), description=short
        )
        yield PreconditionFailure(violations=[violation])
    if error.code is Code.RESOURCE_EXHAUSTED and error.reason is not Reason.TOO_BUSY:
        yield QuotaFailure(violations=[QuotaFailure.Violation(subject=_first(metadata, _SUBJECTS), description=short)])
    if error.retry_delay_s is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_delay_s * 1000))
        yield RetryInfo(retry_delay=delay)


def _first(metadata: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((metadata[key] for key in keys if key in metadata), "")


def _bounded(metadata: Mapping[str, str]) -> dict[str, str]:
    left_bytes = _METADATA_BYTES
    bounded: dict[str, str] = {}
    for key, value in metadata.items():
        bounded[key] = _shortened(value, min(_VALUE_BYTES, max(left_bytes, 3)))
        left_bytes -= len(bounded[key].encode())
    return bounded


def _shortened(text: str, limit_bytes: int) -> str:
    # What libvirt and file names bring along may hold lone surrogates, which neither gRPC nor protobuf takes.
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= limit_bytes:
        return raw.decode()
    return raw[: limit_bytes - len("…".encode())].decode("utf-8", "ignore") + "…"
