"""What the client reads or changes of a document of libvirt's: its name, nothing else."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from poolfleet.types.errors import InvalidArgument


def document_name(xml: str, root: str) -> str:
    """Return the name in a `<pool>` or `<volume>` document.

    Raises InvalidArgument (INVALID_FIELD) for what is not well-formed, has another root element, no name, or a
    document type: libvirt needs none, and entities are how a small document becomes a large one.
    """
    document = _read(xml, root)
    # Where a pool has no name of its own, libvirt takes its source's (a volume group's, for one).
    name = document.findtext("name") or document.findtext("source/name")
    if not name:
        raise _invalid("it has no <name>")
    return name


def renamed(xml: str, root: str, name: str) -> str:
    """Return the document under another name. Raises as document_name."""
    document = _read(xml, root)
    own = document.find("name")
    if own is None:
        raise _invalid("it has no <name>")
    own.text = name
    return ET.tostring(document, encoding="unicode")


def _read(xml: str, root: str) -> ET.Element:
    # Valid XML has these words elsewhere only in comments and CDATA, and there is no need of them there.
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise _invalid("it declares a document type or entities")
    try:
        document = ET.fromstring(xml)  # noqa: S314 (what makes it unsafe was refused above)
    except (ET.ParseError, ValueError) as error:
        raise _invalid(f"it is not well-formed: {error}") from error
    if document.tag != root:
        raise _invalid(f"its root element is <{document.tag}>, not <{root}>")
    return document


def _invalid(what: str) -> InvalidArgument:
    return InvalidArgument(f"The XML document is refused: {what}.", reason="INVALID_FIELD")
