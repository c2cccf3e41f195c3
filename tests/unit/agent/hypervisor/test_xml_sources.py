"""libvirt's documents about sources: where it is asked to look, and what it says that it found."""

from __future__ import annotations

import pytest

from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.model.discovery import DiscoveredSource, SourceQuery
from poolfleet_agent.model.errors import ModelError, Reason

DOCUMENTS = LibvirtDocuments()


def test_a_query_states_what_is_asked_and_nothing_else() -> None:
    assert DOCUMENTS.render_source_query(SourceQuery(type="logical")) == ""
    query = SourceQuery(type="iscsi", host="san1", port=3261, initiator="iqn.2026-01.com.example:kvm1")
    assert DOCUMENTS.render_source_query(query) == (
        '<source><host name="san1" port="3261" /><initiator><iqn name="iqn.2026-01.com.example:kvm1" /></initiator>'
        "</source>"
    )
    query = SourceQuery(type="netfs", host="gluster1", format="glusterfs")
    assert DOCUMENTS.render_source_query(query) == (
        '<source><host name="gluster1" /><format type="glusterfs" /></source>'
    )


# As libvirt 9 writes them for netfs, logical and iscsi.
FOUND = """
<sources>
  <source>
    <host name='nfs1'/>
    <dir path='/srv/vm_data'/>
    <format type='nfs'/>
  </source>
  <source>
    <device path='/dev/sdb'/>
    <device path='/dev/sdc'/>
    <name>vg0</name>
    <format type='lvm2'/>
  </source>
  <source>
    <host name='san1' port='3260'/>
    <device path='iqn.2026-01.com.example:disks'/>
  </source>
</sources>
"""


def test_what_libvirt_found_is_read_and_kept_in_its_words() -> None:
    netfs, logical, iscsi = DOCUMENTS.parse_sources(FOUND)
    assert (netfs.host, netfs.path, netfs.name, netfs.devices) == ("nfs1", "/srv/vm_data", "", ())
    assert (logical.host, logical.name, logical.devices) == ("", "vg0", ("/dev/sdb", "/dev/sdc"))
    assert (iscsi.host, iscsi.devices) == ("san1", ("iqn.2026-01.com.example:disks",))
    assert '<format type="lvm2" />' in logical.xml
    assert DOCUMENTS.parse_sources("<sources/>") == ()
    assert DOCUMENTS.parse_sources("<sources><source/></sources>") == (DiscoveredSource(xml="<source />"),)


def test_what_is_no_such_document_is_refused() -> None:
    with pytest.raises(ModelError) as refused:
        DOCUMENTS.parse_sources("<pool/>")
    assert refused.value.reason is Reason.INVALID_FIELD
