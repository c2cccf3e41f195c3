"""What a server's name means: the host's resolver is asked in a child, which is killed when it does not answer."""

import ipaddress
from collections.abc import Sequence

from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.mounts import lookup
from poolfleet_agent.processes.child import Children, own_program
from poolfleet_agent.processes.run import run

LOOKUP = own_program(lookup)
"""The command that asks; a name comes after it."""

_FAILURES = {"unknown": MountFailure.NAME_UNKNOWN, "temporary": MountFailure.NAME_TEMPORARY}

LAYER = "dns"


class Resolver:
    """Asks for one name at a time each; `timeout_s` is for one question."""

    def __init__(self, children: Children, *, program: Sequence[str] = LOOKUP, timeout_s: float = 2.0) -> None:
        self._children = children
        self._program = program
        self._timeout_s = timeout_s

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a name, at least one, in the resolver's order; of an address, itself without brackets.

        MountError NAME_UNKNOWN: there is no such name; NAME_TEMPORARY: the resolver cannot tell, or did not answer.
        """
        bare = host.removeprefix("[").removesuffix("]")
        if _is_address(bare):
            return (bare,)
        try:
            finished = await run(self._children, (*self._program, "--", bare), timeout_s=self._timeout_s)
        except ModelError as error:
            raise MountError(MountFailure.NAME_TEMPORARY, error.message, layer=LAYER) from error
        if finished.status is None:
            message = f"{bare}: the resolver did not answer within {self._timeout_s:g} s"
            raise MountError(MountFailure.NAME_TEMPORARY, message, layer=LAYER)
        said = finished.stdout.decode(errors="backslashreplace")
        if said.startswith("!"):
            _, kind, reason = said.strip().split(" ", 2)
            raise MountError(_FAILURES[kind], f"{bare}: {reason}", layer=LAYER)
        if finished.status != 0 or not said.strip():
            message = f"{bare}: the resolver failed with status {finished.status}: {finished.words[-200:]}"
            raise MountError(MountFailure.NAME_TEMPORARY, message, layer=LAYER)
        return tuple(said.split())


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
