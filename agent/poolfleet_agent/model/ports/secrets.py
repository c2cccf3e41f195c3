"""libvirt's secrets."""

from collections.abc import Sequence
from typing import Protocol

from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, SecretValue


class Secrets(Protocol):
    """Keeps values. NOT_SUPPORTED_HERE, from each of them, where this host's libvirt has no driver for secrets."""

    async def list(self) -> Sequence[SecretFacts]:
        """All of them, in the order of lists."""
        ...

    async def find(self, ref: SecretRef) -> SecretFacts | None:
        """One of them; None: there is none."""
        ...

    async def set(self, asked: SecretDefinition, value: SecretValue) -> SecretFacts:
        """Make it, or replace value and description of the one that has its usage: SECRET_EXISTS."""
        ...

    async def value(self, uuid: str) -> SecretValue:
        """The value, for a program of the agent's own: SECRET_NOT_FOUND, SECRET_NOT_USABLE (none set, or private)."""
        ...

    async def delete(self, uuid: str) -> None:
        """Forget it: SECRET_NOT_FOUND."""
        ...
