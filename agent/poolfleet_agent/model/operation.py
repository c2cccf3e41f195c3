"""One mutation's record: it survives its caller and a restart of the agent."""

from dataclasses import dataclass
from enum import StrEnum

from poolfleet_agent.model.errors import Reason, Violation


class OperationKind(StrEnum):
    """What an operation does."""

    DEFINE_POOL = "DEFINE_POOL"
    UPDATE_POOL = "UPDATE_POOL"
    UNDEFINE_POOL = "UNDEFINE_POOL"
    ERASE_POOL = "ERASE_POOL"
    START_POOL = "START_POOL"
    STOP_POOL = "STOP_POOL"
    BUILD_POOL = "BUILD_POOL"
    REFRESH_POOL = "REFRESH_POOL"
    ADOPT_STORAGE = "ADOPT_STORAGE"
    CREATE_VOLUME = "CREATE_VOLUME"
    DELETE_VOLUME = "DELETE_VOLUME"
    CLONE_VOLUME = "CLONE_VOLUME"
    RESIZE_VOLUME = "RESIZE_VOLUME"
    WIPE_VOLUME = "WIPE_VOLUME"
    SET_SECRET = "SET_SECRET"  # noqa: S105  a kind, not a secret
    DELETE_SECRET = "DELETE_SECRET"  # noqa: S105


class OperationState(StrEnum):
    """Where an operation stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether it will never change again."""
        return self in {OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Bytes done and in all (None: not known)."""

    done_bytes: int
    total_bytes: int | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of an operation that tries more than once; times are seconds since the epoch."""

    number: int
    started_at_s: float
    duration_s: float | None = None
    failure: str = ""
    message: str = ""
    retry_delay_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an operation did not succeed: a ModelError as it is stored."""

    reason: Reason
    message: str
    metadata: tuple[tuple[str, str], ...] = ()
    violations: tuple[Violation, ...] = ()
    retry_delay_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One mutation of a pool, volume or secret. Immutable: each change makes a new one.

    Times are seconds since the epoch. `secret`: what names the secret that it is about; pool and volume are empty then.
    `result` is the encoded object as the Encoder made it; `result_kind` says which (`pool`, `volume`, `secret`, ``).
    """

    id: str
    kind: OperationKind
    pool: str
    volume: str = ""
    secret: str = ""
    caller: str = ""
    state: OperationState = OperationState.RUNNING
    progress: Progress | None = None
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[str, ...] = ()
    cancellable: bool = False
    cancel_requested: bool = False
    deadline_s: float | None = None
    request_ids: tuple[str, ...] = ()
    created_at_s: float = 0.0
    ended_at_s: float | None = None
    result_kind: str = ""
    result: bytes = b""
    failure: Failure | None = None
    changed: bool = False
    debris: str = ""
    """What a restart has to remove if the operation never ended: a JSON document that its use case understands."""

    @property
    def place_in_order(self) -> tuple[str, str]:
        """What lists are sorted by: the newest first."""
        return f"{10**18 - round(self.created_at_s * 1_000_000):020d}", self.id
