"""The exceptions of this library: one small tree, by gRPC code; `reason` says what exactly was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from poolfleet.types.operation import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A field of a request that is wrong."""

    field: str
    """Path of the field, such as `spec.target.path`."""
    description: str
    """What is wrong with it, for people."""


class PoolfleetError(Exception):
    """Anything that an agent refused, that an operation failed with, or that kept a call from its agent.

    reason: name of an `ErrorReason` of the contract without its prefix, such as `POOL_NOT_FOUND`; of the client's own
        there are UNREACHABLE (no connection), DEADLINE (no answer in time) and STILL_RUNNING; of a fleet's INCOMPLETE
        (whether a volume is in use cannot be told) and NO_HOST (none of a storage's hosts may act).
    code: name of the gRPC code, such as `NOT_FOUND`.
    metadata: every value that the message speaks of, as the contract lists them for each reason.
    violations: the fields that were wrong, for INVALID_FIELD.
    retry_delay_s: how long the agent asks to wait before another try; None: it asks nothing.
    operation_id: the operation that failed; None where the call was refused before there was one.
    host: name of the agent's host, where the client was given one.
    """

    default_code: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "",
        metadata: Mapping[str, str] = MappingProxyType({}),
        violations: tuple[Violation, ...] = (),
        retry_delay_s: float | None = None,
        operation_id: str | None = None,
        host: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.reason = reason or self.code
        self.metadata = dict(metadata)
        self.violations = violations
        self.retry_delay_s = retry_delay_s
        self.operation_id = operation_id
        self.host = host

    def __str__(self) -> str:
        where = f"{self.host}: " if self.host else ""
        return f"{where}{self.message} [{self.reason}]"


class NotFound(PoolfleetError):
    """The host has no such pool, volume or operation."""

    default_code = "NOT_FOUND"


class AlreadyExists(PoolfleetError):
    """Something of that name, UUID or source exists and differs."""

    default_code = "ALREADY_EXISTS"


class InvalidArgument(PoolfleetError):
    """The request is malformed or asks for what no host could do."""

    default_code = "INVALID_ARGUMENT"


class FailedPrecondition(PoolfleetError):
    """The host is not in the state that the call needs; trying again changes nothing."""

    default_code = "FAILED_PRECONDITION"


class Aborted(PoolfleetError):
    """Something else was at work on the object, or it changed meanwhile."""

    default_code = "ABORTED"


class Unavailable(PoolfleetError):
    """The agent, libvirt or the storage does not answer at present."""

    default_code = "UNAVAILABLE"


class ResourceExhausted(PoolfleetError):
    """No space, no quota, or too many calls at once."""

    default_code = "RESOURCE_EXHAUSTED"


class Unsupported(PoolfleetError):
    """This host's libvirt or agent cannot do that."""

    default_code = "UNIMPLEMENTED"


class Cancelled(PoolfleetError):
    """The operation was cancelled."""

    default_code = "CANCELLED"


class PermissionDenied(PoolfleetError):
    """The agent does not know the caller, or does not let it do that."""

    default_code = "PERMISSION_DENIED"


class InternalError(PoolfleetError):
    """A fault that nobody foresaw, in the agent or below it."""

    default_code = "INTERNAL"


class DeadlineExceeded(PoolfleetError):
    """No answer within the call's timeout."""

    default_code = "DEADLINE_EXCEEDED"


class StillRunning(DeadlineExceeded):
    """The timeout passed and the operation goes on, on the agent: wait for it, watch it or cancel it."""

    def __init__(self, message: str, *, operation: Operation, host: str | None = None) -> None:
        super().__init__(message, reason="STILL_RUNNING", operation_id=operation.id, host=host)
        self.operation = operation


# The one table from a gRPC code's name to the class that stands for it.
CLASSES: Mapping[str, type[PoolfleetError]] = MappingProxyType(
    {
        "CANCELLED": Cancelled,
        "UNKNOWN": InternalError,
        "INVALID_ARGUMENT": InvalidArgument,
        "DEADLINE_EXCEEDED": DeadlineExceeded,
        "NOT_FOUND": NotFound,
        "ALREADY_EXISTS": AlreadyExists,
        "PERMISSION_DENIED": PermissionDenied,
        "RESOURCE_EXHAUSTED": ResourceExhausted,
        "FAILED_PRECONDITION": FailedPrecondition,
        "ABORTED": Aborted,
        "OUT_OF_RANGE": InvalidArgument,
        "UNIMPLEMENTED": Unsupported,
        "INTERNAL": InternalError,
        "UNAVAILABLE": Unavailable,
        "DATA_LOSS": InternalError,
        "UNAUTHENTICATED": PermissionDenied,
    }
)
