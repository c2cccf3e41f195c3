"""What a real libvirtd's domains refer to: stored ones, snapshots, and hosts that cannot be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import libvirt
import pytest

from poolfleet_agent.hypervisor import HypervisorSettings, Libvirt
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainState
from poolfleet_agent.model.ports import DomainEvent, HypervisorEvent
from scripts.embedded.libvirtd import EmbeddedLibvirtd

LIMIT_S = 30.0

DOMAIN = """\
<domain type='qemu'>
  <name>guest</name>
  <uuid>22222222-2222-2222-2222-222222222222</uuid>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>/boot/vmlinuz</kernel></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/vm/top'/><target dev='vda' bus='virtio'/>
      <backingStore type='file'><format type='raw'/><source file='/vm/base'/><backingStore/></backingStore>
    </disk>
    <disk type='volume' device='disk'><source pool='p' volume='v'/><target dev='vdb' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><source file='/iso/a'/><target dev='hdc' bus='ide'/></disk>
  </devices>
</domain>
"""

SNAPSHOT = f"""\
<domainsnapshot>
  <name>s1</name><state>disk-snapshot</state><creationTime>1700000000</creationTime>
  <memory snapshot='no'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/><source file='/vm/s1'/></disk>
    <disk name='vdb' snapshot='no'/><disk name='hdc' snapshot='no'/>
  </disks>
  {DOMAIN}
</domainsnapshot>
"""


@pytest.fixture
def guest(libvirtd: EmbeddedLibvirtd) -> Iterator[libvirt.virDomain]:
    with closing(libvirt.open(libvirtd.uri)) as connection:
        domain = connection.defineXML(DOMAIN)
        domain.snapshotCreateXML(
            SNAPSHOT, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
        )
        yield domain
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)


async def reading(*uris: str, until_complete: bool = True) -> DomainReading:
    hypervisor = Libvirt(HypervisorSettings(storage_uri=uris[0], domain_uris=uris))
    await hypervisor.start()
    try:
        async with asyncio.timeout(LIMIT_S):
            while (read := await hypervisor.read_domains()).missing and until_complete:
                await asyncio.sleep(0.01)
            while not until_complete and not read.references:
                await asyncio.sleep(0.01)
                read = await hypervisor.read_domains()
        return read
    finally:
        await hypervisor.close()


async def test_a_stored_domain_and_its_snapshot(libvirtd: EmbeddedLibvirtd, guest: libvirt.virDomain) -> None:
    read = await reading(libvirtd.uri)
    assert {(one.role, one.target, one.path or f"{one.pool}/{one.volume}") for one in read.references} == {
        (DiskRole.DISK, "vda", "/vm/top"),
        (DiskRole.BACKING, "vda", "/vm/base"),
        (DiskRole.DISK, "vdb", "p/v"),
        (DiskRole.CDROM, "hdc", "/iso/a"),
        (DiskRole.KERNEL, "kernel", "/boot/vmlinuz"),
        (DiskRole.SNAPSHOT, "vda", "/vm/s1"),
    }
    assert {one.domain_state for one in read.references} == {DomainState.INACTIVE}
    assert {(one.domain, one.domain_uuid) for one in read.references} == {(guest.name(), guest.UUIDString())}


async def test_a_uri_that_fails_is_missing_and_the_others_are_read(
    libvirtd: EmbeddedLibvirtd, guest: libvirt.virDomain
) -> None:
    nowhere = "qemu:///system?socket=/nowhere"
    read = await reading(libvirtd.uri, nowhere, until_complete=False)
    assert len(read.references) == 6
    (missing,) = read.missing
    assert missing.startswith(nowhere)


async def test_a_domain_that_comes_and_goes_is_told_of(libvirtd: EmbeddedLibvirtd) -> None:
    hypervisor = Libvirt(HypervisorSettings(storage_uri=libvirtd.uri, domain_uris=(libvirtd.uri,)))
    told = asyncio.Event()

    def hear(event: HypervisorEvent) -> None:
        if event == DomainEvent(domain="guest"):
            told.set()

    hypervisor.subscribe(hear)
    await hypervisor.start()
    try:
        async with asyncio.timeout(LIMIT_S):
            while (await hypervisor.read_domains()).missing:
                await asyncio.sleep(0.01)
            with closing(libvirt.open(libvirtd.uri)) as connection:
                domain = connection.defineXML(DOMAIN)
                await told.wait()
                told.clear()
                domain.undefine()
                await told.wait()
    finally:
        await hypervisor.close()


async def test_a_connection_to_domains_that_comes_asks_for_a_reading(libvirtd: EmbeddedLibvirtd) -> None:
    hypervisor = Libvirt(HypervisorSettings(storage_uri=libvirtd.uri, domain_uris=(libvirtd.uri,)))
    told = asyncio.Event()
    hypervisor.subscribe(lambda event: told.set() if event == DomainEvent(domain="") else None)
    await hypervisor.start()
    try:
        async with asyncio.timeout(LIMIT_S):
            await told.wait()
        assert (await hypervisor.read_domains()).missing == ()
    finally:
        await hypervisor.close()


async def test_the_hosts_uuid_is_learnt(libvirtd: EmbeddedLibvirtd) -> None:
    hypervisor = Libvirt(HypervisorSettings(storage_uri=libvirtd.uri, domain_uris=(libvirtd.uri,)))
    await hypervisor.start()
    try:
        async with asyncio.timeout(LIMIT_S):
            while not hypervisor.facts().host_uuid:
                await asyncio.sleep(0.01)
        assert hypervisor.facts().host_uuid == str(libvirtd.host_uuid)
    finally:
        await hypervisor.close()
