"""What a look at a pool, layer by layer, found out."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from poolfleet_agent.model.share_access import ShareUsers


class Layer(StrEnum):
    """What a pool's working rests on, from the bottom up."""

    DNS = "dns"
    TCP = "tcp"
    RPC = "rpc"
    EXPORT = "export"
    MOUNT = "mount"
    SQUASH = "squash"
    READ = "read"
    WRITE = "write"


SERVER_LAYERS = (Layer.DNS, Layer.TCP, Layer.RPC, Layer.EXPORT)
"""Those that a server is asked about; the others are found out on the host."""


class Outcome(StrEnum):
    """What came of looking at a layer."""

    OK = "OK"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """One layer. `failure` names a MountFailure or a Reason; `duration_s` is None where the layer was skipped."""

    layer: Layer
    outcome: Outcome
    duration_s: float | None = None
    failure: str = ""
    message: str = ""


def first_failed(reports: Iterable[LayerReport]) -> LayerReport | None:
    """The first of them that failed; None: none did."""
    return next((report for report in reports if report.outcome is Outcome.FAILED), None)


def skipped(layer: Layer, why: str) -> LayerReport:
    """The report of a layer that is not looked at."""
    return LayerReport(layer=layer, outcome=Outcome.SKIPPED, message=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All layers in their order, what they come to, and what to do about it (empty: nothing is known)."""

    layers: tuple[LayerReport, ...]
    verdict: str
    advice: str = ""
    users: ShareUsers | None = None

    @property
    def failed(self) -> LayerReport | None:
        """The first layer that failed; None: none did."""
        return first_failed(self.layers)
