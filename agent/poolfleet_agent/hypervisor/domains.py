"""Domains: what they refer to, read on a connection that the caller holds."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import libvirt

from poolfleet_agent.hypervisor.xml.domains import Domain, references, snapshot_references
from poolfleet_agent.hypervisor.xml.secrets import domain_secrets
from poolfleet_agent.model.domain_disk import DiskRole, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError
from poolfleet_agent.model.secret import SecretUse

T = TypeVar("T")

_GONE = frozenset({libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT})


def listed(connection: libvirt.virConnect) -> list[libvirt.virDomain]:
    """All domains, running or not; nothing read of them yet."""
    return list(connection.listAllDomains(0))


def read_some(
    connection: libvirt.virConnect, domains: Iterable[libvirt.virDomain]
) -> tuple[list[DomainReference], list[str]]:
    """Read some of the listed domains; the second list says what could not be read, a sentence each.

    One that has gone meanwhile is left out. Raises libvirtError only where the connection is lost.
    """
    return _of_each(connection, domains, lambda domain: _distinct(_read(domain)))


def read_some_secrets(
    connection: libvirt.virConnect, domains: Iterable[libvirt.virDomain]
) -> tuple[list[SecretUse], list[str]]:
    """As read_some: which secrets they refer to."""
    return _of_each(connection, domains, _read_secrets)


def _of_each(
    connection: libvirt.virConnect,
    domains: Iterable[libvirt.virDomain],
    read: Callable[[libvirt.virDomain], Iterable[T]],
) -> tuple[list[T], list[str]]:
    found: list[T] = []
    missing: list[str] = []
    for domain in domains:
        try:
            found += read(domain)
        except UnicodeDecodeError:
            missing.append(f"domain {domain.UUIDString()}: its document is not UTF-8")
        except ModelError as error:
            missing.append(f"domain {domain.name()}: {error.message}")
        except libvirt.libvirtError as error:
            if connection.isAlive() != 1:
                raise
            if error.get_error_code() not in _GONE:
                missing.append(f"domain {domain.name()}: {error.get_error_message()}")
    return found, missing


def _read(domain: libvirt.virDomain) -> Iterator[DomainReference]:
    who = Domain(domain.name(), domain.UUIDString())
    for xml, state in _documents(domain):
        yield from references(xml, who, state)
    for snapshot in _snapshots(domain):
        yield from snapshot_references(snapshot.getXMLDesc(0), who)


def _read_secrets(domain: libvirt.virDomain) -> list[SecretUse]:
    name = domain.name()
    return [use for xml, _ in _documents(domain) for use in domain_secrets(xml, name)]


def _documents(domain: libvirt.virDomain) -> Iterator[tuple[str, DomainState]]:
    """What it is while it runs, and what it is stored as."""
    if domain.isActive():
        yield domain.XMLDesc(0), DomainState.ACTIVE
    if domain.isPersistent():
        yield domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), DomainState.INACTIVE


def _snapshots(domain: libvirt.virDomain) -> list[libvirt.virDomainSnapshot]:
    try:
        return list(domain.listAllSnapshots(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
            return []
        raise


def _distinct(found: Iterable[DomainReference]) -> list[DomainReference]:
    """Each source once for each role; what runs comes before what is stored, and that before snapshots.

    A snapshot's source that is in use anyway is left out.
    """
    seen: set[tuple[str, ...]] = set()
    distinct = []
    for reference in found:
        source: tuple[str, ...] = (reference.source_kind, reference.path, reference.pool, reference.volume)
        # Networked sources look alike: only their places tell them apart.
        if not any(source[1:]):
            source = (*source, reference.target)
        key = (reference.role, *source)
        if key in seen or (reference.role is DiskRole.SNAPSHOT and source in seen):
            continue
        seen |= {key, source}
        distinct.append(reference)
    return distinct
