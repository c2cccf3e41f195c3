"""Documents for hypothesis that nearly are libvirt's: cut and spliced, or made of its words in any order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st

_ODD_TEXT = (
    *("", " ", "0", "-1", "1", "007", "9" * 40, "9" * 5000, "18446744073709551615", "1e400", "nan", "0x1f", "٣", "a b"),
    *("bytes", "KiB", "EiB", "İ", "yes", "-o", "/", "..", "&#10;", "&#xD7FF;", "\u202e", "x" * 5000, "raw", "qcow2"),
    *("18446744073409551615.500000000", "1700000000.1", "file", "block", "network", "volume", "netfs", "rbd", "scsi"),
    "0fbb7aaf-1aa6-4ea3-8b8f-8ef1d3c6d8a1",
)
HOSTILE = (
    # Made to cost something, or to be taken for what they are not.
    '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><volume><name>&b;</name></volume>',
    '<?xml version="1.0" encoding="UTF-16"?><pool/>',
    "<a>" * 20_000,
    "<pool>" + "<a>" * 2_000 + "</a>" * 2_000 + "</pool>",
    "<volume>" + "<backingStore>" * 99 + "</backingStore>" * 99 + "</volume>",
    "<domain><devices><disk>" + "<backingStore>" * 99 + "</backingStore>" * 99 + "</disk></devices></domain>",
    "<volume><name>" + "x" * (1 << 20) + "</name></volume>",
    "<volume " + " ".join(f"a{number}=''" for number in range(20_000)) + "/>",
    "<volume " + " ".join(f"xmlns:a{number}='u{number}'" for number in range(10_000)) + "/>",
    "<volume>" + "<name/>" * 20_000 + "</volume>",
    "<pool xmlns='http://other.example' type='dir'><name>x</name></pool>",
    "<p:pool xmlns:p='http://other.example' type='dir'/>",
    "\ud800",
    "\0",
)


def documents(*known: str) -> st.SearchStrategy[str]:
    """Like the known ones."""
    words = sorted({word for text in known for word in re.findall(r"[A-Za-z_:]+", text)})
    tags = sorted({tag for text in known for tag in re.findall(r"<([A-Za-z_:]+)", text)})
    roots = [re.sub(r"[\s>/].*", "", text.strip()[1:], flags=re.DOTALL) for text in known]
    return _spliced(known) | _made(roots, tags, words)


def _spliced(known: Sequence[str]) -> st.SearchStrategy[str]:
    """One with a piece taken out, and something put there: a piece of its own, or anything."""
    places = st.floats(0, 1)
    pieces = st.one_of(st.sampled_from(_ODD_TEXT), st.text(max_size=10), st.none())

    def splice(text: str, begin: float, length: float, other: float, piece: str | None) -> str:
        start = round(begin * len(text))
        end = start + round(length * 60)
        again = round(other * len(text))
        return text[:start] + (text[again : again + 60] if piece is None else piece) + text[end:]

    return st.builds(splice, st.sampled_from(known), places, places, places, pieces)


def _made(roots: Sequence[str], tags: Sequence[str], words: Sequence[str]) -> st.SearchStrategy[str]:
    texts = st.one_of(st.sampled_from(_ODD_TEXT), st.sampled_from(words))
    attributes = st.dictionaries(st.sampled_from([word for word in words if ":" not in word]), texts, max_size=4)

    def element(tag: str, stated: dict[str, str], content: str) -> str:
        inside = " ".join(f"{name}={quoteattr(value)}" for name, value in stated.items())
        namespaces = "".join(
            f" xmlns:{prefix}='http://libvirt.org/schemas/storagepool/{prefix}/1.0'"
            for prefix in ("fs", "rbd")
            if tag in roots
        )
        return f"<{tag}{namespaces} {inside}>{content}</{tag}>"

    leaves = st.builds(element, st.sampled_from(tags), attributes, texts)
    trees = st.recursive(
        leaves,
        lambda below: st.builds(
            element, st.sampled_from(tags), attributes, st.lists(below, min_size=1, max_size=4).map("".join)
        ),
        max_leaves=12,
    )
    return st.builds(element, st.sampled_from(roots), attributes, st.lists(trees, max_size=6).map("".join))
