"""Has a network pool's share mounted before libvirt is asked to start it: attempts (control/pools/attempt), each
recorded as it happens, until one holds, none can, or the time is up. libvirt then finds the mount, and never blocks in
one.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, stop_before_delay
from tenacity.stop import stop_base
from tenacity.wait import wait_base, wait_exponential, wait_random

from poolfleet_agent.control.acting import LISTING_ADVICE, LOCKS_ADVICE
from poolfleet_agent.control.pools.attempt import MountAttempt
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import RETRY, MountError, MountFailure, Retry, RetryPolicy, tries_left
from poolfleet_agent.model.mount_options import enforces_locks
from poolfleet_agent.model.operation import Attempt
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import Clock, MountRequest

MOUNTED_FORMATS = frozenset({"auto", "nfs", "cifs", None})
"""netfs formats that the agent mounts; gluster's FUSE daemon would live in our control group: libvirt mounts it."""

log = structlog.get_logger(__name__)

Told = Callable[[tuple[Attempt, ...]], Awaitable[None]]


def mount_request(definition: PoolDefinition) -> MountRequest | None:
    """What to mount for a pool; None: it is none that the agent mounts itself."""
    source, target = definition.source, definition.target_path
    if not isinstance(source, NetfsSource) or source.format not in MOUNTED_FORMATS or not target:
        return None
    return MountRequest(
        source=source,
        target=target,
        options=definition.mount_options or (),
        protocol_version=definition.protocol_version or "",
    )


def mount_warnings(request: MountRequest | None) -> tuple[str, ...]:
    """What is to be said of a mount that will do, and yet not as its pool's guests expect."""
    if request is None or not enforces_locks(request.source.format, request.options):
        return ()
    return (f"guests will not be able to write: {LOCKS_ADVICE}",)


def wait_of(policy: RetryPolicy) -> wait_base:
    """Delays that grow twofold from the first, with jitter, and are never longer than the longest."""
    jitter_s = max(0.0, min(policy.first_delay_s, policy.longest_delay_s - policy.first_delay_s))
    growing = wait_exponential(multiplier=policy.first_delay_s, max=policy.longest_delay_s - jitter_s)
    return growing + wait_random(0, jitter_s)


@dataclass(kw_only=True)
class Mounting:
    """One pool's way to a mounted share. `told` hears of every attempt as it happens."""

    attempt: MountAttempt
    clock: Clock
    pool: str
    policy: RetryPolicy
    told: Told
    _attempts: list[Attempt] = field(default_factory=list)
    _seen: Counter[MountFailure] = field(default_factory=Counter)

    async def run(self, start: Callable[[], Awaitable[None]]) -> None:
        """Mount, then `start`; where either fails, undo what was mounted. MOUNT_FAILED, MOUNT_RETRIES_EXHAUSTED."""
        retrying = AsyncRetrying(
            retry=self._worth_another,
            stop=self._stop(),
            wait=wait_of(self.policy),
            before_sleep=self._wait_announced,
            reraise=True,
        )
        try:
            await retrying(self._attempt, start)
        except MountError as error:
            raise self._given_up(error) from error

    async def _attempt(self, start: Callable[[], Awaitable[None]]) -> None:
        self._attempts.append(Attempt(number=len(self._attempts) + 1, started_at_s=self.clock.now_s()))
        await self._tell()
        try:
            await self.attempt.run(start, self._say)
        except MountError as error:
            self._seen[error.failure] += 1
            self._finish(failure=error.failure, message=f"{error.layer}: {error.message}")
            raise
        except ModelError as error:  # not the mount's, and so not tried again
            self._finish(failure=error.reason, message=error.message)
            raise
        else:
            self._finish()
        finally:
            await self._tell()

    async def _say(self, message: str) -> None:
        """Tell of the attempt that goes on."""
        self._attempts[-1] = replace(self._attempts[-1], message=message)
        await self._tell()

    async def _tell(self) -> None:
        await self.told(tuple(self._attempts))

    def _finish(self, *, failure: str = "", message: str = "") -> None:
        last = self._attempts[-1]
        duration_s = self.clock.now_s() - last.started_at_s
        self._attempts[-1] = replace(last, duration_s=duration_s, failure=failure, message=message)

    def _worth_another(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, MountError) and tries_left(
            error.failure, times_seen=self._seen[error.failure], uptime_s=self.clock.uptime_s()
        )

    def _stop(self) -> stop_base:
        stop: stop_base = stop_before_delay(self.policy.deadline_s)
        if self.policy.attempts:
            stop = stop | stop_after_attempt(self.policy.attempts)
        return stop

    async def _wait_announced(self, state: RetryCallState) -> None:
        delay_s = state.next_action.sleep if state.next_action else 0.0
        last = replace(self._attempts[-1], retry_delay_s=delay_s)
        self._attempts[-1] = last
        log.info(
            "mount attempt failed",
            pool=self.pool,
            attempt=last.number,
            failure=last.failure,
            message=last.message,
            retry_delay_s=round(delay_s, 1),
        )
        await self._tell()

    def _given_up(self, error: MountError) -> ModelError:
        metadata = {
            "pool": self.pool,
            "failure": error.failure,
            "layer": error.layer,
            "attempts": str(len(self._attempts)),
            "advice": ADVICE.get(error.failure, ""),
        }
        advice = f"; {ADVICE[error.failure]}" if error.failure in ADVICE else ""
        if RETRY[error.failure] is Retry.ALWAYS:
            return ModelError(
                Reason.MOUNT_RETRIES_EXHAUSTED,
                f"not mounted after {len(self._attempts)} attempts: {error.message} ({error.failure}){advice}",
                metadata=metadata,
                retry_delay_s=5.0,
            )
        reason = Reason.SQUASHED if error.failure is MountFailure.SQUASHED else Reason.MOUNT_FAILED
        reason = Reason.PATH_NOT_USABLE if error.failure is MountFailure.TARGET_MISSING else reason
        return ModelError(reason, f"{error.message} ({error.failure}){advice}", metadata=metadata)


ADVICE: dict[MountFailure, str] = {
    MountFailure.CONNECTION_REFUSED: "see whether the server runs, and listens on the port",
    MountFailure.TIMED_OUT: "see whether the server is up, and whether a firewall drops packets",
    MountFailure.NO_ROUTE: "see the host's routes",
    MountFailure.NETWORK_UNREACHABLE: "see whether the host's network is up",
    MountFailure.NAME_UNKNOWN: "see the spelling of the server's name, and the resolver",
    MountFailure.NAME_TEMPORARY: "see the resolver (/etc/resolv.conf) of this host",
    MountFailure.ACCESS_DENIED: "see whether the server exports the path to this host (exportfs -v)",
    MountFailure.NO_SUCH_EXPORT: "see the path of the export (showmount -e), or the name of the share (smbclient -L)",
    MountFailure.LOGIN_FAILED: "open the share to guests, or say `credentials=FILE` in the pool's mount options",
    MountFailure.NOT_SUPPORTED: "choose another protocol version",
    MountFailure.BAD_OPTION: "see the pool's mount options",
    MountFailure.HELPER_MISSING: "install nfs-common (nfs) or cifs-utils (cifs) on this host",
    MountFailure.NOT_PRIVILEGED: "let the agent run as root",
    MountFailure.TARGET_MISSING: "BuildPool makes the target",
    MountFailure.TARGET_BUSY: "see what is mounted there (findmnt)",
    MountFailure.SQUASHED: LISTING_ADVICE,
}
