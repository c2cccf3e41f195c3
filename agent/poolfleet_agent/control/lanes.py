"""Lanes: who may change what at the same time.

A pool's lifecycle has the pool alone; work on volumes shares the pool and has its volume alone; pools are independent.
What a volume is copied from is shared with others who read it, and with nobody else.
Who makes or removes a partition has the table of all partitions alone, as if that were one more volume of the pool: it
is read, changed and written whole, by programs that lock nothing, and what was a partition's number may be another's
afterwards. Other work on partitions goes on beside it.
Work on a secret has that alone: secrets stand beside each other as volumes do, in the lane of no pool.
Nobody waits in a lane: the same mutation joins the one at work, another one is told to come again.

One kind of work overtakes: what gets rid of a dead share (StopPool by force). Who holds the lane then hangs on that
very share, and comes back only because of it, so it cannot wait for the lane first. Its claim stands beside those that
it overtook, keeps everybody else out as they do, and has the lane to itself when they have released theirs
(`Claim.alone`). Nobody overtakes who overtook.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Failure, Operation, OperationKind

_PARTITION_TABLE = "/"
"""Stands where a volume does: none can be called so."""


@dataclass(eq=False, kw_only=True)
class Claim:
    """A lane that is held. `decided` ends with the operation, or with the refusal of the checks before it.

    `joinable` ends with the operation, while a call that hangs may hold the lane for longer; `hangs` says on what, if
    that is known, and is what others are told then. `reads`: pool and volume of what it reads. `changes_table`: its
    volume is a partition that it makes or removes.
    """

    kind: OperationKind
    pool: str
    volume: str
    fingerprint: str
    decided: "asyncio.Future[Operation]"
    reads: tuple[str, str] | None = None
    changes_table: bool = False
    overtaking: bool = False
    overtaken: "tuple[Claim, ...]" = ()
    operation_id: str = ""
    joinable: bool = True
    hangs: Failure | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def holds(self) -> "Iterator[_Hold]":
        """What it keeps others from."""
        yield _Hold(self.pool, self.volume, alone=True)
        if self.reads is not None:
            yield _Hold(*self.reads, alone=False)
        if self.changes_table:
            yield _Hold(self.pool, _PARTITION_TABLE, alone=True)

    async def alone(self) -> None:
        """Wait until those that it overtook have released their lanes."""
        for claim in self.overtaken:
            await claim.released.wait()


@dataclass(frozen=True, slots=True)
class _Hold:
    """A volume, or a pool (`volume` is empty), that a claim has to itself (`alone`) or shares with other readers.

    Pools are had alone.
    """

    pool: str
    volume: str
    alone: bool


@dataclass
class Lanes:
    """All lanes of the host. Claims and releases happen on the event loop, without waiting."""

    _claims: dict[str, dict[_Hold, list[Claim]]] = field(default_factory=dict)
    """By pool, and by what is held there: a crowd that copies one volume does not look through itself."""
    _in_pool: Counter[str] = field(default_factory=Counter)
    """How many hold something in a pool."""

    def claim(
        self,
        *,
        kind: OperationKind,
        pool: str,
        volume: str,
        fingerprint: str,
        reads: tuple[str, str] | None = None,
        changes_table: bool = False,
        overtaking: bool = False,
    ) -> tuple[Claim, bool]:
        """Take a lane, or join who holds it with the same mutation; True: it is newly taken. OPERATION_IN_PROGRESS.

        `reads`: share that pool's volume too, or have neither. `changes_table`: have the pool's partition table too.
        `overtaking`: take it beside those who hold it.
        """
        new = Claim(
            kind=kind,
            pool=pool,
            volume=volume,
            fingerprint=fingerprint,
            reads=reads,
            changes_table=changes_table,
            decided=asyncio.get_running_loop().create_future(),
            overtaking=overtaking,
        )
        in_the_way = self._in_the_way_of(new)
        for claim in in_the_way:
            if claim.joinable and _same_mutation(claim, new):
                return claim, False
            if not overtaking or claim.overtaking:
                raise _in_progress(claim)
        new.overtaken = in_the_way
        for hold in new.holds():
            self._claims.setdefault(hold.pool, {}).setdefault(hold, []).append(new)
        self._in_pool.update({hold.pool for hold in new.holds()})
        return new, True

    def _in_the_way_of(self, new: Claim) -> tuple[Claim, ...]:
        return tuple(dict.fromkeys(claim for hold in new.holds() for claim in self._barring(hold)))

    def _barring(self, hold: _Hold) -> Iterator[Claim]:
        """Those whose hold cannot be held beside it: of the pool, and of the volume, unless both only read that."""
        held = self._claims.get(hold.pool, {})
        whole_pool = replace(hold, volume="", alone=True)
        if hold == whole_pool:
            yield from itertools.chain.from_iterable(held.values())
            return
        readers = [replace(hold, alone=False)] if hold.alone else []
        # Those of the volume first: the same mutation joins them, also beside who overtook.
        for other in (replace(hold, alone=True), *readers, whole_pool):
            yield from held.get(other, ())

    def holder(self, kind: OperationKind, pool: str, volume: str) -> Claim | None:
        """Who holds this very object with an operation of a kind."""
        held = self._claims.get(pool, {}).get(_Hold(pool, volume, alone=True), [])
        return next((claim for claim in held if (claim.kind, claim.pool, claim.volume) == (kind, pool, volume)), None)

    def is_crowded(self, pool: str) -> bool:
        """Whether several work in a pool at the same time."""
        return self._in_pool[pool] > 1

    def release(self, claim: Claim) -> None:
        """Give a lane back."""
        claim.released.set()
        for hold in claim.holds():
            held = self._claims[hold.pool]
            held[hold].remove(claim)
            if not held[hold]:
                del held[hold]
            if not held:
                del self._claims[hold.pool]
        self._in_pool -= Counter({hold.pool for hold in claim.holds()})


def _same_mutation(one: Claim, other: Claim) -> bool:
    return (one.kind, one.pool, one.volume, one.fingerprint) == (
        other.kind,
        other.pool,
        other.volume,
        other.fingerprint,
    )


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
