"""Reading a document that may come from anybody, and reading it as libvirt does.

libvirt looks values up by XPath, which joins the text of nested elements and takes the first of several. Documents in
which that would matter are refused, so that what is checked here is what libvirt sees.
"""

import re
from functools import lru_cache
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from poolfleet_agent.model.errors import ModelError, invalid_field
from poolfleet_agent.model.pool import Permissions

LARGEST_CHARACTERS = 1 << 20
MOST_TAGS = 50_000
DEEPEST = 100

_ENCODING = re.compile(r"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']""")


def read(xml: str, root_tag: str) -> Element:
    """Parse a document whose root is `root_tag`: INVALID_FIELD where it is malformed, oversized or hostile."""
    if len(xml) > LARGEST_CHARACTERS or len(xml.encode(errors="replace")) > LARGEST_CHARACTERS:
        raise malformed(f"must have at most {LARGEST_CHARACTERS} bytes")
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise malformed("must not have a document type or entities")
    if (declared := _ENCODING.match(xml)) and declared[1].upper() not in {"UTF-8", "US-ASCII"}:
        raise malformed("must be UTF-8")
    tags = xml.count("<")
    if tags > MOST_TAGS:
        raise malformed(f"must have at most {MOST_TAGS} tags")
    try:
        root = ET.fromstring(xml)  # noqa: S314  what makes it unsafe was refused above
    except (ET.ParseError, ValueError) as error:
        raise malformed(f"is not well-formed: {error}") from None
    # Each level has two tags.
    if tags > 2 * DEEPEST:
        _check_depth(root)
    if root.tag != root_tag:
        raise malformed(f"the root element must be <{root_tag}>")
    return root


def malformed(description: str) -> ModelError:
    """INVALID_FIELD for the document."""
    return invalid_field("xml", description)


def only(parent: Element | None, tag: str) -> Element | None:
    """The child of that tag, if there is one; more than one are refused."""
    if parent is None:
        return None
    found = parent.findall(tag)
    if len(found) > 1:
        raise malformed(f"<{parent.tag}> must have at most one <{tag}>")
    return found[0] if found else None


def text(parent: Element | None, tag: str) -> str | None:
    """The text of the only child of that tag; None where there is no such child. Nested elements are refused."""
    element = only(parent, tag)
    if element is None:
        return None
    if len(element):
        raise malformed(f"<{tag}> must have no elements inside")
    return element.text or ""


def attribute(parent: Element | None, tag: str, name: str) -> str | None:
    """An attribute of the only child of that tag; None where there is neither."""
    element = only(parent, tag)
    return None if element is None else element.get(name)


def permissions(parent: Element | None) -> Permissions | None:
    """Read `<permissions>` below `parent`."""
    element = only(parent, "permissions")
    if element is None:
        return None
    return _shared_permissions(
        mode=_mode(text(element, "mode")),
        owner=_id(text(element, "owner"), "owner"),
        group=_id(text(element, "group"), "group"),
        label=text(element, "label") or "",
    )


@lru_cache(maxsize=1024)
def _shared_permissions(*, mode: int | None, owner: int | None, group: int | None, label: str) -> Permissions:
    """One object for all that are alike: a pool has thousands of volumes, and few kinds of permissions."""
    return Permissions(mode=mode, owner=owner, group=group, label=label)


def append_permissions(parent: Element, stated: Permissions) -> None:
    """Write `<permissions>` below `parent`."""
    element = ET.SubElement(parent, "permissions")
    if stated.mode is not None:
        append(element, "mode", f"{stated.mode:04o}")
    if stated.owner is not None:
        append(element, "owner", str(stated.owner))
    if stated.group is not None:
        append(element, "group", str(stated.group))
    if stated.label:
        append(element, "label", stated.label)


def append(parent: Element, tag: str, content: str) -> Element:
    """Write a child with text."""
    element = ET.SubElement(parent, tag)
    element.text = content
    return element


def child(parent: Element, tag: str) -> Element:
    """The only child of that tag, made where there is none."""
    found = only(parent, tag)
    return ET.SubElement(parent, tag) if found is None else found


def yes_no(value: bool) -> str:
    """libvirt's words for a switch."""
    return "yes" if value else "no"


def remove(parent: Element, tag: str) -> None:
    """Take away all children of that tag."""
    for element in parent.findall(tag):
        parent.remove(element)


def write(root: Element) -> str:
    """The document as text; characters that XML cannot hold are refused: INVALID_FIELD."""
    xml = ET.tostring(root, encoding="unicode")
    try:
        ET.fromstring(xml)  # noqa: S314  our own
    except (ET.ParseError, ValueError):
        raise malformed("has characters that XML cannot hold") from None
    return xml


def _mode(value: str | None) -> int | None:
    if value is None or value == "-1":
        return None
    if not re.fullmatch(r"[0-7]{1,6}", value) or int(value, 8) > 0o7777:
        raise malformed(f"<mode> {value[:50]!r} is not valid")
    return int(value, 8)


def _id(value: str | None, tag: str) -> int | None:
    # libvirt writes ids above 2^31 as negative numbers, and -1 for "not stated".
    if value is None or value == "-1":
        return None
    if not re.fullmatch(r"-?[0-9]{1,10}", value) or not -(2**31) <= int(value) < 2**32:
        raise malformed(f"<{tag}> {value[:50]!r} is not valid")
    return int(value) % 2**32


def _check_depth(root: Element) -> None:
    level = [root]
    for _ in range(DEEPEST):
        level = [child for element in level for child in element]
        if not level:
            return
    raise malformed(f"must be nested at most {DEEPEST} deep")
