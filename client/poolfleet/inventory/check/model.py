"""What a check of storages finds: where a host's pool is not as its neighbours have it, and what to do about that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from poolfleet.inventory.model import InventoryHost, Json
from poolfleet.types.pool import StorageIdSource


class FindingKind(StrEnum):
    """What is amiss; the values are for programs, and stay."""

    MISSING = "missing"
    """No pool of the host lies on the storage."""
    OTHER_STORAGE = "other-storage"
    """The host has a pool of the usual name, which lies on something else."""
    INACTIVE = "inactive"
    UNHEALTHY = "unhealthy"
    """Started, and cannot be used: its share does not answer, was lost, or is full."""
    OTHER_TARGET = "other-target"
    """Guests that name their disks by path do not find them there."""
    OTHER_NAME = "other-name"
    """Guests that name their disks by pool and volume do not find them there."""
    OTHER_MOUNT = "other-mount"
    """Mounted in a way that guests notice: read-only, another protocol version, security, or handling of errors or
    locks."""
    NOT_AUTOSTARTED = "not-autostarted"
    """It is gone after the host's next boot."""
    IDENTITY_CONFLICT = "identity-conflict"
    """What the hosts see under this id may not be one storage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing on one host."""

    kind: FindingKind
    host: str
    pool: str
    """The host's own pool; empty where it has none."""
    message: str
    """A sentence for people."""
    commands: tuple[str, ...]
    """What mends it, or tells more: command lines, to be run in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStorage:
    """A storage, and what was found."""

    storage_id: str
    source: StorageIdSource
    aliases: tuple[str, ...]
    pools: tuple[str, ...]
    """Names of the pools that lie on it, each once."""
    local_to: str
    """The host whose alone it is by its id, so that there is nothing to compare; empty: it may be shared."""
    hosts: tuple[str, ...]
    """Who was compared: hosts that answered, and that are not at another site."""
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageCheck:
    """What was found on the storages of a fleet, in order of ids and hosts."""

    hosts: tuple[InventoryHost, ...]
    storages: tuple[CheckedStorage, ...]
    missing: tuple[str, ...]
    """Hosts that did not tell how they are now, a sentence each; of one that told nothing nothing is found."""

    @property
    def complete(self) -> bool:
        """Whether every host told how it is now."""
        return not self.missing

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of all storages."""
        return tuple(finding for storage in self.storages for finding in storage.findings)

    def to_dict(self) -> Json:
        """The document of `poolfleet storage check -o json`."""
        return {
            "complete": self.complete,
            "missing": list(self.missing),
            "hosts": [host.to_dict() for host in self.hosts],
            "storages": [_storage(storage) for storage in self.storages],
        }


def _storage(storage: CheckedStorage) -> Json:
    return {
        "storage_id": storage.storage_id,
        "source": str(storage.source),
        "local_to": storage.local_to or None,
        "hosts": list(storage.hosts),
        "findings": [
            {
                "kind": str(finding.kind),
                "host": finding.host,
                "pool": finding.pool or None,
                "message": finding.message,
                "commands": list(finding.commands),
            }
            for finding in storage.findings
        ],
    }
