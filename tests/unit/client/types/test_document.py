"""Of a document of libvirt's the client reads the name, and passes the rest on."""

import pytest

from poolfleet import InvalidArgument, PoolSpec, VolumeSpec

POOL = "<pool type='logical'>\n  <!-- mine -->\n  <name>vg0</name>\n  <source><device path='/dev/z'/></source>\n</pool>"

BOMB = """<!DOCTYPE pool [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><pool type='dir'><name>&b;</name></pool>"""
EXTERNAL = """<!DOCTYPE pool [<!ENTITY f SYSTEM "file:///etc/hostname">]><pool type='dir'><name>&f;</name></pool>"""


def test_the_document_stays_as_it_is() -> None:
    spec = PoolSpec.from_xml(POOL)
    assert (spec.name, spec.xml, spec.source) == ("vg0", POOL, None)


def test_a_pool_without_a_name_has_its_sources() -> None:
    assert PoolSpec.from_xml("<pool type='logical'><source><name>vg1</name></source></pool>").name == "vg1"


def test_a_volume_has_its_name() -> None:
    assert VolumeSpec.from_xml("<volume><name>disk.qcow2</name></volume>").name == "disk.qcow2"


@pytest.mark.parametrize(
    ("xml", "complaint"),
    [
        pytest.param(BOMB, "document type", id="entities"),
        pytest.param(EXTERNAL, "document type", id="external entity"),
        pytest.param("<pool><name>x</pool>", "well-formed", id="malformed"),
        pytest.param("", "well-formed", id="empty"),
        pytest.param("<volume><name>x</name></volume>", "root element", id="another kind"),
        pytest.param("<pool type='dir'/>", "no <name>", id="nameless"),
    ],
)
def test_others_are_refused(xml: str, complaint: str) -> None:
    with pytest.raises(InvalidArgument, match=complaint) as caught:
        PoolSpec.from_xml(xml)
    assert caught.value.reason == "INVALID_FIELD"
