"""Secrets: the blocking calls, each on a connection that the caller holds. They raise libvirtError and ModelError."""

import dataclasses

import libvirt

from poolfleet_agent.hypervisor.xml.secrets import parse_secret, render_secret
from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, SecretValue

_USAGE_TYPES = {
    "volume": libvirt.VIR_SECRET_USAGE_TYPE_VOLUME,
    "ceph": libvirt.VIR_SECRET_USAGE_TYPE_CEPH,
    "iscsi": libvirt.VIR_SECRET_USAGE_TYPE_ISCSI,
    "tls": libvirt.VIR_SECRET_USAGE_TYPE_TLS,
    "vtpm": libvirt.VIR_SECRET_USAGE_TYPE_VTPM,
}


def listed(connection: libvirt.virConnect) -> list[SecretFacts]:
    """All secrets; one that has gone meanwhile is left out."""
    facts = []
    for secret in connection.listAllSecrets(0):
        try:
            facts.append(parse_secret(secret.XMLDesc(0)))
        except libvirt.libvirtError as error:
            if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
                raise
    return facts


def find(connection: libvirt.virConnect, ref: SecretRef) -> SecretFacts | None:
    """One secret; None: there is none."""
    found = _lookup(connection, ref)
    return None if found is None else parse_secret(found.XMLDesc(0))


def set_value(connection: libvirt.virConnect, asked: SecretDefinition, value: SecretValue) -> SecretFacts:
    """Make a secret, or replace value and description of the one that has its usage. One without a value never stays.

    Flags that are not stated stay as they are.
    """
    known, wanted = _lookup(connection, asked.ref), asked
    if known is not None:
        have = parse_secret(known.XMLDesc(0))
        wanted = dataclasses.replace(
            asked,
            uuid=have.uuid,
            description=have.description if asked.description is None else asked.description,
            private=have.private if asked.private is None else asked.private,
            ephemeral=have.ephemeral if asked.ephemeral is None else asked.ephemeral,
        )
    secret = connection.secretDefineXML(render_secret(wanted), 0)
    try:
        secret.setValue(value.reveal, 0)  # type: ignore[arg-type]  # the stubs say str, the binding takes bytes
    except libvirt.libvirtError:
        if known is None:
            secret.undefine()
        raise
    return parse_secret(secret.XMLDesc(0))


def value_of(connection: libvirt.virConnect, uuid: str) -> SecretValue:
    """The value, for what the agent encrypts by itself; libvirt refuses it for a private secret."""
    value: object = connection.secretLookupByUUIDString(uuid).value(0)
    return SecretValue(bytes(value))  # type: ignore[call-overload]  # the stubs say str, the binding gives bytes


def delete(connection: libvirt.virConnect, uuid: str) -> None:
    """Forget a secret and its value."""
    connection.secretLookupByUUIDString(uuid).undefine()


def _lookup(connection: libvirt.virConnect, ref: SecretRef) -> libvirt.virSecret | None:
    try:
        if ref.uuid:
            return connection.secretLookupByUUIDString(ref.uuid)
        return connection.secretLookupByUsage(_USAGE_TYPES[ref.usage_type], ref.usage_id)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
            raise
        return None
