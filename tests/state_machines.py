"""How long a state machine over real hosts goes on, and that it does the same each time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_EXAMPLES = "POOLFLEET_STATE_MACHINE_EXAMPLES"


def examples(usual: int) -> int:
    """How many are run: as many as the environment asks for, else the usual."""
    return int(os.environ.get(_EXAMPLES, usual))


def real_hosts(*, examples: int, steps: int) -> settings:
    """So many examples of so many steps."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        database=None,
        # The same each time, but where more are asked for: a check of what was changed must not depend on luck.
        derandomize=_EXAMPLES not in os.environ,
        # Real hosts take their time: what fails is shown as it is, not made smaller first.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
