"""Pool documents: what is written is read back, what libvirt writes is understood, and the rest is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Permissions, PoolDefinition
from poolfleet_agent.model.pool_source import DiskSource, NetfsSource
from tests.pool_definitions import POOL_TYPES, definitions

documents = LibvirtDocuments()


@pytest.mark.parametrize("pool_type", POOL_TYPES)
@given(data=st.data())
def test_what_is_written_is_read_back(pool_type: str, data: st.DataObject) -> None:
    definition = data.draw(definitions([pool_type]))
    assert documents.parse_pool(documents.render_pool(definition)) == definition


LIBVIRT_WRITES = """\
<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'>
  <name>vm_data</name>
  <uuid>11111111-1111-1111-1111-111111111111</uuid>
  <capacity unit='bytes'>270553174016</capacity>
  <allocation unit='bytes'>23602556928</allocation>
  <available unit='bytes'>246950617088</available>
  <source>
    <host name='nfs.example.com' port='2049'/>
    <dir path='/path/to/share'/>
    <format type='auto'/>
    <protocol ver='4.2'/>
  </source>
  <target>
    <path>/vm_data</path>
    <permissions>
      <mode>0711</mode>
      <owner>-2</owner>
      <group>0</group>
      <label>system_u:object_r:nfs_t</label>
    </permissions>
  </target>
  <fs:mount_opts>
    <fs:option name='nodev'/>
    <fs:option name='timeo=50'/>
  </fs:mount_opts>
</pool>
"""


def test_what_libvirt_writes_is_understood() -> None:
    assert documents.parse_pool(LIBVIRT_WRITES) == PoolDefinition(
        name="vm_data",
        type="netfs",
        uuid="11111111-1111-1111-1111-111111111111",
        source=NetfsSource(host="nfs.example.com", path="/path/to/share", format="auto"),
        target_path="/vm_data",
        target_permissions=Permissions(mode=0o711, owner=2**32 - 2, group=0, label="system_u:object_r:nfs_t"),
        mount_options=("nodev", "timeo=50"),
        protocol_version="4.2",
    )


def test_an_edit_changes_what_it_states_and_keeps_all_else() -> None:
    edited = documents.edit_pool(
        LIBVIRT_WRITES,
        PoolDefinition(name="vm_data", type="netfs", target_path="/new", mount_options=("sync",), protocol_version="3"),
    )
    have = documents.parse_pool(edited)
    assert (have.target_path, have.mount_options, have.protocol_version) == ("/new", ("sync",), "3")
    assert have.uuid == "11111111-1111-1111-1111-111111111111"
    assert have.source == NetfsSource(host="nfs.example.com", path="/path/to/share", format="auto")
    assert have.target_permissions == documents.parse_pool(LIBVIRT_WRITES).target_permissions
    # What no field stands for: the port.
    assert 'port="2049"' in edited


def test_an_edit_of_a_source_keeps_what_else_is_said_of_it() -> None:
    xml = (
        "<pool type='disk'><name>p</name><source><device path='/dev/sdb' part_separator='no'><freeExtent start='1' "
        "end='2'/></device><format type='gpt'/><vendor name='Acme'/></source></pool>"
    )
    edited = documents.edit_pool(xml, PoolDefinition(name="p", type="disk", source=DiskSource(device="/dev/sdb")))
    assert documents.parse_pool(edited) == documents.parse_pool(xml)
    assert "freeExtent" in edited
    moved = documents.edit_pool(xml, PoolDefinition(name="p", type="disk", source=DiskSource(device="/dev/sdc")))
    assert documents.parse_pool(moved).source == DiskSource(device="/dev/sdc", format="gpt")
    assert documents.parse_pool(moved).vendor == "Acme"


@pytest.mark.parametrize(
    ("pool_type", "inside"),
    [
        ("fs", "<source/>"),
        ("disk", "<source><device path='/dev/a'/><device path='/dev/b'/></source>"),
        ("iscsi", "<source><host name='a'/></source>"),
        ("iscsi", "<source><host name='a'/><host name='b'/><device path='x'/></source>"),
        ("iscsi-direct", "<source><host name='a'/><device path='x'/></source>"),
        ("scsi", "<source/>"),
        ("scsi", "<source><adapter type='fc_host' wwnn='1'/></source>"),
        ("scsi", "<source><adapter type='scsi_host'/></source>"),
        ("rbd", "<source><name>vms</name></source>"),
        ("gluster", "<source><host name=''/></source>"),
        ("sheepdog", "<source><host name='a'/><name>s</name></source>"),
        ("cloud", "<source/>"),
    ],
)
def test_what_the_typed_form_has_no_place_for_stays_addressable(pool_type: str, inside: str) -> None:
    have = documents.parse_pool(f"<pool type='{pool_type}'><name>p</name>{inside}</pool>")
    assert (have.name, have.type, have.source) == ("p", pool_type, None)


def test_an_edit_takes_away_options_and_version_where_none_are_stated() -> None:
    none = PoolDefinition(name="vm_data", type="netfs", mount_options=(), protocol_version="")
    edited = documents.edit_pool(LIBVIRT_WRITES, none)
    have = documents.parse_pool(edited)
    assert (have.mount_options, have.protocol_version) == (None, None)
    assert documents.render_pool(none) == '<pool type="netfs"><name>vm_data</name></pool>'


def test_a_uuid_is_read_in_canonical_form() -> None:
    xml = "<pool type='dir'><name>a</name><uuid>AAAAAAAA111111111111111111111111</uuid></pool>"
    assert documents.parse_pool(xml).uuid == "aaaaaaaa-1111-1111-1111-111111111111"


def test_a_pool_without_a_name_has_its_sources_name_as_in_libvirt() -> None:
    assert documents.parse_pool("<pool type='logical'><source><name>vg0</name></source></pool>").name == "vg0"


@pytest.mark.parametrize(
    ("xml", "why"),
    [
        ("<pool><name>a</name></pool>", "type"),
        ("<pool type='dir'/>", "<name>"),
        ("<volume><name>a</name></volume>", "root element"),
        ("<pool xmlns='urn:x' type='dir'><name>a</name></pool>", "root element"),
        ("<pool type='dir'><name>a</name><uuid>zz</uuid></pool>", "UUID"),
        ("<pool type='netfs'><name>a</name><source><dir path='/e'/></source></pool>", "host"),
        ("<pool type='rbd'><name>a</name><source><host name='m' port='x'/></source></pool>", "port"),
        ("<pool type='rbd'><name>a</name><source><name>v</name><name>w</name></source></pool>", "at most one"),
        (
            "<pool type='scsi'><name>a</name><source><adapter type='scsi_host'><parentaddr unique_id='1'>"
            "<address bus='x'/></parentaddr></adapter></source></pool>",
            "PCI",
        ),
        (
            "<pool type='dir'><name>a</name><target><permissions><mode>9</mode></permissions></target></pool>",
            "<mode>",
        ),
        (
            "<pool type='dir'><name>a</name><target><permissions><owner>x</owner></permissions></target></pool>",
            "<owner>",
        ),
        # libvirt would take the path from the first of both, and join what stands around nested elements.
        ("<pool type='dir'><name>a</name><target/><target><path>/etc</path></target></pool>", "at most one"),
        ("<pool type='dir'><name>a</name><target><path>/a</path><path>/b</path></target></pool>", "at most one"),
        ("<pool type='dir'><name>a</name><target><path>/a<x/>/../etc</path></target></pool>", "inside"),
    ],
)
def test_what_libvirt_could_read_otherwise_is_refused(xml: str, why: str) -> None:
    with pytest.raises(ModelError) as refused:
        documents.parse_pool(xml)
    assert refused.value.reason is Reason.INVALID_FIELD
    assert why in refused.value.message


def test_characters_that_xml_cannot_hold_are_refused() -> None:
    with pytest.raises(ModelError) as refused:
        documents.render_pool(PoolDefinition(name="a\x01b", type="dir"))
    assert refused.value.reason is Reason.INVALID_FIELD
