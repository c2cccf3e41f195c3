"""The one mapper from gRPC's and `google.rpc`'s errors to the exceptions of `poolfleet.types.errors`."""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from poolfleet.types.errors import CLASSES, InternalError, PoolfleetError, Violation

DETAILS_KEY = "grpc-status-details-bin"
UNREACHABLE = "UNREACHABLE"
DEADLINE = "DEADLINE"

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}
# What an error without ErrorInfo means: no agent sent it, so gRPC did.
_OWN_REASONS = {"UNAVAILABLE": UNREACHABLE, "DEADLINE_EXCEEDED": DEADLINE}


def from_call(error: grpc.aio.AioRpcError, *, host: str | None, target: str) -> PoolfleetError:
    """Map the status that a call ended with, its details included."""
    status = _details(error)
    if status is not None:
        return from_status(status, host=host)
    code, text = error.code().name, error.details() or "no details"
    if code == "UNAVAILABLE":
        # gRPC strings together every layer that it passed; the system's own words stand at the end.
        text = f"The agent at {target} cannot be reached: {text.rpartition(': ')[2]}"
    elif code == "DEADLINE_EXCEEDED":
        text = f"The agent at {target} did not answer in time."
    return _make(code, text, status_pb2.Status().details, host=host, operation_id=None)


def from_status(status: status_pb2.Status, *, host: str | None, operation_id: str | None = None) -> PoolfleetError:
    """Map a `google.rpc.Status`: of a call, or of an operation that failed (then with its id)."""
    code = _NAMES.get(status.code, "UNKNOWN")
    return _make(code, status.message, status.details, host=host, operation_id=operation_id)


def _details(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata():
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _make(
    code: str, message: str, details: Iterable[AnyMessage], *, host: str | None, operation_id: str | None
) -> PoolfleetError:
    info = error_details_pb2.ErrorInfo()
    bad, retry = error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_delay_s: float | None = None
    for detail in details:
        if detail.Unpack(retry):
            retry_delay_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif not detail.Unpack(info):
            detail.Unpack(bad)
    return CLASSES.get(code, InternalError)(
        message,
        reason=info.reason or _OWN_REASONS.get(code, ""),
        code=code,
        metadata=info.metadata,
        violations=tuple(Violation(field=v.field, description=v.description) for v in bad.field_violations),
        retry_delay_s=retry_delay_s,
        operation_id=operation_id,
        host=host,
    )
