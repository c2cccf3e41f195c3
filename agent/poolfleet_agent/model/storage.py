"""Which storage lies behind a pool: configured ids first, else one derived from the source or the host's disk."""

from collections.abc import Sequence
from dataclasses import dataclass

from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.pool import NetfsSource, PoolDefinition, Storage, StorageIdSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredStorage:
    """One `[[storages]]` of the configuration: the id of what lies at a target, or behind a source (`host:/path`)."""

    id: str
    path: str = ""
    source: str = ""


def storage_of(
    definition: PoolDefinition,
    *,
    agent_id: str,
    filesystem_id: str,
    real_target: str,
    configured: Sequence[ConfiguredStorage],
) -> Storage | None:
    """Identify the storage behind a pool; None while too little is known. `real_target` has no symbolic links."""
    aliases = _aliases(definition)
    for entry in configured:
        if entry.path and clean_path(entry.path) in {real_target, clean_path(definition.target_path or "")}:
            return Storage(id=entry.id, source=StorageIdSource.CONFIGURED, aliases=aliases)
        if entry.source and _source_name(definition) == entry.source.rstrip("/"):
            return Storage(id=entry.id, source=StorageIdSource.CONFIGURED, aliases=aliases)
    if aliases:
        return Storage(id=aliases[0], source=StorageIdSource.DERIVED, aliases=aliases)
    if not filesystem_id or not real_target:
        return None
    return Storage(id=f"host:{agent_id}:{filesystem_id}:{real_target}", source=StorageIdSource.DERIVED)


def _source_name(definition: PoolDefinition) -> str:
    if isinstance(definition.source, NetfsSource):
        return f"{definition.source.host}:{clean_path(definition.source.path)}".rstrip("/")
    return ""


def _aliases(definition: PoolDefinition) -> tuple[str, ...]:
    source = definition.source
    if not isinstance(source, NetfsSource):
        return ()
    scheme = {"cifs": "cifs", "glusterfs": "gluster"}.get(source.format or "", "nfs")
    return (f"{scheme}:{source.host.lower()}/{clean_path(source.path).lstrip('/')}",)
