"""Pools: the blocking calls, each on a connection that the caller holds. They raise libvirtError and ModelError."""

from functools import lru_cache
from typing import Any

import libvirt
import structlog

from poolfleet_agent.hypervisor.xml.pools import parse_pool
from poolfleet_agent.model.pool import PoolFacts, PoolState
from poolfleet_agent.model.ports import BuildMode

_log = structlog.get_logger(__name__)

# Definitions seldom change, and parsing one takes longer than some of libvirt's calls.
_parsed = lru_cache(maxsize=512)(parse_pool)

_NO_SOURCES = "no storage pools were found"

_STATES = {
    libvirt.VIR_STORAGE_POOL_INACTIVE: PoolState.INACTIVE,
    libvirt.VIR_STORAGE_POOL_BUILDING: PoolState.BUILDING,
    libvirt.VIR_STORAGE_POOL_RUNNING: PoolState.RUNNING,
    libvirt.VIR_STORAGE_POOL_DEGRADED: PoolState.DEGRADED,
    libvirt.VIR_STORAGE_POOL_INACCESSIBLE: PoolState.INACCESSIBLE,
}

_BUILD_FLAGS = {
    BuildMode.NEW: libvirt.VIR_STORAGE_POOL_BUILD_NEW,
    BuildMode.OVERWRITE: libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE,
    BuildMode.NO_OVERWRITE: libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE,
}


def names(connection: libvirt.virConnect) -> list[str]:
    """Names of all pools; one that is not UTF-8 cannot be addressed, is logged and left out."""
    found = []
    for pool in connection.listAllStoragePools(0):
        try:
            found.append(pool.name())
        except UnicodeDecodeError as error:
            _log.warning("pool left out: its name is not UTF-8", name=ascii(error.object))
    return sorted(found)


def read(connection: libvirt.virConnect, name: str) -> PoolFacts:
    """All that libvirt says of one pool."""
    pool = connection.storagePoolLookupByName(name)
    # libvirt-python's own annotation is wrong: it is a list of integers.
    info: Any = pool.info()
    state, capacity_bytes, allocation_bytes, available_bytes = info
    persistent = bool(pool.isPersistent())
    autostart = bool(pool.autostart())
    xml = pool.XMLDesc(0)
    inactive_xml = _stored_xml(pool, xml) if persistent else ""
    definition = _parsed(xml)
    active = state not in {libvirt.VIR_STORAGE_POOL_INACTIVE, libvirt.VIR_STORAGE_POOL_BUILDING}
    return PoolFacts(
        definition=definition,
        stored_definition=_parsed(inactive_xml) if persistent else None,
        uuid=definition.uuid or "",
        state=_STATES.get(state, PoolState.INACTIVE),
        autostart=autostart,
        persistent=persistent,
        capacity_bytes=capacity_bytes if active else None,
        allocation_bytes=allocation_bytes if active else None,
        available_bytes=available_bytes if active else None,
        xml=xml,
        inactive_xml=inactive_xml,
    )


def _stored_xml(pool: libvirt.virStoragePool, live_xml: str) -> str:
    try:
        return str(pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
    except libvirt.libvirtError as error:
        # libvirt's test driver has one definition only, and does not know the flag.
        if error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:
            return live_xml
        raise


def find_sources(connection: libvirt.virConnect, pool_type: str, xml: str) -> str:
    """Have libvirt look for sources of pools, where `xml` says; empty: there are none."""
    try:
        # libvirt-python's own annotation is wrong: without a place to look there is none.
        return str(connection.findStoragePoolSources(pool_type, xml or None, 0))  # type: ignore[arg-type]
    except libvirt.libvirtError as error:
        message = error.get_error_message() or ""
        if error.get_error_code() != libvirt.VIR_ERR_OPERATION_FAILED or _NO_SOURCES not in message:
            raise
        return ""


def define(connection: libvirt.virConnect, xml: str) -> str:
    """Store a definition; the answer is its name."""
    return str(connection.storagePoolDefineXML(xml, 0).name())


def create(connection: libvirt.virConnect, xml: str) -> str:
    """Start a transient pool; the answer is its name."""
    return str(connection.storagePoolCreateXML(xml, 0).name())


def undefine(connection: libvirt.virConnect, name: str) -> None:
    """Forget the stored definition."""
    connection.storagePoolLookupByName(name).undefine()


def start(connection: libvirt.virConnect, name: str) -> None:
    """Start."""
    connection.storagePoolLookupByName(name).create(0)


def stop(connection: libvirt.virConnect, name: str) -> None:
    """Stop."""
    connection.storagePoolLookupByName(name).destroy()


def build(connection: libvirt.virConnect, name: str, mode: BuildMode) -> None:
    """Build."""
    connection.storagePoolLookupByName(name).build(_BUILD_FLAGS[mode])


def erase(connection: libvirt.virConnect, name: str) -> None:
    """Destroy what is stored."""
    connection.storagePoolLookupByName(name).delete(0)


def refresh(connection: libvirt.virConnect, name: str) -> None:
    """Have libvirt read the volumes anew."""
    connection.storagePoolLookupByName(name).refresh(0)


def set_autostart(connection: libvirt.virConnect, name: str, *, autostart: bool) -> None:
    """Set autostart."""
    connection.storagePoolLookupByName(name).setAutostart(int(autostart))
