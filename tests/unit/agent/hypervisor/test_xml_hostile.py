"""Documents from strangers: bombs, entities, depth and size are refused before they cost anything."""

from __future__ import annotations

import pytest

from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.model.errors import ModelError, Reason

documents = LibvirtDocuments()

BOMB = """<!DOCTYPE pool [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<pool type='dir'><name>&b;</name></pool>"""
EXTERNAL = """<!DOCTYPE pool [<!ENTITY x SYSTEM "file:///etc/passwd">]><pool type='dir'><name>&x;</name></pool>"""
EXTERNAL_DTD = """<!DOCTYPE pool SYSTEM "http://192.0.2.1/x.dtd"><pool type='dir'><name>a</name></pool>"""


def pool(inside: str) -> str:
    return f"<pool type='dir'><name>a</name>{inside}</pool>"


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        pytest.param(BOMB, "document type", id="bomb"),
        pytest.param(EXTERNAL, "document type", id="external entity"),
        pytest.param(EXTERNAL_DTD, "document type", id="external DTD"),
        pytest.param(pool("&undefined;"), "not well-formed", id="undefined entity"),
        pytest.param(pool("x" * 2**20), "bytes", id="large"),
        pytest.param(pool("é" * (2**19)), "bytes", id="large in bytes only"),
        pytest.param(pool("<a>" * 101 + "</a>" * 101), "deep", id="deep"),
        pytest.param(pool("<a/>" * 60_000), "tags", id="many tags"),
        pytest.param(pool("")[:-1], "not well-formed", id="cut off"),
        pytest.param("", "not well-formed", id="empty"),
        pytest.param("<pool", "not well-formed", id="a beginning"),
        pytest.param(pool("") + pool(""), "not well-formed", id="two roots"),
        pytest.param(pool("\x00"), "not well-formed", id="NUL"),
        pytest.param(pool("\ud800"), "not well-formed", id="surrogate"),
        pytest.param("<?xml version='1.0' encoding='UTF-7'?>" + pool(""), "UTF-8", id="another encoding"),
        pytest.param("<?xml version='1.0' encoding='utf-16'?>" + pool(""), "UTF-8", id="wide encoding"),
    ],
)
def test_refused(xml: str, why: str) -> None:
    for parse in (documents.parse_pool, documents.parse_volume):
        with pytest.raises(ModelError) as refused:
            parse(xml)
        assert refused.value.reason is Reason.INVALID_FIELD
        assert why in refused.value.message
        assert refused.value.violations[0].field == "xml"


@pytest.mark.parametrize(
    "xml",
    [
        pytest.param("<?xml version='1.0' encoding='utf-8'?>" + pool("<!-- remark -->"), id="declared UTF-8"),
        pytest.param(pool("<a>" * 90 + "</a>" * 90), id="deep enough"),
        pytest.param("\n " + pool("<x:y xmlns:x='urn:x'/>"), id="unknown elements"),
    ],
)
def test_accepted(xml: str) -> None:
    assert documents.parse_pool(xml).name == "a"
