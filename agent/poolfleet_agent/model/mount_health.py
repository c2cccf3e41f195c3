"""The health of one network mount: what its probes say of it, in order."""

from dataclasses import dataclass, replace

from poolfleet_agent.model.pool import HealthStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutcome:
    """One probe: answered in time or not, and what was wrong with the answer (a Reason's name; empty: nothing)."""

    answered: bool
    at_s: float
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountHealth:
    """Status, why, since when, and how many probes were missed in a row. Times are seconds since the epoch."""

    status: HealthStatus
    since_s: float
    probed_at_s: float
    reason: str = ""
    message: str = ""
    missed: int = 0

    @property
    def dead(self) -> bool:
        """Whether nothing that may touch the mount should be begun."""
        return self.status is HealthStatus.UNRESPONSIVE


def after_probe(before: MountHealth | None, probe: ProbeOutcome) -> MountHealth:
    """One missed probe: SUSPECT; two: UNRESPONSIVE; an answer ends both, and may show a fault."""
    if probe.answered:
        status = HealthStatus.FAULTY if probe.reason else HealthStatus.HEALTHY
        missed = 0
        reason, message = probe.reason, probe.message
    else:
        missed = (before.missed if before else 0) + 1
        status = HealthStatus.SUSPECT if missed == 1 else HealthStatus.UNRESPONSIVE
        reason, message = "POOL_UNRESPONSIVE", probe.message or "the share does not answer"
    after = MountHealth(
        status=status, since_s=probe.at_s, probed_at_s=probe.at_s, reason=reason, message=message, missed=missed
    )
    if before is not None and (before.status, before.reason) == (status, reason):
        return replace(after, since_s=before.since_s)
    return after
