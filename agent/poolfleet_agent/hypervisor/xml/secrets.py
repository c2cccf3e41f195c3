"""Secret documents, and what other documents refer to secrets by. A value stands in none of them."""

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.hypervisor.xml import document
from poolfleet_agent.hypervisor.xml.document import only, text, yes_no
from poolfleet_agent.model.secret import SecretDefinition, SecretFacts, SecretRef, SecretUse

_ID_TAGS: Mapping[str, str] = {"volume": "volume", "ceph": "name", "iscsi": "target", "tls": "name", "vtpm": "name"}
"""Where each type of usage has its id."""

_USAGE_OF_TYPE: Mapping[str, str] = {"passphrase": "volume", "ceph": "ceph", "iscsi": "iscsi", "chap": "iscsi"}
"""Usage by the type that a reference, or the authentication around it, is said to be of."""


def parse_secret(xml: str) -> SecretFacts:
    """Read libvirt's own description of a secret."""
    root = document.read(xml, "secret")
    usage = only(root, "usage")
    usage_type = "none" if usage is None else usage.get("type", "none")
    id_tag = _ID_TAGS.get(usage_type)
    return SecretFacts(
        uuid=text(root, "uuid") or "",
        usage_type=usage_type,
        usage_id=(text(usage, id_tag) or "") if id_tag else "",
        description=text(root, "description") or "",
        private=root.get("private") == "yes",
        ephemeral=root.get("ephemeral") == "yes",
    )


def render_secret(definition: SecretDefinition) -> str:
    """Write a secret document."""
    flags = {"ephemeral": definition.ephemeral, "private": definition.private}
    root = ET.Element("secret", {name: yes_no(bool(value)) for name, value in flags.items()})
    if definition.uuid is not None:
        document.append(root, "uuid", definition.uuid)
    if definition.description is not None:
        document.append(root, "description", definition.description)
    usage = ET.SubElement(root, "usage", {"type": definition.usage_type})
    document.append(usage, _ID_TAGS[definition.usage_type], definition.usage_id)
    return document.write(root)


def pool_secrets(xml: str) -> tuple[SecretRef, ...]:
    """Which secrets a pool document refers to: INVALID_FIELD."""
    return tuple(secret_refs(document.read(xml, "pool")))


def domain_secrets(xml: str, domain: str) -> Iterator[SecretUse]:
    """Which secrets a domain's document refers to: INVALID_FIELD."""
    for ref in secret_refs(document.read(xml, "domain")):
        yield SecretUse(f"domain {domain}", ref)


def secret_refs(root: Element) -> Iterator[SecretRef]:
    """What the document of a pool, a volume or a domain refers to: for authentication, disks, and a TPM's state."""
    for element in root.iter():
        if element.tag == "encryption" and (uuid := element.get("secret")):
            yield SecretRef(uuid=uuid)
        for secret in element.findall("secret"):
            if uuid := secret.get("uuid"):
                yield SecretRef(uuid=uuid)
            elif usage := secret.get("usage"):
                said = secret.get("type") or element.get("type") or ""
                yield SecretRef(usage_type=_USAGE_OF_TYPE.get(said, said), usage_id=usage)
