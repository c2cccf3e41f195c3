"""What outlives the process."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from poolfleet_agent.model.desired_state import DesiredState
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.volume import VolumeFacts


class UndecidedError(ModelError):
    """TOO_BUSY while it is at work on what it was asked for: that may still be done. What is asked next comes after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request id that was answered with an operation. `digest` is of RPC and body."""

    caller: str
    rpc: str
    request_id: str
    digest: str
    operation_id: str


class OperationStore(Protocol):
    """Keeps operations and request ids; a row is on disk when the call returns."""

    async def save(self, operation: Operation, request: RequestRecord | None = None) -> None:
        """Insert or replace; with `request`, remember its id in the same transaction. UndecidedError."""
        ...

    async def load_all(self) -> Sequence[Operation]:
        """All kept operations, oldest first."""
        ...

    async def find_request(self, caller: str, rpc: str, request_id: str) -> RequestRecord | None:
        """Look a request id up."""
        ...

    async def remove(self, operation_ids: Collection[str]) -> None:
        """Forget operations, with their request ids; those that are not there too."""
        ...

    async def remove_ended_before(self, ended_before_s: float) -> Sequence[str]:
        """Forget what ended earlier, with its request ids; the answer is the ids."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolIntent:
    """What is kept of a pool beside libvirt: by its UUID."""

    pool_uuid: str
    desired: DesiredState
    supervised: bool


class IntentStore(Protocol):
    """Keeps desired states."""

    async def load_all(self) -> Sequence[PoolIntent]:
        """All of them."""
        ...

    async def save(self, intent: PoolIntent) -> None:
        """Insert or replace."""
        ...

    async def remove(self, pool_uuid: str) -> None:
        """Forget."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPool:
    """One pool of a stored snapshot with its volumes."""

    pool: Pool
    volumes: tuple[VolumeFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSnapshot:
    """A whole inventory as it was stored. Volumes are without their XML."""

    epoch: str
    sequence: int
    as_of_s: float
    pools: tuple[StoredPool, ...]


class BelievedTimeStore(Protocol):
    """Keeps the time of the wall clock as far as it was believed, in seconds since the epoch."""

    async def load(self) -> float | None:
        """What was saved last; None: nothing yet."""
        ...

    async def save(self, at_s: float) -> None:
        """Replace it."""
        ...


class SnapshotStore(Protocol):
    """Keeps the last snapshot."""

    async def load(self) -> StoredSnapshot | None:
        """The last one, if there is one that can be read."""
        ...

    async def save(self, snapshot: StoredSnapshot) -> None:
        """Replace it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentIdentity:
    """Who this agent is: a random id bound to the machine id, and this boot."""

    agent_id: str
    machine_id: str
    boot_id: str
    host_name: str
    kernel: str
    previous_boot_id: str = ""
    """Boot that the agent last ran in: not `boot_id` at the first start after a reboot, empty at the very first."""


class AgentStore(Protocol):
    """Keeps the agent's own id."""

    async def identity(self) -> AgentIdentity:
        """Load, or make at the first start and when the machine id is another."""
        ...
