"""The snapshot: immutable, so that whoever reads it needs no lock and sees one consistent state."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from poolfleet_agent.model.domain_disk import DomainDisks
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.volume import VolumeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeRecord:
    """One volume: what is known of it, its etag, and the bytes that the Encoder made of it.

    `stamp` is that of its file when it was looked at; empty: it has none, or is to be looked at again in any case.
    """

    facts: VolumeFacts
    etag: str
    encoded: bytes
    stamp: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEntry:
    """One pool with its volumes, by name and in the order of their names.

    `looked_at_s`: as `pool.as_of_s`, by a clock that nobody sets; what this process has not looked at was long ago.
    """

    pool: Pool
    encoded: bytes
    volumes: Mapping[str, VolumeRecord] = field(default_factory=dict)
    looked_at_s: float = -math.inf

    @property
    def has_special(self) -> bool:
        """Whether what is special may be among the volumes: it is not counted."""
        return self.pool.volume_count != len(self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A point in the history of the inventory."""

    epoch: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All pools, in the order of their names, and all domain disks.

    `as_of_s`: when all pools were last looked at; `never_read`: why pools are missing that libvirt has.
    """

    revision: Revision
    loaded: bool = False
    as_of_s: float = 0.0
    pools: Mapping[str, PoolEntry] = field(default_factory=dict)
    disks: DomainDisks | None = None
    never_read: Mapping[str, ModelError] = field(default_factory=dict)

    def entry(self, pool: str) -> PoolEntry:
        """Find a pool: REGISTRY_NOT_LOADED, POOL_NOT_FOUND."""
        self.require_loaded()
        try:
            return self.pools[pool]
        except KeyError:
            raise pool_not_found(pool) from None

    def require_loaded(self) -> None:
        """Refuse to speak of a host that was never read: it must never look like an empty one."""
        if not self.loaded:
            raise ModelError(
                Reason.REGISTRY_NOT_LOADED,
                "this host's pools have never been read; libvirt does not answer yet",
                retry_delay_s=1.0,
            )


def pool_not_found(pool: str) -> ModelError:
    """The error for a pool that this host does not have."""
    return ModelError(Reason.POOL_NOT_FOUND, f"no pool {pool!r} on this host", metadata={"pool": pool})


def volume_not_found(pool: str, volume: str) -> ModelError:
    """The error for a volume that a pool does not have."""
    return ModelError(
        Reason.VOLUME_NOT_FOUND,
        f"no volume {volume!r} in pool {pool!r}",
        metadata={"pool": pool, "volume": volume},
    )
