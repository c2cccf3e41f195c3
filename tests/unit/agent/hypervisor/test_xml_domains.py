"""Domain documents: everything on storage that a domain refers to."""

from __future__ import annotations

from poolfleet_agent.hypervisor.xml.domains import Domain, references, snapshot_references
from poolfleet_agent.model.domain_disk import DiskRole, DomainReference, DomainState

WHO = Domain("guest", "22222222-2222-2222-2222-222222222222")

DOMAIN = """\
<domain type='kvm' id='1'>
  <name>guest</name>
  <os>
    <loader readonly='yes' type='pflash' format='raw'>/usr/share/OVMF/OVMF_CODE.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS.fd'>/nvram/guest.fd</nvram>
    <kernel>/boot/vmlinuz</kernel>
    <initrd>/boot/initrd</initrd>
    <dtb>/boot/board.dtb</dtb>
  </os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/vm/top.qcow2' index='1'>
        <dataStore type='file'><format type='raw'/><source file='/vm/top.data'/></dataStore>
      </source>
      <backingStore type='file' index='2'>
        <format type='qcow2'/>
        <source file='/vm/middle.qcow2'/>
        <backingStore type='block' index='3'>
          <format type='raw'/>
          <source dev='/dev/vg/base'/>
          <backingStore/>
        </backingStore>
      </backingStore>
      <mirror type='file' job='copy' ready='yes'>
        <format type='qcow2'/>
        <source file='/other/copy.qcow2'/>
        <backingStore/>
      </mirror>
      <target dev='vda' bus='virtio'/>
      <shareable/>
    </disk>
    <disk type='volume' device='disk'>
      <driver name='qemu' type='raw'/>
      <source pool='p' volume='v'/>
      <target dev='vdb'/>
      <readonly/>
    </disk>
    <disk type='file' device='cdrom'><source file='/iso/a.iso'/><target dev='sda'/></disk>
    <disk type='file' device='cdrom'><target dev='sdb'/></disk>
    <disk type='file' device='floppy'><source file='/vm/a.img'/><target dev='fda'/></disk>
    <disk type='network'><source protocol='rbd' name='pool/image'/><target dev='vdc'/></disk>
    <memory model='nvdimm'><source><path>/vm/nvdimm</path></source></memory>
  </devices>
</domain>
"""


def found(xml: str) -> dict[tuple[DiskRole, str, int], DomainReference]:
    return {(one.role, one.target, one.depth): one for one in references(xml, WHO, DomainState.ACTIVE)}


def test_everything_that_a_domain_refers_to() -> None:
    have = {key: one.path or (one.pool, one.volume) for key, one in found(DOMAIN).items()}
    assert have == {
        (DiskRole.DISK, "vda", 0): "/vm/top.qcow2",
        (DiskRole.DATA_FILE, "vda", 0): "/vm/top.data",
        (DiskRole.BACKING, "vda", 1): "/vm/middle.qcow2",
        (DiskRole.BACKING, "vda", 2): "/dev/vg/base",
        (DiskRole.MIRROR, "vda", 0): "/other/copy.qcow2",
        (DiskRole.DISK, "vdb", 0): ("p", "v"),
        (DiskRole.CDROM, "sda", 0): "/iso/a.iso",
        (DiskRole.FLOPPY, "fda", 0): "/vm/a.img",
        (DiskRole.DISK, "vdc", 0): ("", ""),
        (DiskRole.DISK, "nvdimm", 0): "/vm/nvdimm",
        (DiskRole.LOADER, "loader", 0): "/usr/share/OVMF/OVMF_CODE.fd",
        (DiskRole.NVRAM, "nvram", 0): "/nvram/guest.fd",
        (DiskRole.KERNEL, "kernel", 0): "/boot/vmlinuz",
        (DiskRole.KERNEL, "initrd", 0): "/boot/initrd",
        (DiskRole.KERNEL, "dtb", 0): "/boot/board.dtb",
    }


def test_how_each_is_used() -> None:
    have = found(DOMAIN)
    top, backing = have[DiskRole.DISK, "vda", 0], have[DiskRole.BACKING, "vda", 2]
    assert (top.shared, top.read_only, top.format, top.source_kind) == (True, False, "qcow2", "file")
    assert (backing.read_only, backing.format, backing.source_kind) == (True, "raw", "block")
    assert have[DiskRole.DISK, "vdb", 0].read_only
    assert have[DiskRole.DISK, "vdb", 0].source_kind == "volume"
    assert have[DiskRole.CDROM, "sda", 0].read_only
    assert have[DiskRole.DISK, "vdc", 0].source_kind == "network"
    assert {one.domain_state for one in have.values()} == {DomainState.ACTIVE}
    assert {(one.domain, one.domain_uuid) for one in have.values()} == {(WHO.name, WHO.uuid)}


def test_nvram_may_be_written_like_a_disk() -> None:
    xml = """<domain><os><nvram type='file' format='qcow2'><source file='/n'/></nvram></os></domain>"""
    have = found(xml)[DiskRole.NVRAM, "nvram", 0]
    assert (have.path, have.format) == ("/n", "qcow2")


SNAPSHOT = """\
<domainsnapshot>
  <name>s1</name>
  <memory snapshot='external' file='/vm/s1.memory'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/><source file='/vm/top.s1'/></disk>
    <disk name='vdb' snapshot='no'/>
  </disks>
  <domain><devices><disk type='file'><source file='/vm/old'/><target dev='vda'/></disk></devices></domain>
</domainsnapshot>
"""


def test_a_snapshots_disks_memory_and_what_it_returns_to() -> None:
    have = [(one.role, one.target, one.path, one.domain_state) for one in snapshot_references(SNAPSHOT, WHO)]
    assert have == [
        (DiskRole.MEMORY_IMAGE, "memory", "/vm/s1.memory", DomainState.INACTIVE),
        (DiskRole.SNAPSHOT, "vda", "/vm/top.s1", DomainState.INACTIVE),
        (DiskRole.SNAPSHOT, "vda", "/vm/old", DomainState.INACTIVE),
    ]


def test_shared_folders_and_images_given_as_file_systems_are_used_too() -> None:
    xml = (
        "<domain><devices>"
        "<filesystem type='mount'><source dir='/pools/p/folder'/><target dir='tag'/></filesystem>"
        "<filesystem type='file'><source file='/pools/p/image'/><target dir='/x'/><readonly/></filesystem>"
        "<filesystem type='block'><source dev='/dev/vg/lv'/><target dir='/y'/></filesystem>"
        "<filesystem type='ram'><source usage='1'/><target dir='/z'/></filesystem>"
        "</devices></domain>"
    )
    found = [(one.target, one.path, one.read_only) for one in references(xml, WHO, DomainState.ACTIVE) if one.path]
    assert found == [("tag", "/pools/p/folder", False), ("/x", "/pools/p/image", True), ("/y", "/dev/vg/lv", False)]
