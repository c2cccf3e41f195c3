"""Who made the call that is being answered: set by the server for each call, read by the servicers."""

from contextvars import ContextVar

_CALLER: ContextVar[str] = ContextVar("caller", default="")


def set_caller(caller: str) -> None:
    """Say who made the call that the current task answers."""
    _CALLER.set(caller)


def current_caller() -> str:
    """`unix`, `loopback`, or `tls:` with the name in the client's certificate; empty outside a call."""
    return _CALLER.get()
