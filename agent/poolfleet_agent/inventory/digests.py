"""Digests of the volumes of each pool: who has the same need not be sent any of them, even by an agent started anew."""

import hashlib
from collections.abc import Iterable, Mapping

from poolfleet_agent.inventory.diff import PoolChange
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

    def follow(
        self, before: Mapping[str, PoolEntry], after: Mapping[str, PoolEntry], changes: Iterable[PoolChange]
    ) -> None:
        """Take over what became of some pools."""
        for change in changes:
            there = after.get(change.pool)
            if there is None or there.pool.facts.uuid != change.pool_uuid:
                # Renamed, it may have been seen under its new name before it was missed under the old one.
                if all(entry.pool.facts.uuid != change.pool_uuid for entry in after.values()):
                    self._sums.pop(change.pool_uuid, None)
                continue
            known = None if change.new else before[change.pool]
            self._add(change, known, there)

    def _add(self, change: PoolChange, before: PoolEntry | None, after: PoolEntry) -> None:
        ordinary, every = self._sums[change.pool_uuid] if before is not None else (0, 0)
        for name in (*change.added, *change.changed, *change.removed, *change.used):
            for sign, entry in ((-1, before), (1, after)):
                record = entry.volumes.get(name) if entry is not None else None
                if record is not None:
                    value = sign * _value(record)
                    every += value
                    ordinary += 0 if record.facts.special else value
        self._sums[change.pool_uuid] = ordinary % _MODULUS, every % _MODULUS

    def of(self, pool_uuid: str, *, include_special: bool) -> str:
        """The digest of a pool's volumes."""
        return f"{self._sums[pool_uuid][include_special]:0{2 * _DIGEST_BYTES}x}"


def _value(record: VolumeRecord) -> int:
    return int.from_bytes(hashlib.blake2b(record.encoded, digest_size=_DIGEST_BYTES).digest())
