"""Pools and volumes by the hypervisor port on a real libvirtd: what is told, what normalises, how errors are named."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from poolfleet_agent.hypervisor import HypervisorSettings, Libvirt
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Permissions, PoolDefinition, PoolState
from poolfleet_agent.model.pool_source import DirSource
from poolfleet_agent.model.ports import BuildMode, ConnectionEvent, HypervisorEvent, PoolEvent, PoolEventKind
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition
from scripts.embedded.libvirtd import EmbeddedLibvirtd

LIMIT_S = 30.0


@pytest.fixture
async def hypervisor(libvirtd: EmbeddedLibvirtd) -> AsyncIterator[Libvirt]:
    libvirt = Libvirt(HypervisorSettings(storage_uri=libvirtd.uri, domain_uris=()))
    connected = asyncio.Event()
    libvirt.subscribe(lambda event: connected.set() if isinstance(event, ConnectionEvent) else None)
    await libvirt.start()
    async with asyncio.timeout(LIMIT_S):
        await connected.wait()
    yield libvirt
    for name in await libvirt.pool_names():
        pool = await libvirt.read_pool(name, server=None)
        if pool.active:
            await libvirt.stop_pool(name, server=None)
        if pool.persistent:
            await libvirt.undefine_pool(name, server=None)
    await libvirt.close()


@pytest.fixture
def folder(short_dir: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=short_dir, prefix="p"))


def definition(name: str, target: Path | str, **stated: object) -> PoolDefinition:
    return PoolDefinition(name=name, type="dir", source=DirSource(), target_path=str(target), **stated)  # type: ignore[arg-type]


async def running(hypervisor: Libvirt, folder: Path) -> str:
    name = await hypervisor.define_pool(hypervisor.documents.render_pool(definition("p", folder)))
    await hypervisor.start_pool(name, server=None)
    return name


async def reason_of(call: Awaitable[object]) -> Reason:
    with pytest.raises(ModelError) as failed:
        await call
    return failed.value.reason


async def test_a_pools_life(hypervisor: Libvirt, folder: Path) -> None:
    events: list[HypervisorEvent] = []
    refreshed = asyncio.Event()

    def hear(event: HypervisorEvent) -> None:
        events.append(event)
        if event == PoolEvent(kind=PoolEventKind.UNDEFINED, pool="p"):
            refreshed.set()

    hypervisor.subscribe(hear)
    wanted = definition("p", folder / "new", target_permissions=Permissions(mode=0o750))
    assert await hypervisor.define_pool(hypervisor.documents.render_pool(wanted)) == "p"
    defined = await hypervisor.read_pool("p", server=None)
    assert (defined.state, defined.autostart, defined.persistent) == (PoolState.INACTIVE, False, True)
    assert (defined.capacity_bytes, defined.allocation_bytes, defined.available_bytes) == (None, None, None)
    assert defined.definition.target_permissions == Permissions(mode=0o750)
    assert defined.definition.uuid == defined.uuid
    await hypervisor.build_pool("p", BuildMode.NEW, server=None)
    assert (folder / "new").is_dir()
    await hypervisor.start_pool("p", server=None)
    await hypervisor.set_pool_autostart("p", autostart=True, server=None)
    started = await hypervisor.read_pool("p", server=None)
    assert (started.state, started.autostart, started.active) == (PoolState.RUNNING, True, True)
    assert started.capacity_bytes
    assert await hypervisor.pool_names() == ["p"]
    await hypervisor.refresh_pool("p", server=None)
    await hypervisor.stop_pool("p", server=None)
    await hypervisor.erase_pool("p", server=None)
    assert not (folder / "new").exists()
    await hypervisor.undefine_pool("p", server=None)
    assert await hypervisor.pool_names() == []
    async with asyncio.timeout(LIMIT_S):
        await refreshed.wait()
    assert [event.kind for event in events if isinstance(event, PoolEvent)] == [
        PoolEventKind.DEFINED,
        PoolEventKind.CREATED,
        PoolEventKind.STARTED,
        PoolEventKind.REFRESHED,
        PoolEventKind.STOPPED,
        PoolEventKind.DELETED,
        PoolEventKind.UNDEFINED,
    ]


async def test_a_transient_pool_has_no_stored_definition(hypervisor: Libvirt, folder: Path) -> None:
    xml = hypervisor.documents.render_pool(definition("t", folder))
    assert await hypervisor.create_pool(xml, server=None) == "t"
    pool = await hypervisor.read_pool("t", server=None)
    assert (pool.persistent, pool.stored_definition, pool.inactive_xml) == (False, None, "")
    assert await reason_of(hypervisor.set_pool_autostart("t", autostart=True, server=None)) is Reason.POOL_TRANSIENT
    await hypervisor.stop_pool("t", server=None)
    assert await reason_of(hypervisor.read_pool("t", server=None)) is Reason.POOL_NOT_FOUND


async def test_what_waits_for_a_restart_shows_in_the_stored_definition(hypervisor: Libvirt, folder: Path) -> None:
    await running(hypervisor, folder)
    pool = await hypervisor.read_pool("p", server=None)
    changed = definition("p", folder / "other")
    await hypervisor.define_pool(hypervisor.documents.edit_pool(pool.inactive_xml, changed))
    pool = await hypervisor.read_pool("p", server=None)
    assert pool.definition.target_path == str(folder)
    assert pool.stored_definition is not None
    assert pool.stored_definition.target_path == str(folder / "other")


async def test_volumes(hypervisor: Libvirt, folder: Path) -> None:
    await running(hypervisor, folder)
    documents = hypervisor.documents
    base = VolumeDefinition(name="base", format="qcow2", capacity_bytes=2**20 + 1, permissions=Permissions(mode=0o640))
    made = await hypervisor.create_volume("p", documents.render_volume(base), server=None)
    # libvirt rounds what it hands to qemu-img up to KiB.
    assert (made.name, made.format, made.capacity_bytes, made.type) == ("base", "qcow2", 2**20 + 1024, "file")
    assert made.permissions is not None
    assert made.permissions.mode == 0o640
    assert made.xml.startswith("<volume")
    backing = BackingStore(path=str(folder / "base"), format="qcow2")
    overlay = VolumeDefinition(name="overlay", format="qcow2", capacity_bytes=2**21, backing_store=backing)
    await hypervisor.create_volume("p", documents.render_volume(overlay), server=None)
    read = await hypervisor.read_volume("p", "overlay", server=None)
    assert (read.backing_store, read.path) == (backing, str(folder / "overlay"))
    raw = VolumeDefinition(name="raw", format="raw", capacity_bytes=1001, allocation_bytes=0)
    assert (await hypervisor.create_volume("p", documents.render_volume(raw), server=None)).capacity_bytes == 1001
    listing = await hypervisor.list_volumes("p", server=None)
    assert sorted(volume.name for volume in listing.volumes) == ["base", "overlay", "raw"]
    assert {volume.xml for volume in listing.volumes} == {""}
    await hypervisor.delete_volume("p", "overlay", server=None)
    assert await reason_of(hypervisor.read_volume("p", "overlay", server=None)) is Reason.VOLUME_NOT_FOUND
    assert await reason_of(hypervisor.delete_volume("p", "overlay", server=None)) is Reason.VOLUME_NOT_FOUND


async def test_many_volumes_and_names_that_are_not_utf8(hypervisor: Libvirt, folder: Path) -> None:
    for number in range(450):
        (folder / f"v{number}").touch()
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe"))).touch()
    (folder / "directory").mkdir()
    await running(hypervisor, folder)
    listing = await hypervisor.list_volumes("p", server=None)
    assert {volume.name for volume in listing.volumes} == {f"v{number}" for number in range(450)} | {"directory"}
    assert listing.unaddressable_count == 1
    assert [volume.name for volume in listing.volumes if volume.special] == ["directory"]


@pytest.mark.parametrize(
    ("given", "stored"),
    [("{0}//x///y/", "{0}/x/y"), ("{0}/x", "{0}/x"), ("//{0}", "//{0}"), ("///{0}", "/{0}")],
)
async def test_libvirt_cleans_a_targets_slashes(hypervisor: Libvirt, folder: Path, given: str, stored: str) -> None:
    bare = str(folder).lstrip("/") if given.startswith("//") else str(folder)
    await hypervisor.define_pool(hypervisor.documents.render_pool(definition("p", given.format(bare))))
    assert (await hypervisor.read_pool("p", server=None)).definition.target_path == stored.format(bare)


async def test_libvirt_names_the_format_and_cleans_the_path_of_a_share(hypervisor: Libvirt, folder: Path) -> None:
    xml = (
        "<pool type='netfs'><name>n</name><source><host name='H.example.com'/><dir path='/e//x/'/></source>"
        f"<target><path>{folder}</path></target></pool>"
    )
    await hypervisor.define_pool(xml)
    source = (await hypervisor.read_pool("n", server=None)).definition.source
    assert (
        source
        == hypervisor.documents.parse_pool(
            "<pool type='netfs'><name>n</name><source><host name='H.example.com'/><dir path='/e/x'/>"
            "<format type='auto'/></source></pool>"
        ).source
    )


async def test_a_started_pools_permissions_are_its_directorys(hypervisor: Libvirt, folder: Path) -> None:
    folder.chmod(0o711)
    stated = definition("p", folder, target_permissions=Permissions(mode=0o700, owner=0))
    await hypervisor.define_pool(hypervisor.documents.render_pool(stated))
    await hypervisor.start_pool("p", server=None)
    pool = await hypervisor.read_pool("p", server=None)
    for permissions in (pool.definition.target_permissions, pool.stored_definition.target_permissions):  # type: ignore[union-attr]
        assert permissions is not None
        assert (permissions.mode, permissions.owner) == (0o711, os.geteuid())


async def test_errors_of_pools_have_reasons(hypervisor: Libvirt, folder: Path) -> None:
    documents = hypervisor.documents
    assert await reason_of(hypervisor.read_pool("nope", server=None)) is Reason.POOL_NOT_FOUND
    assert await reason_of(hypervisor.define_pool("<pool")) is Reason.INVALID_FIELD
    assert await reason_of(hypervisor.define_pool("<pool type='zork'/>")) is Reason.INVALID_FIELD
    zfs = "<pool type='zfs'><name>z</name><source><name>z</name></source></pool>"
    assert await reason_of(hypervisor.define_pool(zfs)) is Reason.NOT_SUPPORTED_HERE
    await hypervisor.define_pool(documents.render_pool(definition("p", folder / "missing")))
    assert await reason_of(hypervisor.start_pool("p", server=None)) is Reason.PATH_NOT_USABLE
    assert await reason_of(hypervisor.stop_pool("p", server=None)) is Reason.POOL_NOT_ACTIVE
    assert await reason_of(hypervisor.refresh_pool("p", server=None)) is Reason.POOL_NOT_ACTIVE
    assert await reason_of(hypervisor.list_volumes("p", server=None)) is Reason.POOL_NOT_ACTIVE
    assert await reason_of(hypervisor.erase_pool("p", server=None)) is Reason.PATH_NOT_USABLE
    again = documents.render_pool(definition("p", folder / "missing"))
    assert await reason_of(hypervisor.define_pool(again)) is Reason.POOL_EXISTS
    other = documents.render_pool(definition("q", folder / "missing"))
    assert await reason_of(hypervisor.define_pool(other)) is Reason.SOURCE_IN_USE
    overwrite = hypervisor.build_pool("p", BuildMode.OVERWRITE, server=None)
    assert await reason_of(overwrite) is Reason.NOT_SUPPORTED_HERE
    # The refused build has made the folder all the same.
    (folder / "missing/file").touch()
    assert await reason_of(hypervisor.erase_pool("p", server=None)) is Reason.WRONG_STATE
    await hypervisor.start_pool("p", server=None)
    for call in (
        hypervisor.start_pool("p", server=None),
        hypervisor.build_pool("p", BuildMode.NEW, server=None),
        hypervisor.erase_pool("p", server=None),
        hypervisor.undefine_pool("p", server=None),
    ):
        assert await reason_of(call) is Reason.POOL_ACTIVE


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<capacity>1</capacity><target><format type='zork'/></target>", Reason.NOT_SUPPORTED_HERE),
        ("<capacity>1</capacity><target><format type='bochs'/></target>", Reason.NOT_SUPPORTED_HERE),
        ("<capacity>1</capacity><target><format type='fat'/></target>", Reason.NOT_SUPPORTED_HERE),
        ("", Reason.INVALID_FIELD),
        ("<capacity unit='EiB'>7</capacity>", Reason.TOO_LARGE),
        ("<capacity unit='EiB'>7</capacity><target><format type='qcow2'/></target>", Reason.TOO_LARGE),
        ("<capacity>1152921504606</capacity><allocation>1152921504606</allocation>", Reason.FULL),
        (
            "<capacity>1</capacity><target><format type='qcow2'/></target><backingStore><path>/nope/x</path>"
            "<format type='qcow2'/></backingStore>",
            Reason.PATH_NOT_USABLE,
        ),
        ("<capacity>1</capacity><target><format type='qcow2'/><compat>9.9</compat></target>", Reason.INVALID_FIELD),
        (
            "<capacity>1</capacity><target><format type='qcow2'/><features><zork/></features></target>",
            Reason.NOT_SUPPORTED_HERE,
        ),
        (
            "<capacity>1</capacity><target><format type='qcow2'/><encryption format='luks'><secret type='passphrase' "
            "uuid='11111111-1111-1111-1111-111111111111'/></encryption></target>",
            Reason.SECRET_NOT_FOUND,
        ),
    ],
)
async def test_errors_of_volumes_have_reasons(hypervisor: Libvirt, folder: Path, inside: str, reason: Reason) -> None:
    await running(hypervisor, folder)
    xml = f"<volume><name>v</name>{inside}</volume>"
    assert await reason_of(hypervisor.create_volume("p", xml, server=None)) is reason
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["v", "unlisted", "..", "a/b", "n" * 300])
async def test_names_that_cannot_be_created(hypervisor: Libvirt, folder: Path, name: str) -> None:
    await running(hypervisor, folder)
    small = "<volume><name>{}</name><capacity>1</capacity></volume>"
    await hypervisor.create_volume("p", small.format("v"), server=None)
    (folder / "unlisted").touch()
    reason = await reason_of(hypervisor.create_volume("p", small.format(name), server=None))
    assert reason is (Reason.VOLUME_EXISTS if name in {"v", "unlisted", ".."} else Reason.INVALID_FIELD)


async def test_a_share_whose_mount_point_is_missing_says_so(hypervisor: Libvirt, folder: Path) -> None:
    xml = (
        "<pool type='netfs'><name>n</name><source><host name='127.0.0.1'/><dir path='/e'/></source>"
        f"<target><path>{folder}/missing</path></target></pool>"
    )
    await hypervisor.define_pool(xml)
    with pytest.raises(ModelError) as failed:
        await hypervisor.start_pool("n", server="127.0.0.1")
    assert failed.value.reason is Reason.PATH_NOT_USABLE
    assert failed.value.metadata == {"pool": "n", "path": f"{folder}/missing"}


async def test_facts(hypervisor: Libvirt, libvirtd: EmbeddedLibvirtd) -> None:
    facts = hypervisor.facts()
    assert (facts.connected, facts.storage_uri, facts.domain_uris) == (True, libvirtd.uri, ())
    assert {"dir", "netfs"} <= set(facts.pool_types)
    assert facts.libvirt_version.count(".") == facts.client_version.count(".") == 2
