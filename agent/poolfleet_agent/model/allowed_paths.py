"""Where pools, backing stores and clone sources may lie: the configuration's `allowed_paths`."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from poolfleet_agent.model.errors import ModelError, Reason


def is_within(path: str, folder: str) -> bool:
    """Whether a clean absolute path is the folder or lies below it."""
    return PurePosixPath(path).is_relative_to(PurePosixPath(folder))


def overlap(path: str, other: str) -> bool:
    """Whether one of two clean absolute paths is, or lies below, the other."""
    return is_within(path, other) or is_within(other, path)


def check_allowed(field: str, path: str, allowed_paths: Sequence[str]) -> None:
    """Refuse a resolved absolute path outside every allowed folder: PATH_NOT_ALLOWED."""
    if any(is_within(path, folder) for folder in allowed_paths):
        return
    allowed = ", ".join(allowed_paths) or "nothing"
    raise ModelError(
        Reason.PATH_NOT_ALLOWED,
        f"{field}: {path} is outside what this agent may use ({allowed}); extend allowed_paths in its configuration",
        metadata={"path": path, "field": field, "allowed_paths": allowed},
    )
