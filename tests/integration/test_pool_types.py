"""Pools of every type of libvirt, as XML and typed: the same pool, as virsh shows it, and what this libvirt lacks.

What Debian's libvirtd has no backend for is defined in libvirt's test driver: the same documents, read and written by
the same code of libvirt's, on no storage.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import libvirt
import pytest

import poolfleet
from poolfleet import Operation, Pool, PoolSpec, VolumeSpec
from poolfleet.types.pool_source import SOURCES
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.services.convert.pools import definition_from, spec_to
from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.pool_documents import DOCUMENTS, Document
from tests.virsh import virsh

PACKAGES = {
    "iscsi-direct": "libvirt-daemon-driver-storage-iscsi-direct",
    "rbd": "libvirt-daemon-driver-storage-rbd",
    "gluster": "libvirt-daemon-driver-storage-gluster",
    "zfs": "libvirt-daemon-driver-storage-zfs",
    "vstorage": "",
}
"""What Debian's libvirt-daemon is without, and what has it."""

HERE = [name for name, document in DOCUMENTS.items() if document.type not in PACKAGES]
# Its namespace is known to the backend alone.
SIMULATED = [name for name, document in DOCUMENTS.items() if document.type in PACKAGES and name != "rbd-options"]


@pytest.fixture(scope="module")
def host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost("types", short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


@pytest.fixture(scope="module")
def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(host.agent.target) as client:
        yield client


@pytest.fixture(scope="module")
def simulated(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    """An agent of libvirt's test driver, which has every pool type."""
    driver = {"libvirt": {"storage_uri": "test:///default"}}
    alone = EmbeddedAgent(host.libvirtd, allowed_paths=[host.pools_dir], settings=driver, name="simulated")
    alone.start()
    try:
        alone.wait_loaded()
        with poolfleet.AgentClient(alone.target) as client:
            yield client
    finally:
        alone.stop()


def pool_of(operation: Operation) -> Pool:
    assert isinstance(operation.result, Pool)
    return operation.result


def typed(pool: Pool) -> PoolSpec:
    """The spec that asks for what a pool is."""
    return PoolSpec(
        pool.name,
        uuid=pool.uuid,
        source=pool.source,
        target=pool.target,
        mount=pool.mount,
        cow=pool.cow,
        vendor=pool.vendor,
        product=pool.product,
    )


def defined_both_ways(agent: poolfleet.AgentClient, name: str, xml: str, document: Document) -> tuple[Pool, Pool]:
    """The pool as its XML defines it, and as its typed form does, one after the other; nothing is left."""
    seen = []
    spec = PoolSpec.from_xml(xml)
    for _ in range(2):
        try:
            defined = agent.pools.define(spec)
            assert defined.changed
            pool = agent.pools.get(name, full=True)
            assert pool.source == document.source
            # Either form finds what the other has made.
            assert not agent.pools.define(typed(pool)).changed
            assert not agent.pools.define(PoolSpec.from_xml(xml)).changed
            seen.append(pool)
        finally:
            agent.pools.undefine(name, allow_missing=True)
        spec = typed(pool)
    return seen[0], seen[1]


@pytest.mark.parametrize("name", HERE)
def test_both_forms_are_one_pool_and_that_is_what_virsh_shows(
    host: EmbeddedHost, agent: poolfleet.AgentClient, name: str
) -> None:
    document = DOCUMENTS[name]
    xml = document.xml(name, str(host.pools_dir))
    agent.pools.define(PoolSpec.from_xml(xml))
    by_virsh, shown = virsh(host, "pool-dumpxml", name), agent.pools.get(name, full=True)
    assert shown.xml.strip() == shown.inactive_xml.strip() == by_virsh
    agent.pools.undefine(name)
    by_xml, by_type = defined_both_ways(agent, name, xml, document)
    assert by_type.inactive_xml == by_xml.inactive_xml
    assert by_type.uuid == by_xml.uuid


@pytest.mark.cell("rbd", "define")
@pytest.mark.cell("zfs", "define")
@pytest.mark.cell("vstorage", "define")
@pytest.mark.parametrize("name", SIMULATED)
def test_so_are_those_of_the_types_that_have_no_backend_here(
    host: EmbeddedHost, simulated: poolfleet.AgentClient, name: str
) -> None:
    document = DOCUMENTS[name]
    by_xml, by_type = defined_both_ways(simulated, name, document.xml(name, str(host.pools_dir)), document)
    assert by_type.inactive_xml == by_xml.inactive_xml
    has_target = document.type in {"zfs", "vstorage"}
    assert (by_xml.target is not None) == has_target


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in HERE])
def test_what_libvirt_lacks_is_told_with_what_to_install(
    host: EmbeddedHost, agent: poolfleet.AgentClient, name: str
) -> None:
    document = DOCUMENTS[name]
    assert document.type not in agent.get().pool_types
    folder = str(host.pools_dir)
    target = poolfleet.PoolTarget(path=f"{folder}/vstorage") if document.type == "vstorage" else None
    for spec in (PoolSpec.from_xml(document.xml(name, folder)), PoolSpec(name, source=document.source, target=target)):
        for validate_only in (True, False):
            with pytest.raises(poolfleet.Unsupported) as refused:
                agent.pools.define(spec, validate_only=validate_only)
            assert refused.value.reason == "NOT_SUPPORTED_HERE"
            assert refused.value.metadata["package"] == PACKAGES[document.type]
            assert PACKAGES[document.type] in refused.value.message
    with pytest.raises(poolfleet.NotFound):
        agent.pools.get(name)


@pytest.fixture(scope="module")
def bereft(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[poolfleet.AgentClient]:
    """An agent whose libvirt has definitions of pools from a time when it had their backends."""
    new = EmbeddedHost("bereft", short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    stored = new.root / ("etc/storage" if os.geteuid() == 0 else "home/config/libvirt/storage")
    stored.mkdir(parents=True)
    for pool_type in PACKAGES:
        (stored / f"{pool_type}.xml").write_text(DOCUMENTS[pool_type].xml(pool_type, str(new.pools_dir)))
    with new, poolfleet.AgentClient(new.agent.target) as client:
        yield client


def drive(agent: poolfleet.AgentClient, pool: str, verb: str) -> None:
    match verb:
        case "build":
            agent.pools.build(pool)
        case "start":
            agent.pools.start(pool)
        case "volume":
            agent.volumes.create(pool, VolumeSpec("v", capacity_bytes=1 << 20))
        case "erase":
            agent.pools.erase(pool)


@pytest.mark.cell("rbd", "build", "start", "volume", "erase")
@pytest.mark.cell("zfs", "build", "start", "volume", "erase")
@pytest.mark.cell("vstorage", "build", "start", "volume", "erase")
@pytest.mark.parametrize("verb", ["build", "start", "volume", "erase"])
@pytest.mark.parametrize("pool_type", PACKAGES)
def test_a_pool_whose_backend_is_gone_says_what_to_install(
    bereft: poolfleet.AgentClient, pool_type: str, verb: str
) -> None:
    with pytest.raises(poolfleet.Unsupported) as refused:
        drive(bereft, pool_type, verb)
    assert refused.value.reason == "NOT_SUPPORTED_HERE"
    assert refused.value.metadata["package"] == PACKAGES[pool_type]
    assert (PACKAGES[pool_type] or "built with it") in refused.value.message


@pytest.mark.parametrize("pool_type", ["sheepdog"])
def test_what_only_a_document_can_say_and_libvirt_has_no_backend_for_is_told_too(
    agent: poolfleet.AgentClient, pool_type: str
) -> None:
    source = "<source><host name='localhost' port='7000'/><name>mypool</name></source>"
    with pytest.raises(poolfleet.Unsupported) as refused:
        agent.pools.define(PoolSpec.from_xml(f"<pool type='{pool_type}'><name>p</name>{source}</pool>"))
    assert refused.value.reason == "NOT_SUPPORTED_HERE"
    assert "no package" in refused.value.message


def test_options_of_ceph_are_written_as_libvirts_schema_has_them(host: EmbeddedHost) -> None:
    """libvirt keeps them only where it has the backend."""
    documents = LibvirtDocuments()
    asked = documents.parse_pool(DOCUMENTS["rbd-options"].xml("p", str(host.pools_dir)))
    written = documents.render_pool(definition_from(spec_to(asked)))
    assert documents.parse_pool(written).source == asked.source
    driver = libvirt.open("test:///default")
    driver.storagePoolDefineXML(written, libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE).undefine()
    with pytest.raises(libvirt.libvirtError, match="schema"):
        driver.storagePoolDefineXML(written.replace(":option", ":opt"), libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE)


def test_a_device_belongs_to_one_pool(agent: poolfleet.AgentClient, host: EmbeddedHost) -> None:
    agent.pools.define(PoolSpec.disk("one", device="/dev/sdq", format="gpt"))
    with pytest.raises(poolfleet.AlreadyExists) as refused:
        agent.pools.define(PoolSpec.fs("two", device="/dev/sdq", target=str(host.pools_dir / "two")))
    agent.pools.undefine("one")
    assert (refused.value.reason, refused.value.metadata["existing_pool"]) == ("SOURCE_IN_USE", "one")


def test_a_device_outside_of_dev_lies_where_pools_may(agent: poolfleet.AgentClient, host: EmbeddedHost) -> None:
    with pytest.raises(poolfleet.InvalidArgument) as refused:
        agent.pools.define(PoolSpec.fs("p", device="/etc/passwd", format="ext4", target=str(host.pools_dir / "p")))
    assert refused.value.reason == "PATH_NOT_ALLOWED"
    image = str(host.pools_dir / "image")
    made = agent.pools.define(PoolSpec.fs("p", device=image, format="ext4", target=str(host.pools_dir / "p")))
    assert made.changed
    agent.pools.undefine("p")


def test_an_update_of_the_typed_source_keeps_what_it_does_not_name(agent: poolfleet.AgentClient) -> None:
    agent.pools.define(
        PoolSpec.iscsi("p", host="san", device="iqn.2013-06.com.example:x", initiator="iqn.2013-06.com.example:me")
    )
    agent.pools.update("p", spec=PoolSpec.iscsi("p", host="san2:3261", device="iqn.2013-06.com.example:x"))
    source = agent.pools.get("p").source
    agent.pools.undefine("p")
    wanted = PoolSpec.iscsi(
        "p", host="san2:3261", device="iqn.2013-06.com.example:x", initiator="iqn.2013-06.com.example:me"
    )
    assert source == wanted.source


def test_a_pool_that_says_more_than_the_typed_form_is_shown_all_the_same(
    host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    xml = (
        "<pool type='iscsi'><name>p</name><source><host name='a'/><host name='b'/><device path='x'/></source>"
        "<target><path>/dev/disk/by-path</path></target></pool>"
    )
    agent.pools.define(PoolSpec.from_xml(xml))
    pool = agent.pools.get("p", full=True)
    listed = [each.name for each in agent.pools.list(types=["iscsi"])]
    agent.pools.undefine("p")
    assert (pool.type, pool.source, listed) == ("iscsi", None, ["p"])
    assert "<host name='b'/>" in pool.xml


def test_every_type_has_a_document() -> None:
    assert {document.type: type(document.source) for document in DOCUMENTS.values()} == SOURCES


AS_WITH_VIRSH = [
    "dir - - - - {folder}/as",
    "fs - - /dev/sdb1 - {folder}/as --source-format ext4",
    "netfs nfs.example.com /export - - {folder}/as nfs --source-protocol-ver 4.2",
    "netfs --source-host smb.example.com --source-path share --source-format cifs --target {folder}/as",
    "logical - - /dev/sdb HostVG /dev/HostVG",
    "logical --source-dev /dev/sdb --target /dev/as",
    "disk --source-dev /dev/sdb --source-format gpt --target /dev",
    "iscsi san.example.com - iqn.2013-06.com.example:pool - /dev/disk/by-path",
    "iscsi --source-host san --source-dev x --target /dev/disk/by-path --auth-type chap --auth-username kvm"
    " --secret-usage san --source-initiator iqn.2013-06.com.example:me",
    "scsi --adapter-name scsi_host3 --target /dev/disk/by-path",
    "scsi --adapter-wwnn 20000000c9831b4b --adapter-wwpn 10000000c9831b4b --adapter-parent scsi_host5"
    " --target /dev/disk/by-path",
    "mpath --target /dev/mapper",
]


@pytest.mark.parametrize("words", AS_WITH_VIRSH)
def test_virshs_options_make_the_pool_that_virsh_makes(
    host: EmbeddedHost, agent: poolfleet.AgentClient, words: str
) -> None:
    command = ["pool-define-as", "as", *shlex.split(words.format(folder=host.pools_dir))]
    ours = [str(Path(sys.executable).with_name("poolfleet")), *command]
    documents = []
    for line in (["virsh", "--connect", host.libvirtd.uri, *command], ours):
        environment = os.environ | {"POOLFLEET_SOCKET": host.agent.target}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        documents.append(
            virsh(host, "pool-dumpxml", "as").replace(agent.pools.get("as", max_staleness_s=0).uuid, "UUID")
        )
        agent.pools.undefine("as")
    assert documents[0] == documents[1]
