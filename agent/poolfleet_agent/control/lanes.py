"""Lanes: who may change what at the same time.

A pool's lifecycle has the pool alone; work on volumes shares the pool and has its volume alone; pools are independent.
Work on a secret has that alone: secrets stand beside each other as volumes do, in the lane of no pool.
Nobody waits in a lane: the same mutation joins the one at work, another one is told to come again.

One kind of work overtakes: what gets rid of a dead share (StopPool by force). Who holds the lane then hangs on that
very share, and comes back only because of it, so it cannot wait for the lane first. Its claim stands beside those that
it overtook, keeps everybody else out as they do, and has the lane to itself when they have released theirs
(`Claim.alone`). Nobody overtakes who overtook.
"""

import asyncio
from dataclasses import dataclass, field

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Failure, Operation, OperationKind


@dataclass(eq=False, kw_only=True)
class Claim:
    """A lane that is held. `decided` ends with the operation, or with the refusal of the checks before it.

    `joinable` ends with the operation, while a call that hangs may hold the lane for longer; `hangs` says on what, if
    that is known, and is what others are told then.
    """

    kind: OperationKind
    pool: str
    volume: str
    fingerprint: str
    decided: "asyncio.Future[Operation]"
    overtaking: bool = False
    overtaken: "tuple[Claim, ...]" = ()
    operation_id: str = ""
    joinable: bool = True
    hangs: Failure | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def alone(self) -> None:
        """Wait until those that it overtook have released their lanes."""
        for claim in self.overtaken:
            await claim.released.wait()


@dataclass
class Lanes:
    """All lanes of the host. Claims and releases happen on the event loop, without waiting."""

    _claims: dict[str, list[Claim]] = field(default_factory=dict)

    def claim(
        self, *, kind: OperationKind, pool: str, volume: str, fingerprint: str, overtaking: bool = False
    ) -> tuple[Claim, bool]:
        """Take a lane, or join who holds it with the same mutation; True: it is newly taken. OPERATION_IN_PROGRESS.

        `overtaking`: take it beside those who hold it.
        """
        held = self._claims.get(pool, [])
        overtaken: list[Claim] = []
        for claim in held:
            if volume and claim.volume and claim.volume != volume:
                continue
            if claim.joinable and (claim.kind, claim.volume, claim.fingerprint) == (kind, volume, fingerprint):
                return claim, False
            if not overtaking or claim.overtaking:
                raise _in_progress(claim)
            overtaken.append(claim)
        new = Claim(
            kind=kind,
            pool=pool,
            volume=volume,
            fingerprint=fingerprint,
            decided=asyncio.get_running_loop().create_future(),
            overtaking=overtaking,
            overtaken=tuple(overtaken),
        )
        self._claims.setdefault(pool, []).append(new)
        return new, True

    def holder(self, kind: OperationKind, pool: str, volume: str) -> Claim | None:
        """Who holds this very object with an operation of a kind."""
        held = self._claims.get(pool, [])
        return next((claim for claim in held if (claim.kind, claim.volume) == (kind, volume)), None)

    def release(self, claim: Claim) -> None:
        """Give a lane back."""
        claim.released.set()
        held = self._claims[claim.pool]
        held.remove(claim)
        if not held:
            del self._claims[claim.pool]


def _in_progress(claim: Claim) -> ModelError:
    if (hangs := claim.hangs) is not None:
        metadata = dict(hangs.metadata)
        return ModelError(hangs.reason, hangs.message, metadata=metadata, retry_delay_s=hangs.retry_delay_s)
    what = "/".join(name for name in (claim.pool, claim.volume) if name)
    return ModelError(
        Reason.OPERATION_IN_PROGRESS,
        f"{claim.kind} of {what} is at work; wait for operation {claim.operation_id or '(being checked)'}",
        metadata={"operation": claim.operation_id, "kind": claim.kind, "pool": claim.pool, "volume": claim.volume},
        retry_delay_s=0.5,
    )
