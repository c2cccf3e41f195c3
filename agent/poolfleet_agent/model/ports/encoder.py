"""Bytes that the inventory holds."""

from typing import Protocol

from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.secret import SecretFacts
from poolfleet_agent.model.volume import VolumeFacts


class Encoder(Protocol):
    """Makes the bytes that the inventory holds and operations keep; the inside knows no protobuf."""

    def pool(self, pool: Pool) -> bytes:
        """Encode a pool (VIEW_BASIC)."""
        ...

    def volume(self, volume: VolumeFacts, etag: str) -> bytes:
        """Encode a volume (VIEW_BASIC)."""
        ...

    def secret(self, secret: SecretFacts, etag: str) -> bytes:
        """Encode a secret, which has no value."""
        ...
