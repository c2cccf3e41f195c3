"""The shape of every use case that changes something: first checks that change nothing, then work."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from poolfleet_agent.control.report import Report
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.operation import OperationKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a mutation led to: the object as it is now (encoded; empty: gone), and whether anything was done."""

    changed: bool
    result_kind: str = ""
    result: bytes = b""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of_pool(cls, entry: PoolEntry, *, changed: bool, warnings: tuple[str, ...] = ()) -> "Outcome":
        """An outcome that is a pool."""
        return cls(changed=changed, result_kind="pool", result=entry.encoded, warnings=warnings)

    @classmethod
    def of_volume(cls, record: VolumeRecord, *, changed: bool) -> "Outcome":
        """An outcome that is a volume."""
        return cls(changed=changed, result_kind="volume", result=record.encoded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be done, once all checks have passed.

    `debris`: what a restart has to remove if the agent dies meanwhile (see control/recovery). `hopeless` ends, with the
    error that its callers shall have, when a call of the work hangs on what does not answer.
    """

    perform: Callable[[Report], Awaitable[Outcome]]
    timeout_s: float
    warnings: tuple[str, ...] = ()
    cancellable: bool = False
    debris: str = ""
    hopeless: Callable[[], Awaitable[ModelError]] | None = None


class Mutation(ABC):
    """One request to change something: a frozen dataclass of what the request says, and `host`, left out of its repr.

    `check` refuses by ModelError, answers with an Outcome where the object already is as asked, else with the work to
    do; it changes nothing.
    """

    kind: ClassVar[OperationKind]

    @property
    @abstractmethod
    def target(self) -> tuple[str, str]:
        """Names of the pool and of the volume (empty: the pool itself) that it changes."""

    @property
    def reads(self) -> tuple[str, str] | None:
        """Names of the pool and the volume that nobody may change meanwhile, while others may read it too."""
        return None

    @property
    def changes_table(self) -> bool:
        """Whether the volume is a partition that it makes or removes (control/lanes)."""
        return False

    @property
    def secret(self) -> str:
        """What names the secret that it changes, in place of a pool; empty: none."""
        return ""

    @property
    def interrupts(self) -> OperationKind | None:
        """The kind of operation on the same object that this one ends while it waits for its next attempt."""
        return None

    async def overtakes(self) -> bool:
        """Whether it goes on beside the operations that hold its object, and ends what they hang on (control/lanes)."""
        return False

    @property
    def fingerprint(self) -> str:
        """Stands for all that the request says: equal ones join."""
        return repr(self)

    @abstractmethod
    async def check(self) -> Outcome | Work:
        """Decide."""


class SecretMutation(Mutation):
    """One that changes a secret: no pool, and no volume."""

    @property
    def target(self) -> tuple[str, str]:
        """None of either."""
        return "", ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: name, RPC, and the request id with the digest of the body by BodyDigests (both may be empty)."""

    name: str
    rpc: str
    request_id: str = ""
    digest: str = ""
