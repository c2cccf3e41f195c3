"""What may be done with a pool of this health, and how the rest is refused: one table for all calls."""

from enum import StrEnum

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import HealthStatus, PoolHealth

RETRY_S = 5.0
"""When to ask again for a pool whose share does not answer: a probe later."""

NOT_THE_SHARE = frozenset({Reason.UNMOUNTED, Reason.STALE, Reason.WRONG_SHARE})
"""Faults by which what lies at the pool's target is not the pool."""

QUARANTINED = NOT_THE_SHARE | {Reason.POOL_UNRESPONSIVE}
"""Reasons for which a pool's volumes are told as they were last seen."""


class Use(StrEnum):
    """What is to be done with a pool."""

    START_OR_STOP = "START_OR_STOP"
    READ = "READ"
    """Have libvirt look at volumes, or at all of them."""
    WRITE = "WRITE"
    """Change something that takes no space, or gives some back."""
    TAKE_SPACE = "TAKE_SPACE"


def refusal(pool: str, health: PoolHealth | None, use: Use) -> ModelError | None:
    """Why a pool cannot be used so now; None: it can. A pool whose share does not answer cannot be used at all."""
    if health is None or health.status is HealthStatus.HEALTHY:
        return None
    metadata = {"pool": pool, "reason": health.reason, "health": health.status}
    if health.status is not HealthStatus.FAULTY:
        return ModelError(
            Reason.POOL_UNRESPONSIVE,
            f"pool {pool!r}: {health.message}",
            metadata=metadata,
            retry_delay_s=RETRY_S,
        )
    for reason, refused in (
        *((reason, {Use.READ, Use.WRITE, Use.TAKE_SPACE}) for reason in NOT_THE_SHARE),
        (Reason.READ_ONLY, {Use.WRITE, Use.TAKE_SPACE}),
        (Reason.FULL, {Use.TAKE_SPACE}),
    ):
        if health.reason == reason and use in refused:
            return ModelError(reason, f"pool {pool!r}: {health.message}", metadata=metadata)
    return None
