"""Digests of the volumes of each pool: who has the same need not be sent any of them, even by an agent started anew."""

import hashlib
from collections.abc import Iterable

from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord

_DIGEST_BYTES = 16
_MODULUS = 1 << (8 * _DIGEST_BYTES)


class Digests:
    """A digest of the volumes of each pool, whatever their order: a change costs what changed.

    It is the sum of the volumes' own digests, of their whole records: who is told that nothing changed has the sizes
    right, too. Twice for each pool, without and with what is special.
    """

    def __init__(self) -> None:
        """Begin with no pool."""
        self._sums: dict[str, tuple[int, int]] = {}

    def follow(self, before: PoolEntry | None, after: PoolEntry, names: Iterable[str]) -> None:
        """Take over a look at a pool, of which these volumes are different from `before`."""
        ordinary, every = self._sums.get(after.pool.facts.uuid, (0, 0)) if before is not None else (0, 0)
        for name in names:
            for sign, entry in ((-1, before), (1, after)):
                record = entry.volumes.get(name) if entry is not None else None
                if record is not None:
                    value = sign * _value(record)
                    every += value
                    ordinary += 0 if record.facts.special else value
        self._sums[after.pool.facts.uuid] = ordinary % _MODULUS, every % _MODULUS

    def forget(self, pool_uuid: str) -> None:
        """The pool is gone."""
        self._sums.pop(pool_uuid, None)

    def of(self, pool_uuid: str, *, include_special: bool) -> str:
        """The digest of a pool's volumes."""
        return f"{self._sums[pool_uuid][include_special]:0{2 * _DIGEST_BYTES}x}"


def _value(record: VolumeRecord) -> int:
    return int.from_bytes(hashlib.blake2b(record.encoded, digest_size=_DIGEST_BYTES).digest())
