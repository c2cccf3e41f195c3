"""The Encoder of the inside: messages of the API as bytes."""

from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.secret import SecretFacts
from poolfleet_agent.model.volume import VolumeFacts
from poolfleet_agent.services.convert.pools import pool_to
from poolfleet_agent.services.convert.secrets import secret_to
from poolfleet_agent.services.convert.volumes import volume_to


class MessageEncoder:
    """Implements the port Encoder."""

    def pool(self, pool: Pool) -> bytes:
        """Encode a pool (VIEW_BASIC)."""
        return pool_to(pool).SerializeToString()

    def volume(self, volume: VolumeFacts, etag: str) -> bytes:
        """Encode a volume (VIEW_BASIC)."""
        return volume_to(volume, etag).SerializeToString()

    def secret(self, secret: SecretFacts, etag: str) -> bytes:
        """Encode a secret, which has no value."""
        return secret_to(secret, etag).SerializeToString()
