"""How a volume may be overwritten: libvirt's algorithms, in its spelling."""

from poolfleet_agent.model.errors import invalid_field

ZERO = "zero"
ALGORITHMS = (
    ZERO, "nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random", "trim",
)  # fmt: skip


def check_algorithm(algorithm: str) -> None:
    """Refuse what libvirt does not know: INVALID_FIELD."""
    if algorithm not in ALGORITHMS:
        raise invalid_field("algorithm", f"must be one of {', '.join(ALGORITHMS)}", value=algorithm)
