"""Volume documents: what is written is read back, sizes in libvirt's units, and what libvirt says of a volume."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.hypervisor.xml.volumes import parse_facts
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_options import FEATURES, ImageOptions
from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeFacts
from tests.pool_definitions import permissions, words

documents = LibvirtDocuments()

sizes = st.none() | st.integers(0, 2**63 - 1)
options = st.builds(
    ImageOptions,
    compat=st.just("") | words,
    cluster_size_bytes=sizes,
    features=st.lists(st.sampled_from(sorted(FEATURES)), unique=True).map(tuple),
    nocow=st.booleans(),
)
definitions = st.builds(
    VolumeDefinition,
    name=words,
    format=st.none() | words,
    capacity_bytes=sizes,
    allocation_bytes=sizes,
    backing_store=st.none() | st.builds(BackingStore, path=words, format=st.just("") | words),
    permissions=permissions,
    options=options,
)


@given(definitions)
def test_what_is_written_is_read_back(definition: VolumeDefinition) -> None:
    assert documents.parse_volume(documents.render_volume(definition)) == definition


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("<capacity>5</capacity>", 5),
        ("<capacity unit='bytes'> 5</capacity>", 5),
        ("<capacity unit='B'>5</capacity>", 5),
        ("<capacity unit='KB'>5</capacity>", 5000),
        ("<capacity unit='k'>5</capacity>", 5 * 1024),
        ("<capacity unit='KiB'>5</capacity>", 5 * 1024),
        ("<capacity unit='gb'>1</capacity>", 10**9),
        ("<capacity unit='G'>1</capacity>", 2**30),
        ("<capacity unit='TiB'>1</capacity>", 2**40),
        ("<capacity unit='E'>7</capacity>", 7 * 2**60),
    ],
)
def test_sizes_have_libvirts_units(text: str, size_bytes: int) -> None:
    assert documents.parse_volume(f"<volume><name>v</name>{text}</volume>").capacity_bytes == size_bytes


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<capacity>-5</capacity>", Reason.INVALID_FIELD),
        ("<capacity>1.5</capacity>", Reason.INVALID_FIELD),
        ("<capacity/>", Reason.INVALID_FIELD),
        ("<capacity>٥</capacity>", Reason.INVALID_FIELD),
        ("<capacity unit='zork'>5</capacity>", Reason.INVALID_FIELD),
        ("<capacity unit='iB'>5</capacity>", Reason.INVALID_FIELD),
        ("<capacity unit='EiB'>8</capacity>", Reason.TOO_LARGE),
        ("<capacity>18446744073709551615</capacity>", Reason.TOO_LARGE),
        ("<allocation>99999999999999999999999</allocation>", Reason.TOO_LARGE),
        (f"<capacity>{'9' * 5000}</capacity>", Reason.INVALID_FIELD),
    ],
)
def test_sizes_that_are_none(text: str, reason: Reason) -> None:
    with pytest.raises(ModelError) as refused:
        documents.parse_volume(f"<volume><name>v</name>{text}</volume>")
    assert refused.value.reason is reason


LIBVIRT_WRITES = """\
<volume type='file'>
  <name>a</name>
  <key>/vm_data/a</key>
  <capacity unit='bytes'>1048576</capacity>
  <allocation unit='bytes'>397312</allocation>
  <physical unit='bytes'>393224</physical>
  <target>
    <path>/vm_data/a</path>
    <format type='qcow2'/>
    <permissions>
      <mode>0600</mode>
      <owner>64055</owner>
      <group>-2</group>
    </permissions>
    <timestamps>
      <atime>1795423406.151284686</atime>
      <mtime>1795423406.5</mtime>
      <ctime>1795423406.147446127</ctime>
      <btime>0</btime>
    </timestamps>
    <encryption format='luks'/>
    <compat>1.1</compat>
    <clusterSize unit='B'>131072</clusterSize>
    <features>
      <lazy_refcounts/>
      <extended_l2/>
    </features>
  </target>
  <backingStore>
    <path>/vm_data/base</path>
    <format type='qcow2'/>
    <permissions>
      <mode>0600</mode>
    </permissions>
  </backingStore>
</volume>
"""


def test_what_libvirt_says_of_a_volume() -> None:
    assert parse_facts("p", LIBVIRT_WRITES) == VolumeFacts(
        pool="p",
        name="a",
        key="/vm_data/a",
        path="/vm_data/a",
        type="file",
        format="qcow2",
        capacity_bytes=1048576,
        allocation_bytes=397312,
        physical_bytes=393224,
        backing_store=BackingStore(path="/vm_data/base", format="qcow2"),
        permissions=Permissions(mode=0o600, owner=64055, group=2**32 - 2),
        modified_at_s=1795423406.5,
        compat="1.1",
        features=("lazy_refcounts", "extended_l2"),
        cluster_size_bytes=131072,
        encryption="luks",
    )


def test_a_volume_of_which_libvirt_says_little() -> None:
    facts = parse_facts("p", "<volume><name>a</name><key>k</key></volume>")
    assert (facts.name, facts.key, facts.path, facts.capacity_bytes, facts.backing_store) == ("a", "k", "", None, None)


@pytest.mark.parametrize(
    ("born", "born_at_s"), [("<btime>1795423406.25</btime>", 1795423406.25), ("<btime>0</btime>", None), ("", None)]
)
def test_the_time_of_birth_is_told_where_the_file_system_tells_it(born: Any, born_at_s: Any) -> None:
    timestamps = f"<timestamps><mtime>1</mtime>{born}</timestamps>"
    xml = f"<volume><name>v</name><target><path>/v</path>{timestamps}</target></volume>"
    assert parse_facts("p", xml).born_at_s == born_at_s
