"""Whether two pools would take their volumes from one source, each unaware of the other."""

from collections.abc import Iterator

from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.pool_source import (
    DirSource,
    FcHostAdapter,
    GlusterSource,
    IscsiDirectSource,
    IscsiSource,
    LogicalSource,
    MpathSource,
    NetfsSource,
    RbdSource,
    ScsiHostAdapter,
    ScsiSource,
    VstorageSource,
    ZfsSource,
    local_devices,
)


def same_source(one: PoolDefinition, other: PoolDefinition) -> bool:
    """Whether two definitions state the same source: as libvirt finds it, and for the types that it does not look at.

    A device belongs to one pool, of whatever type. Of servers, one in common is enough.
    """
    if set(local_devices(one.source)) & set(local_devices(other.source)):
        return True
    return one.type == other.type and bool(set(_sources(one)) & set(_sources(other)))


def _sources(definition: PoolDefinition) -> Iterator[tuple[object, ...]]:
    """What tells the source of a pool from others of its type; nothing: it is not known."""
    match definition.source:
        case DirSource() if definition.target_path is not None:
            yield (clean_path(definition.target_path),)
        case NetfsSource(host=host, path=path):
            yield host, clean_path(path)
        case LogicalSource(name=name) | ZfsSource(name=name) | VstorageSource(name=name):
            yield (name or definition.name,)
        case IscsiSource() | IscsiDirectSource() as source:
            # A target's name is its own, whichever address it is reached by.
            yield source.device, source.initiator
        case MpathSource():
            yield ("the host's",)
        case ScsiSource(adapter=adapter):
            yield _adapter(adapter)
        case RbdSource(hosts=hosts, name=name):
            yield from ((host.name, name) for host in hosts)
        case GlusterSource(hosts=hosts, name=name, path=path):
            yield from ((host.name, name or definition.name, clean_path(path or "/")) for host in hosts)


def _adapter(adapter: ScsiHostAdapter | FcHostAdapter) -> tuple[object, ...]:
    if isinstance(adapter, FcHostAdapter):
        return adapter.wwnn.lower(), adapter.wwpn.lower()
    if adapter.name is not None:
        return (adapter.name.removeprefix("scsi_"),)
    return adapter.parent_address, adapter.unique_id
