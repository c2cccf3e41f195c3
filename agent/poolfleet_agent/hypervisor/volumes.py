"""Volumes: the blocking calls, each on a connection that the caller holds. They raise libvirtError and ModelError."""

import dataclasses
from collections.abc import Iterable

import libvirt

from poolfleet_agent.hypervisor.errors import file_has_impossible_name, file_is_gone
from poolfleet_agent.hypervisor.xml.volumes import parse_facts
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.reservation import OWN_PREFIX
from poolfleet_agent.model.volume import VolumeFacts

MOST_VOLUMES = 16_384
"""libvirt's protocol refuses to list more."""


def listed(connection: libvirt.virConnect, pool: str) -> list[libvirt.virStorageVol]:
    """All volumes of a pool, nothing read of them yet: NOT_SUPPORTED_HERE where they are too many for libvirt."""
    found = connection.storagePoolLookupByName(pool)
    count = found.numOfVolumes()
    if count > MOST_VOLUMES:
        message = f"pool {pool} has {count} volumes, and libvirt lists at most {MOST_VOLUMES}"
        raise ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata={"pool": pool, "what": message})
    return list(found.listAllVolumes(0))


def read_some(pool: str, volumes: Iterable[libvirt.virStorageVol]) -> tuple[list[VolumeFacts], int]:
    """Read some of the listed volumes, without their XML, and count those that libvirt cannot be asked about.

    One that has gone is left out, also where libvirt has not seen that yet; so are the agents' own files, which come
    and go.
    """
    facts: list[VolumeFacts] = []
    unaddressable = 0
    for volume in volumes:
        try:
            if volume.name().startswith(OWN_PREFIX):
                continue
            facts.append(parse_facts(pool, volume.XMLDesc(0)))
        except UnicodeDecodeError:
            unaddressable += 1
        except libvirt.libvirtError as error:
            if file_has_impossible_name(error):
                unaddressable += 1
            elif error.get_error_code() != libvirt.VIR_ERR_NO_STORAGE_VOL and not file_is_gone(error):
                raise
    return facts, unaddressable


def read(connection: libvirt.virConnect, pool: str, name: str) -> VolumeFacts:
    """One volume, with its XML."""
    return _described(pool, connection.storagePoolLookupByName(pool).storageVolLookupByName(name))


def create(connection: libvirt.virConnect, pool: str, xml: str, *, preallocate: bool) -> VolumeFacts:
    """Create a volume; the answer has its XML."""
    flags = libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA if preallocate else 0
    return _described(pool, connection.storagePoolLookupByName(pool).createXML(xml, flags))


def clone(connection: libvirt.virConnect, pool: str, xml: str, source: tuple[str, str]) -> VolumeFacts:
    """Create a volume that holds what another one does (pool and name); the answer has its XML."""
    source_pool, source_name = source
    original = connection.storagePoolLookupByName(source_pool).storageVolLookupByName(source_name)
    return _described(pool, connection.storagePoolLookupByName(pool).createXMLFrom(xml, original, 0))


def delete(connection: libvirt.virConnect, pool: str, name: str) -> None:
    """Delete a volume."""
    connection.storagePoolLookupByName(pool).storageVolLookupByName(name).delete(0)


def resize(connection: libvirt.virConnect, pool: str, name: str, capacity_bytes: int, *, allocate: bool) -> None:
    """Change a volume's capacity, whether it shrinks or not: who may is decided before."""
    flags = libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK
    if allocate:
        flags |= libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE
    connection.storagePoolLookupByName(pool).storageVolLookupByName(name).resize(capacity_bytes, flags)


def wipe(connection: libvirt.virConnect, pool: str, name: str, algorithm: str) -> None:
    """Overwrite what a volume holds, by the algorithm that libvirt calls so."""
    number: int = getattr(libvirt, f"VIR_STORAGE_VOL_WIPE_ALG_{algorithm.upper()}")
    connection.storagePoolLookupByName(pool).storageVolLookupByName(name).wipePattern(number, 0)


def _described(pool: str, volume: libvirt.virStorageVol) -> VolumeFacts:
    try:
        xml = volume.XMLDesc(0)
    except UnicodeDecodeError as error:
        raise ModelError(
            Reason.PATH_NOT_USABLE,
            f"libvirt's document of volume {volume.name()!r} cannot be read: a path in it is no UTF-8",
            metadata={"pool": pool, "volume": volume.name()},
        ) from error
    return dataclasses.replace(parse_facts(pool, xml), xml=xml)
