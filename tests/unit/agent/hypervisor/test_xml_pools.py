"""Pool documents: what is written is read back, what libvirt writes is understood, and the rest is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import DirSource, NetfsSource, Permissions, PoolDefinition, PoolSource, RemoteSource

documents = LibvirtDocuments()

# What XML can hold and keeps as it is: no control characters, no surrogates, no non-characters.
words = st.text(
    st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff\u2028\u2029"), min_size=1
)
ids = st.none() | st.integers(0, 2**32 - 2)
permissions = st.none() | st.builds(
    Permissions, mode=st.none() | st.integers(0, 0o7777), owner=ids, group=ids, label=st.just("") | words
)
netfs = st.builds(NetfsSource, host=words, path=words, format=st.none() | words)


@st.composite
def definitions(draw: st.DrawFn) -> PoolDefinition:
    pool_type = draw(st.sampled_from(["dir", "netfs", "logical"]))
    source: PoolSource | None = None
    if pool_type == "dir":
        source = DirSource()
    elif pool_type == "netfs":
        source = draw(netfs)
    return PoolDefinition(
        name=draw(words),
        type=pool_type,
        uuid=draw(st.none() | st.uuids().map(str)),
        source=source,
        target_path=draw(st.none() | words),
        target_permissions=draw(permissions),
        mount_options=draw(st.none() | st.lists(words, max_size=4).map(tuple)),
        protocol_version=draw(st.none() | words),
    )


@given(definitions())
def test_what_is_written_is_read_back(definition: PoolDefinition) -> None:
    assert documents.parse_pool(documents.render_pool(definition)) == definition


@pytest.mark.parametrize(
    ("source", "remote"),
    [
        (
            "<pool type='gluster'><name>p</name><source><host name='g1'/><dir path='/images/'/><name>vol</name>",
            RemoteSource(hosts=("g1",), path="vol/images"),
        ),
        (
            "<pool type='gluster'><name>p</name><source><host name='g1'/><dir path='/'/><name>vol</name>",
            RemoteSource(hosts=("g1",), path="vol"),
        ),
        (
            "<pool type='rbd'><name>p</name><source><host name='m1'/><host name='m2' port='6789'/><name>vms</name>",
            RemoteSource(hosts=("m1", "m2"), path="vms"),
        ),
        (
            "<pool type='iscsi'><name>p</name><source><host name='san'/><device path='iqn.2020-01.com.example:x'/>",
            RemoteSource(hosts=("san",), path="iqn.2020-01.com.example:x"),
        ),
        ("<pool type='rbd'><name>p</name><source><name>vms</name>", None),
        ("<pool type='logical'><name>p</name><source><host name='m1'/><name>vg</name>", None),
    ],
)
def test_other_network_pools_tell_where_they_lie(source: str, remote: RemoteSource | None) -> None:
    assert documents.parse_pool(f"{source}</source></pool>").remote == remote


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
