"""Operations: the records of mutations, which survive their caller."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from poolfleet.types.errors import PoolfleetError
from poolfleet.types.pool import Pool
from poolfleet.types.secret import Secret
from poolfleet.types.volume import Volume


class OperationKind(StrEnum):
    """What an operation does."""

    UNKNOWN = "unknown"
    DEFINE_POOL = "define_pool"
    UPDATE_POOL = "update_pool"
    UNDEFINE_POOL = "undefine_pool"
    ERASE_POOL = "erase_pool"
    START_POOL = "start_pool"
    STOP_POOL = "stop_pool"
    BUILD_POOL = "build_pool"
    REFRESH_POOL = "refresh_pool"
    ADOPT_STORAGE = "adopt_storage"
    CREATE_VOLUME = "create_volume"
    DELETE_VOLUME = "delete_volume"
    CLONE_VOLUME = "clone_volume"
    RESIZE_VOLUME = "resize_volume"
    WIPE_VOLUME = "wipe_volume"
    SET_SECRET = "set_secret"  # noqa: S105  a kind, not a secret
    DELETE_SECRET = "delete_secret"  # noqa: S105


class OperationState(StrEnum):
    """Where an operation stands."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an operation is."""

    done_bytes: int
    total_bytes: int | None
    """None: not known."""
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of an operation that tries more than once."""

    number: int
    """From 1."""
    started_at: datetime | None
    duration_s: float | None
    """None while it runs."""
    failure: str
    """Kind of its failure; empty where it succeeded or runs."""
    message: str
    retry_delay_s: float | None
    """How long the agent waits before the next; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One mutation of a pool, a volume or a secret, as it stood when the agent answered."""

    id: str
    """Empty in the answer to `validate_only`."""
    kind: OperationKind
    pool: str
    volume: str
    """Empty for operations on pools."""
    caller: str
    """`tls:` and the name in the client's certificate, `unix`, or `loopback`."""
    state: OperationState
    secret: str = ""
    """What names the secret that it is about, such as `ceph:client.admin`; pool and volume are empty then."""
    progress: Progress | None = None
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences for people."""
    cancellable: bool = False
    cancel_requested: bool = False
    deadline: datetime | None = None
    """When the agent gives up."""
    request_ids: tuple[str, ...] = ()
    created_at: datetime | None = None
    ended_at: datetime | None = None
    result: Pool | Volume | Secret | None = None
    """The object as it was when the operation ended well; None after undefine, erase and delete."""
    error: PoolfleetError | None = None
    """Why it failed or was cancelled."""
    changed: bool = False
    """False where all was as asked already."""

    @property
    def ended(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.state in ENDED
