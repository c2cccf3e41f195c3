"""The one error of the agent's inside: a reason, the code that goes with it, and every value the message speaks of.

Adapters raise it where they know the cause; services turn it into a gRPC status, operations store it as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Names of the gRPC codes that the agent uses."""

    CANCELLED = "CANCELLED"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    UNAVAILABLE = "UNAVAILABLE"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    INTERNAL = "INTERNAL"


_REASONS: dict[Code, str] = {
    Code.NOT_FOUND: "POOL_NOT_FOUND VOLUME_NOT_FOUND OPERATION_NOT_FOUND SECRET_NOT_FOUND",
    Code.ALREADY_EXISTS: "POOL_EXISTS VOLUME_EXISTS SOURCE_IN_USE SECRET_EXISTS",
    Code.INVALID_ARGUMENT: "INVALID_FIELD PATH_NOT_ALLOWED REQUEST_ID_REUSED TOKEN_MISMATCH",
    Code.OUT_OF_RANGE: "TOO_LARGE",
    Code.FAILED_PRECONDITION: (
        "TARGET_IN_USE POOL_IN_USE VOLUME_IN_USE NOT_A_VOLUME SYMLINK_LEAVES_POOL MOUNT_NOT_OURS"
        " HOST_MOUNT_UNRESPONSIVE MOUNT_FAILED SQUASHED IDMAP UNMOUNTED WRONG_SHARE STALE READ_ONLY OBSERVE_ONLY"
        " IDENTITY_CONFLICT AGENT_NOT_AUTHORIZED POOL_NOT_ACTIVE POOL_ACTIVE POOL_ALREADY_BUILT POOL_TRANSIENT"
        " PATH_NOT_USABLE NOT_CANCELLABLE WRONG_STATE WOULD_SHRINK SECRET_IN_USE SECRET_NOT_USABLE"
    ),
    Code.ABORTED: "ETAG_MISMATCH OPERATION_IN_PROGRESS NAME_RESERVED RESOURCE_BUSY",
    Code.UNAVAILABLE: (
        "POOL_UNRESPONSIVE SERVER_IN_GRACE REGISTRY_NOT_LOADED LIBVIRT_UNAVAILABLE AGENT_RESTARTED"
        " MOUNT_RETRIES_EXHAUSTED AGENT_STOPPING OPERATION_TIMED_OUT"
    ),
    Code.RESOURCE_EXHAUSTED: "NO_SPACE FULL QUOTA_EXCEEDED TOO_BUSY",
    Code.UNIMPLEMENTED: "NOT_SUPPORTED_HERE",
    Code.CANCELLED: "OPERATION_CANCELLED",
    Code.INTERNAL: "INTERNAL",
}


class Reason(StrEnum):
    """Why something was refused or failed: `ErrorReason` of the API without its prefix."""

    POOL_NOT_FOUND = "POOL_NOT_FOUND"
    VOLUME_NOT_FOUND = "VOLUME_NOT_FOUND"
    OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
    SECRET_NOT_FOUND = "SECRET_NOT_FOUND"  # noqa: S105  a reason, not a secret
    POOL_EXISTS = "POOL_EXISTS"
    VOLUME_EXISTS = "VOLUME_EXISTS"
    SOURCE_IN_USE = "SOURCE_IN_USE"
    SECRET_EXISTS = "SECRET_EXISTS"  # noqa: S105
    INVALID_FIELD = "INVALID_FIELD"
    PATH_NOT_ALLOWED = "PATH_NOT_ALLOWED"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    TOKEN_MISMATCH = "TOKEN_MISMATCH"  # noqa: S105  a reason, not a secret
    TOO_LARGE = "TOO_LARGE"
    TARGET_IN_USE = "TARGET_IN_USE"
    POOL_IN_USE = "POOL_IN_USE"
    VOLUME_IN_USE = "VOLUME_IN_USE"
    NOT_A_VOLUME = "NOT_A_VOLUME"
    SYMLINK_LEAVES_POOL = "SYMLINK_LEAVES_POOL"
    MOUNT_NOT_OURS = "MOUNT_NOT_OURS"
    HOST_MOUNT_UNRESPONSIVE = "HOST_MOUNT_UNRESPONSIVE"
    MOUNT_FAILED = "MOUNT_FAILED"
    SQUASHED = "SQUASHED"
    IDMAP = "IDMAP"
    UNMOUNTED = "UNMOUNTED"
    WRONG_SHARE = "WRONG_SHARE"
    STALE = "STALE"
    READ_ONLY = "READ_ONLY"
    OBSERVE_ONLY = "OBSERVE_ONLY"
    IDENTITY_CONFLICT = "IDENTITY_CONFLICT"
    AGENT_NOT_AUTHORIZED = "AGENT_NOT_AUTHORIZED"
    POOL_NOT_ACTIVE = "POOL_NOT_ACTIVE"
    POOL_ACTIVE = "POOL_ACTIVE"
    POOL_ALREADY_BUILT = "POOL_ALREADY_BUILT"
    POOL_TRANSIENT = "POOL_TRANSIENT"
    PATH_NOT_USABLE = "PATH_NOT_USABLE"
    NOT_CANCELLABLE = "NOT_CANCELLABLE"
    WRONG_STATE = "WRONG_STATE"
    WOULD_SHRINK = "WOULD_SHRINK"
    SECRET_IN_USE = "SECRET_IN_USE"  # noqa: S105
    SECRET_NOT_USABLE = "SECRET_NOT_USABLE"  # noqa: S105
    ETAG_MISMATCH = "ETAG_MISMATCH"
    OPERATION_IN_PROGRESS = "OPERATION_IN_PROGRESS"
    NAME_RESERVED = "NAME_RESERVED"
    RESOURCE_BUSY = "RESOURCE_BUSY"
    POOL_UNRESPONSIVE = "POOL_UNRESPONSIVE"
    SERVER_IN_GRACE = "SERVER_IN_GRACE"
    REGISTRY_NOT_LOADED = "REGISTRY_NOT_LOADED"
    LIBVIRT_UNAVAILABLE = "LIBVIRT_UNAVAILABLE"
    AGENT_RESTARTED = "AGENT_RESTARTED"
    MOUNT_RETRIES_EXHAUSTED = "MOUNT_RETRIES_EXHAUSTED"
    AGENT_STOPPING = "AGENT_STOPPING"
    OPERATION_TIMED_OUT = "OPERATION_TIMED_OUT"
    NO_SPACE = "NO_SPACE"
    FULL = "FULL"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    TOO_BUSY = "TOO_BUSY"
    NOT_SUPPORTED_HERE = "NOT_SUPPORTED_HERE"
    OPERATION_CANCELLED = "OPERATION_CANCELLED"
    INTERNAL = "INTERNAL"

    @property
    def code(self) -> Code:
        """The gRPC code that goes with the reason, wherever it stands."""
        return _CODE_OF[self]


_CODE_OF: dict[Reason, Code] = {Reason(name): code for code, names in _REASONS.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that is wrong, for `google.rpc.BadRequest`."""

    field: str
    description: str


class ModelError(Exception):
    """Something was refused or failed.

    `metadata` has every value that the message speaks of; `retry_delay_s` is set where trying again may help.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_delay_s: float | None = None,
    ) -> None:
        """Take reason, one sentence for people, and the values that it speaks of."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})
        self.violations = violations
        self.retry_delay_s = retry_delay_s

    @property
    def code(self) -> Code:
        """The gRPC code."""
        return self.reason.code

    @property
    def is_denial(self) -> bool:
        """Whether a file system denied it to who asked."""
        return self.metadata.get("errno") in {"EACCES", "EPERM"}

    def __repr__(self) -> str:
        """Reason and message."""
        return f"ModelError({self.reason}: {self.message})"


class NotAskedError(ModelError):
    """libvirt was never asked: nothing has begun."""


def invalid_field(field: str, description: str, *, value: str | None = None) -> ModelError:
    """Refuse a field of a request: INVALID_FIELD with one violation; `value` is shown, shortened, where it is given."""
    metadata = {"field": field}
    if value is not None:
        metadata["value"] = value if len(value) <= 200 else value[:200] + "…"
    return ModelError(
        Reason.INVALID_FIELD, f"{field}: {description}", metadata=metadata, violations=(Violation(field, description),)
    )
