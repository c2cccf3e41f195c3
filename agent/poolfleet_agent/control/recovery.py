"""After a restart: what was at work is FAILED, AGENT_RESTARTED, and what it left behind is removed.

libvirt finishes what it was asked even if the asker died, and may begin with it only after the agent is back. So the
volume of an unfinished creation is looked for during a settling time, under its lane: a new creation of the same name
waits for that. In a directory of files the reservation of its name (volumes/reserve) tells whether the volume is the
dead agent's: without it nothing is removed, and it is removed last. So where the share does not answer or is not
mounted, the volume can be removed much later too: until then it is owed.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import structlog
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from poolfleet_agent.control.host import Host, require_complete
from poolfleet_agent.control.journal import Journal
from poolfleet_agent.control.lanes import Claim, Lanes
from poolfleet_agent.control.operations import failure_of
from poolfleet_agent.control.volumes.make import remove_new_file
from poolfleet_agent.control.volumes.place import file_on_share, path_in_pool
from poolfleet_agent.control.volumes.reserve import find_reservation, remove_reservation
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.capacity import KIB, rounded_up
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationKind, OperationState
from poolfleet_agent.model.ports import FileKind
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.volume import VolumeFacts

SETTLE_S = 5.0
"""How long, from libvirt's answering on, a volume may still appear that a dead agent asked for."""

LONGEST_WAIT_S = 600.0
_MAKES_VOLUMES = frozenset({OperationKind.CREATE_VOLUME, OperationKind.CLONE_VOLUME})
CLOCK_SLACK_S = 2.0

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class Recovery:
    """Ends what the last process left unfinished."""

    host: Host
    journal: Journal
    lanes: Lanes

    async def fail_unfinished(self, unfinished: Iterable[Operation]) -> list[Operation]:
        """Record each as failed; the answer is what may have left debris."""
        left = []
        for operation in unfinished:
            await self.journal.change(operation.id, self._cut_off)
            log.warning(
                "operation was cut off by a restart", operation=operation.id, kind=operation.kind, pool=operation.pool
            )
            if operation.kind in _MAKES_VOLUMES and operation.debris:
                left.append(operation)
        return left

    def _cut_off(self, operation: Operation) -> Operation:
        error = ModelError(
            Reason.AGENT_RESTARTED,
            "the agent was restarted while this operation ran; try again with a new request id",
            metadata={"operation": operation.id},
            retry_delay_s=1.0,
        )
        return replace(
            operation,
            state=OperationState.FAILED,
            failure=failure_of(error),
            ended_at_s=self.host.clock.now_s(),
            cancellable=False,
        )

    def claim(self, operation: Operation) -> Claim:
        """Hold the lane of a volume that may be debris, so that nobody creates it meanwhile."""
        debris = json.loads(operation.debris)
        claim, _ = self.lanes.claim(
            kind=operation.kind, pool=debris["pool"], volume=debris["volume"], fingerprint=f"recovery of {operation.id}"
        )
        claim.operation_id = operation.id
        return claim

    async def clean(self, held: Iterable[tuple[Operation, Claim]]) -> None:
        """Remove debris, all volumes side by side, and give each lane back."""
        async with asyncio.TaskGroup() as group:
            for operation, claim in held:
                group.create_task(self._clean_one(operation, claim))

    async def clean_owed(self) -> bool:
        """Remove what could not be removed before, where that can be done now. True: something is still owed."""
        if self.host.rules.observe_only:
            return False
        if not self.host.registry.seen_since_start:
            return True
        held = []
        for operation in self._owed():
            try:
                held.append((operation, self.claim(operation)))
            except ModelError as error:
                log.info("debris stays for now", operation=operation.id, reason=error.reason, error=error.message)
        async with asyncio.TaskGroup() as group:
            for operation, claim in held:
                group.create_task(self._clean_one(operation, claim, again=True))
        return bool(self._owed())

    def _owed(self) -> Sequence[Operation]:
        """What can be told by its reservation: all else may have been made anew by somebody meanwhile."""
        pools = self.host.registry.snapshot.pools
        owed = [(operation, pools.get(operation.pool)) for operation in self.journal.owed()]
        return [operation for operation, entry in owed if entry and path_in_pool(entry, operation.volume) is not None]

    async def _clean_one(self, operation: Operation, claim: Claim, *, again: bool = False) -> None:
        """Clean up, at first with patience; `again`: only if nothing keeps us, for others need the lane."""
        settled = _Settling(self.host)
        not_done = retry_if_result(lambda done: not done)
        retrying = AsyncRetrying(
            stop=stop_after_delay(LONGEST_WAIT_S),
            wait=wait_fixed(0.25),
            retry=not_done if again else not_done | retry_if_exception_type(ModelError),
        )
        try:
            await retrying(self._step, operation, settled)
            await self.journal.settle(operation.id)
        except ModelError as error:
            log.info("debris stays for now", operation=operation.id, reason=error.reason, error=error.message)
        except RetryError:
            log.exception(
                "debris could not be looked for", operation=operation.id, pool=claim.pool, volume=claim.volume
            )
        finally:
            self.lanes.release(claim)

    async def _step(self, operation: Operation, settled: "_Settling") -> bool:
        """Look once, remove what is found; True: nothing more is to come."""
        # Before the pools are known, no path of a domain can be told to be the volume's.
        self.host.registry.snapshot.require_loaded()
        entry = self.host.registry.snapshot.pools.get(operation.pool)
        await self.host.quarantine.check_known(operation.pool, Use.WRITE)
        if entry is None or path_in_pool(entry, operation.volume) is None:
            return await self._remove_made(operation, settled, entry, since_s=operation.created_at_s - CLOCK_SLACK_S)
        self._require_share(entry)
        made_here = json.loads(operation.debris).get("made_here", False)
        if made_here:
            await remove_new_file(self.host, entry, operation.id)
        reservation = await find_reservation(self.host, entry, operation.volume)
        if reservation is not None and not reservation.readable:
            return False  # it may be ours
        if reservation is None or reservation.holder is None or reservation.holder.operation_id != operation.id:
            return True  # libvirt was not asked yet, or the volume is whole
        # What we make ourselves has its name only when it is whole.
        done = made_here or await self._remove_made(operation, settled, entry, since_s=float("-inf"))
        if done:
            await remove_reservation(self.host, entry, operation.volume, reservation)
        return done

    def _require_share(self, entry: PoolEntry) -> None:
        """Refuse to take the bare folder below a share for the share: UNMOUNTED."""
        pool = entry.pool
        if error := self.host.quarantine.mounts.unmounted(pool.definition):
            raise error
        if not pool.active and pool.definition.server is not None:
            raise ModelError(Reason.UNMOUNTED, f"pool {pool.name!r} is not active: its share may not be mounted")

    async def _remove_made(
        self, operation: Operation, settled: "_Settling", entry: PoolEntry | None, *, since_s: float
    ) -> bool:
        """Remove the volume, if it was made since then; True: it stays, or the settling time is over."""
        pool, volume = operation.pool, operation.volume
        server = entry.pool.server if entry else None
        try:
            facts = await self.host.hypervisor.read_volume(pool, volume, server=server)
        except ModelError as error:
            if error.reason in {Reason.POOL_NOT_FOUND, Reason.POOL_NOT_ACTIVE}:
                return settled.over()
            if error.reason is Reason.VOLUME_NOT_FOUND:
                return await self._nothing_hidden(operation, entry, since_s) and settled.over()
            raise
        if facts.modified_at_s is not None and facts.modified_at_s < since_s:
            log.warning("volume is older than the operation that was cut off; it stays", pool=pool, volume=volume)
            return True
        if not _as_asked(operation, facts):
            log.warning(
                "volume is not what was asked for when the agent was cut off; it stays", pool=pool, volume=volume
            )
            return True
        disks = await self.host.fresh_disks()
        require_complete(disks.missing, f"volume {volume!r}")
        if disks.users_of_volume(pool, volume):
            log.warning(
                "volume of an operation that was cut off is used by a domain; it stays", pool=pool, volume=volume
            )
            return True
        proven = self.host.quarantine.proof(entry, Use.WRITE) if entry else None
        await self.host.hypervisor.delete_volume(pool, volume, server=server, proven=proven)
        log.info("debris removed", pool=pool, volume=volume, operation=operation.id)
        await self.host.looker.pool(pool)
        return settled.over()

    async def _nothing_hidden(self, operation: Operation, entry: PoolEntry | None, since_s: float) -> bool:
        """Whether what libvirt does not describe is not there indeed. RESOURCE_BUSY while libvirt is creating it."""
        server = entry.pool.server if entry else None
        try:
            # One whose file is still to come is not described, and yet cannot be deleted either.
            proven = self.host.quarantine.proof(entry, Use.WRITE) if entry else None
            await self.host.hypervisor.delete_volume(operation.pool, operation.volume, server=server, proven=proven)
        except ModelError as error:
            if error.reason is not Reason.VOLUME_NOT_FOUND:
                raise
        file = await file_on_share(self.host, entry, operation.volume) if entry else None
        if file is None or file.kind is not FileKind.FILE or file.modified_at_s < since_s:
            return True
        # libvirt was restarted too, and has not seen what its own child went on to write.
        await self.host.refreshes.ask(operation.pool)
        return False


def _as_asked(operation: Operation, facts: VolumeFacts) -> bool:
    """Whether it can be what libvirt was asked to make, finished or not, and is not somebody else's of that name."""
    asked = json.loads(operation.debris)
    capacity_bytes, volume_format = asked.get("capacity_bytes"), asked.get("format")
    larger = capacity_bytes is not None and (facts.capacity_bytes or 0) > rounded_up(capacity_bytes, KIB)
    # An image whose header is still to come looks raw.
    return not larger and (volume_format is None or facts.format in {volume_format, "raw"})


@dataclass
class _Settling:
    host: Host
    answered_at_s: float | None = None

    def over(self) -> bool:
        """Whether libvirt has been answering for the settling time."""
        now_s = self.host.clock.monotonic_s()
        if self.answered_at_s is None:
            self.answered_at_s = now_s
        return now_s - self.answered_at_s >= SETTLE_S
