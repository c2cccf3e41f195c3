"""Etags: short digests of definition and identity, never of usage."""

import hashlib
import re

from poolfleet_agent.model.pool import PoolFacts
from poolfleet_agent.model.secret import SecretFacts
from poolfleet_agent.model.volume import VolumeFacts

_USAGE = re.compile(r"\s*<(capacity|allocation|available)\b[^>]*>[^<]*</\1>")
_FREE_EXTENTS = re.compile(r">(\s*<freeExtent\b[^>]*/>)+\s*</device>")
"""What is free on the disk of a disk pool, where any is."""


def pool_etag(facts: PoolFacts, *, supervised: bool) -> str:
    """Digest of a pool's stored definition (the live one of a transient pool), autostart and supervision."""
    document = _FREE_EXTENTS.sub("/>", _USAGE.sub("", facts.inactive_xml if facts.persistent else facts.xml))
    return _digest(facts.uuid, document, str(facts.autostart), str(facts.persistent), str(supervised))


def volume_etag(facts: VolumeFacts) -> str:
    """Digest of a volume's identity and definition: volumes have no UUID."""
    backing = f"{facts.backing_store.path}\0{facts.backing_store.format}" if facts.backing_store else ""
    return _digest(
        facts.pool,
        facts.name,
        facts.key,
        facts.type,
        facts.format,
        str(facts.capacity_bytes),
        backing,
        facts.encryption,
        str(facts.born_at_s),
    )


def secret_etag(facts: SecretFacts) -> str:
    """Digest of a secret's identity and definition; its value is not known."""
    flags = f"{facts.private} {facts.ephemeral}"
    return _digest(facts.uuid, facts.usage_type, facts.usage_id, facts.description, flags)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
