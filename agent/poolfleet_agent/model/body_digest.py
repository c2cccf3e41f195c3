"""Whether two requests of one id have the same body, told by digests that may be kept.

A digest that lies on disk is as good as the body to whoever can try all bodies that there may be: passphrases are such.
So what holds a secret is digested with a key that no agent ever writes down. What an earlier agent kept of it cannot be
compared any more, and gives nothing away.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

_KEYED = "keyed"


@dataclass(frozen=True, slots=True)
class BodyDigests:
    """Makes the digests of one agent's life."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _key_name: str = field(default_factory=lambda: secrets.token_hex(8))

    def of_open(self, body: bytes) -> str:
        """Digest what may be known to who reads the state directory; comparable for ever."""
        return hashlib.blake2b(body, digest_size=16).hexdigest()

    def of_secret(self, body: bytes) -> str:
        """Digest what holds a secret; comparable as long as the agent runs."""
        return f"{_KEYED}:{self._key_name}:{hashlib.blake2b(body, digest_size=16, key=self._key).hexdigest()}"


def are_comparable(one: str, other: str) -> bool:
    """Whether it says anything that two digests of one RPC are equal or not."""
    return _key_name(one) == _key_name(other)


def _key_name(digest: str) -> str:
    kind, _, rest = digest.partition(":")
    return rest.partition(":")[0] if kind == _KEYED else ""
