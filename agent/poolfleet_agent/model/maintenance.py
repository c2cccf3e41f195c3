"""Whether the agent was told to leave pools alone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """While it is enabled the agent starts nothing by itself. `until_s`: when it ends by itself; None: never."""

    enabled: bool = False
    reason: str = ""
    until_s: float | None = None

    def holds(self, now_s: float) -> bool:
        """Whether it is in force."""
        return self.enabled and (self.until_s is None or now_s < self.until_s)
