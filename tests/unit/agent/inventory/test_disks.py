"""What domains use, resolved into pools and volumes: by name, by link, by other mounts, down the chains."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.inventory.disks import resolve_disks
from poolfleet_agent.inventory.links import Links
from poolfleet_agent.inventory.snapshot import PoolEntry, Revision, Snapshot, VolumeRecord
from poolfleet_agent.model.domain_disk import DiskRole, DomainDisks, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.volume import BackingStore
from poolfleet_agent.processes.child import Children
from tests.unit.agent.fake_files import FakeFiles
from tests.unit.agent.fake_host import FakeClock, pool_facts, volume_facts
from tests.unit.agent.fake_watch import FakeWatch


@pytest.fixture
async def files() -> AsyncIterator[RoutedFiles]:
    children = Children()
    channel = Channel(children)
    yield RoutedFiles(channel)
    await channel.close()
    await children.close()


def pool(folder: Path | str, *names: str, name: str = "p", active: bool = True, server: str = "") -> PoolEntry:
    facts = pool_facts(name, active=active, target=str(folder))
    if server:
        source = NetfsSource(host=server, path="/export")
        facts = replace(facts, definition=replace(facts.definition, type="netfs", source=source))
    volumes = {
        one: VolumeRecord(facts=replace(volume_facts(name, one), path=f"{folder}/{one}"), etag="", encoded=b"")
        for one in names
    }
    return PoolEntry(pool=Pool(facts=facts, etag=""), encoded=b"", volumes=volumes)


def block_pool(*paths: str) -> PoolEntry:
    entry = pool("/dev/vg", *(os.path.basename(path) for path in paths), name="vg")
    facts = replace(entry.pool.facts, definition=replace(entry.pool.definition, type="iscsi", target_path="/dev/x"))
    volumes = {
        name: replace(record, facts=replace(record.facts, path=path))
        for path, (name, record) in zip(paths, entry.volumes.items(), strict=True)
    }
    return replace(entry, pool=replace(entry.pool, facts=facts), volumes=volumes)


def reference(path: Path | str = "", **more: object) -> DomainReference:
    known = {
        "domain": "d", "domain_uuid": "u", "domain_state": DomainState.INACTIVE, "role": DiskRole.DISK,
        "target": "vda", "source_kind": "file", "path": str(path), "format": "qcow2", **more,
    }  # fmt: skip
    return DomainReference(**known)  # type: ignore[arg-type]


async def resolved(
    files: Any, pools: list[PoolEntry], *references: DomainReference, links: Links | None = None
) -> DomainDisks:
    snapshot = Snapshot(
        revision=Revision(epoch="e", sequence=1), loaded=True, pools={entry.pool.name: entry for entry in pools}
    )
    links = links or Links(files=files, watch=FakeWatch(), clock=FakeClock())
    return await resolve_disks(DomainReading(references=references), snapshot, files, links, 0.0)


async def users(files: RoutedFiles | FakeFiles, pools: list[PoolEntry], *references: DomainReference) -> set[str]:
    disks = await resolved(files, pools, *references)
    assert disks.complete, disks.missing
    return {f"{disk.pool}/{disk.volume}" for disk in disks.disks if disk.pool}


def qcow2(path: Path, backing: Path | str | None = None) -> Path:
    more = ["-F", "qcow2", "-b", str(backing)] if backing else []
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *more, str(path), "1M"], check=True, timeout=60)
    return path


async def test_by_path_and_by_pool_and_volume(files: Any, tmp_path: Path) -> None:
    qcow2(tmp_path / "v")
    here = pool(tmp_path, "v", "w")
    assert await users(files, [here], reference(tmp_path / "v")) == {"p/v"}
    assert await users(files, [here], reference(pool="p", volume="v", source_kind="volume")) == {"p/v"}
    assert await users(files, [here], reference(tmp_path / "elsewhere" / ".." / "v")) == {"p/v"}
    assert await users(files, [here], reference("/elsewhere/v")) == set()


async def test_in_every_pool_that_has_the_file(files: Any, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path)
    pools = [pool(tmp_path, "v"), pool(tmp_path / "alias", "v", name="q")]
    assert await users(files, pools, reference(qcow2(tmp_path / "v"))) == {"p/v", "q/v"}


async def test_a_file_that_libvirt_never_saw_is_its_pools_and_so_is_one_of_a_stopped_pool(
    files: Any, tmp_path: Path
) -> None:
    assert await users(files, [pool(tmp_path)], reference(qcow2(tmp_path / "new"))) == {"p/new"}
    assert await users(files, [pool(tmp_path, active=False)], reference(tmp_path / "new")) == {"p/new"}


async def test_what_no_pool_has_is_told_by_its_own_name_too_where_links_lead_to_it(files: Any, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "pool", tmp_path / "elsewhere"
    for each in (folder, elsewhere):
        each.mkdir()
    base, link, other = qcow2(elsewhere / "base"), folder / "link", folder / "other"
    link.symlink_to(base)
    top = qcow2(folder / "top", link)
    disks = (await resolved(files, [pool(folder, "top", "link")], reference(top))).disks
    assert [(disk.reference.role, disk.path, disk.volume) for disk in disks] == [
        (DiskRole.DISK, str(top), "top"),
        (DiskRole.BACKING, str(base), ""),
        (DiskRole.BACKING, str(link), "link"),
    ]
    # What is told anyway, by its place or by a path of that name, is not told twice; nor is a device.
    other.symlink_to(base)
    link.unlink()
    link.symlink_to(elsewhere)
    assert len((await resolved(files, [pool(elsewhere, "base")], reference(other))).disks) == 1
    assert len((await resolved(files, [], reference(link / "base"))).disks) == 1
    assert len((await resolved(files, [], reference(other, source_kind="block"))).disks) == 1


async def test_what_lies_deeper_uses_the_pool_and_no_volume(files: Any, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    assert await users(files, [pool(tmp_path)], reference(qcow2(tmp_path / "below" / "v"))) == {"p/"}


@pytest.mark.parametrize(
    ("source", "target", "path", "found"),
    [
        ("nas:/vm", "/mnt/old", "/mnt/old/v", {"far/v"}),
        ("nas.lan:/vm", "/mnt/old", "/mnt/old/v", {"far/v"}),
        ("nas:/", "/mnt/all", "/mnt/all/vm/v", {"far/v"}),
        ("nas:/vm/below", "/mnt/below", "/mnt/below/v", {"far/"}),
        ("nas:/vm2", "/mnt/other", "/mnt/other/v", set()),
        ("elsewhere:/vm", "/mnt/other", "/mnt/other/v", set()),
    ],
)
async def test_the_file_of_a_share_through_another_mount_of_it(
    source: str, target: str, path: str, found: set[str]
) -> None:
    watch = FakeWatch()
    files: Any = FakeFiles()
    far = pool("/pools/far", "v", name="far", server="nas")
    far = replace(far, pool=replace(far.pool, mount_server="10.0.0.5"))
    for share, place in (("nas:/vm", "/pools/far"), (source, target)):
        address = "10.0.0.6" if share.startswith("elsewhere") else "10.0.0.5"
        watch.mount(place, share, super_options=(f"addr={address}",))
    links = Links(files=files, watch=watch, clock=FakeClock())
    disks = await resolved(files, [far], reference(path, format="raw"), links=links)
    assert {f"{disk.pool}/{disk.volume}" for disk in disks.disks if disk.pool} == found


async def test_what_led_onto_a_share_by_a_link_is_found_there_when_that_is_dead(tmp_path: Path) -> None:
    files: Any = FakeFiles()
    files.links["/images"] = str(tmp_path)
    links = Links(files=files, watch=FakeWatch(), clock=FakeClock())
    disk = reference("/images/v", format="raw")
    files.dead.add(str(tmp_path))
    unseen = await resolved(files, [pool(tmp_path, "v")], disk, links=links)
    assert not unseen.complete
    files.dead.clear()
    await resolved(files, [pool(tmp_path, "v")], disk, links=links)
    files.dead.add(str(tmp_path))
    seen = await resolved(files, [pool(tmp_path, "v")], disk, links=links)
    assert seen.complete
    assert [one.volume for one in seen.disks] == ["v"]


async def test_a_device_by_any_name(files: Any, tmp_path: Path) -> None:
    device = tmp_path / "dm-0"
    device.touch()
    for name in ("lv", "mapper"):
        (tmp_path / name).symlink_to(device)
    used = await users(files, [block_pool(str(tmp_path / "lv"))], reference(tmp_path / "mapper", source_kind="block"))
    assert used == {"vg/lv"}


async def test_down_a_chain_of_files_wherever_they_lie(files: Any, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    qcow2(here / "base")
    top = qcow2(there / "top", qcow2(there / "middle", "../here/base"))
    disks = await resolved(files, [pool(here, "base")], reference(top))
    assert [(disk.reference.role, disk.reference.depth, disk.volume) for disk in disks.disks] == [
        (DiskRole.DISK, 0, ""), (DiskRole.BACKING, 1, ""), (DiskRole.BACKING, 2, "base"),
    ]  # fmt: skip


async def test_a_chain_that_bites_its_tail_ends(files: Any, tmp_path: Path) -> None:
    qcow2(tmp_path / "a")
    qcow2(tmp_path / "b", tmp_path / "a")
    subprocess.run(
        ["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", str(tmp_path / "b"), str(tmp_path / "a")],
        check=True,
        timeout=60,
    )
    assert await users(files, [pool(tmp_path, "a", "b")], reference(tmp_path / "b")) == {"p/a", "p/b"}


async def test_the_content_of_a_raw_disk_says_nothing(files: Any, tmp_path: Path) -> None:
    qcow2(tmp_path / "base")
    forged = qcow2(tmp_path / "forged", tmp_path / "base")
    assert await users(files, [pool(tmp_path, "base", "forged")], reference(forged, format="raw")) == {"p/forged"}


async def test_what_cannot_be_looked_at_is_missing_and_counts_by_its_name(tmp_path: Path) -> None:
    class Hanging(FakeFiles):
        async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
            raise ModelError(Reason.POOL_UNRESPONSIVE, "hangs")

    disks = await resolved(Hanging(), [pool(tmp_path, "v")], reference(tmp_path / "v"))
    assert not disks.complete
    assert [(disk.pool, disk.volume) for disk in disks.disks] == [("p", "v")]


async def test_targets_on_servers_are_never_looked_at_and_their_chains_are_as_libvirt_knows_them(tmp_path: Path) -> Any:
    class Untouched(FakeFiles):
        async def stat(self, path: str, *, timeout_s: float = 5.0) -> None:
            assert not path.startswith("/mnt"), path

        async def real_path(self, path: str, *, timeout_s: float = 5.0) -> str:
            assert not path.startswith("/mnt"), path
            return path

    share = pool("/mnt", "top", "base", server="nfs")
    top = replace(share.volumes["top"].facts, backing_store=BackingStore(path="base", format="qcow2"))
    share = replace(share, volumes={**share.volumes, "top": replace(share.volumes["top"], facts=top)})
    assert await users(Untouched(), [share], reference("/mnt/top")) == {"p/top", "p/base"}


async def test_disks_are_in_an_order_that_pages_can_go_on_by(files: Any, tmp_path: Path) -> None:
    references = [
        reference(f"/x/{name}", role=role, domain=domain, format="raw")
        for name in "ba" for role in (DiskRole.SNAPSHOT, DiskRole.DISK) for domain in ("e", "d")
    ]  # fmt: skip
    places = [disk.place_in_order for disk in (await resolved(files, [], *references)).disks]
    assert places == sorted(places)
    assert len(set(places)) == len(references)
