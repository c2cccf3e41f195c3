"""Kinds of mount failure, and which of them are tried again."""

from dataclasses import dataclass
from enum import StrEnum


class MountFailure(StrEnum):
    """Why a share could not be mounted."""

    CONNECTION_REFUSED = "CONNECTION_REFUSED"
    TIMED_OUT = "TIMED_OUT"
    NO_ROUTE = "NO_ROUTE"
    NETWORK_UNREACHABLE = "NETWORK_UNREACHABLE"
    NAME_TEMPORARY = "NAME_TEMPORARY"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    RPC_NOT_REGISTERED = "RPC_NOT_REGISTERED"
    SERVER_BUSY = "SERVER_BUSY"
    SYSTEM_CALL_FAILED = "SYSTEM_CALL_FAILED"
    STALE = "STALE"
    ACCESS_DENIED = "ACCESS_DENIED"
    NO_SUCH_EXPORT = "NO_SUCH_EXPORT"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    BAD_OPTION = "BAD_OPTION"
    HELPER_MISSING = "HELPER_MISSING"
    NOT_PRIVILEGED = "NOT_PRIVILEGED"
    LOGIN_FAILED = "LOGIN_FAILED"
    SQUASHED = "SQUASHED"
    TARGET_MISSING = "TARGET_MISSING"
    TARGET_BUSY = "TARGET_BUSY"
    WRONG_SHARE = "WRONG_SHARE"
    UNKNOWN = "UNKNOWN"


class Retry(StrEnum):
    """How often a kind of failure is tried again."""

    ALWAYS = "ALWAYS"
    """Within the deadline: it passes by itself."""
    FEW = "FEW"
    """A few times, then it counts as permanent: an export may just be reloading."""
    BOUNDED = "BOUNDED"
    """At most five times, each logged with its text: nobody knows what it is."""
    NEVER = "NEVER"
    """Trying again would not help."""


RETRY: dict[MountFailure, Retry] = {
    MountFailure.CONNECTION_REFUSED: Retry.ALWAYS,
    MountFailure.TIMED_OUT: Retry.ALWAYS,
    MountFailure.NO_ROUTE: Retry.ALWAYS,
    MountFailure.NETWORK_UNREACHABLE: Retry.ALWAYS,
    MountFailure.NAME_TEMPORARY: Retry.ALWAYS,
    MountFailure.RPC_NOT_REGISTERED: Retry.ALWAYS,
    MountFailure.SERVER_BUSY: Retry.ALWAYS,
    MountFailure.SYSTEM_CALL_FAILED: Retry.ALWAYS,
    MountFailure.STALE: Retry.ALWAYS,
    MountFailure.ACCESS_DENIED: Retry.FEW,
    MountFailure.UNKNOWN: Retry.BOUNDED,
    MountFailure.NAME_UNKNOWN: Retry.NEVER,
    MountFailure.NO_SUCH_EXPORT: Retry.NEVER,
    MountFailure.NOT_SUPPORTED: Retry.NEVER,
    MountFailure.BAD_OPTION: Retry.NEVER,
    MountFailure.HELPER_MISSING: Retry.NEVER,
    MountFailure.NOT_PRIVILEGED: Retry.NEVER,
    MountFailure.LOGIN_FAILED: Retry.NEVER,
    MountFailure.SQUASHED: Retry.NEVER,
    MountFailure.TARGET_MISSING: Retry.NEVER,
    MountFailure.TARGET_BUSY: Retry.NEVER,
    MountFailure.WRONG_SHARE: Retry.NEVER,
}

FEW_TRIES = 3
BOUNDED_TRIES = 5
BOOT_NAME_GRACE_S = 300.0
"""So long after the boot a name that is not known may only not be known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long and how often an operation tries to mount. Delays grow twofold with jitter between first and longest."""

    deadline_s: float = 120.0
    attempts: int = 0
    """0: as many as the deadline allows."""
    first_delay_s: float = 0.5
    longest_delay_s: float = 15.0


def tries_left(failure: MountFailure, *, times_seen: int, uptime_s: float) -> bool:
    """Whether a failure seen so many times in this operation is worth another try."""
    retry = RETRY[failure]
    if failure is MountFailure.NAME_UNKNOWN and uptime_s < BOOT_NAME_GRACE_S:
        retry = Retry.FEW
    match retry:
        case Retry.ALWAYS:
            return True
        case Retry.FEW:
            return times_seen < FEW_TRIES
        case Retry.BOUNDED:
            return times_seen < BOUNDED_TRIES
        case Retry.NEVER:
            return False


class MountError(Exception):
    """One attempt failed: kind, the words of what failed, and the layer that it failed in."""

    def __init__(self, failure: MountFailure, message: str, *, layer: str = "mount") -> None:
        """`layer`: `dns`, `tcp`, `rpc`, `export`, `mount`, `proof`, `libvirt`."""
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.layer = layer
