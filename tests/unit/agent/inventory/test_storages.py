"""Which storage a pool lies on, as its agent finds out: by its mount, its marker and its files, never by waiting."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
import structlog

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.inventory import signs, storages
from poolfleet_agent.inventory.build import TargetFacts
from poolfleet_agent.model.pool import Fingerprint, HealthStatus, Pool, PoolFacts, Signs, Storage, StorageIdSource
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes.child import Children
from tests.unit.agent.fake_host import FakeHost, pool_facts

SOON_S = 30.0


class Counted:
    """A worker whose questions are counted."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.asked: list[str] = []

    async def ask(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        self.asked.append(operation.decode())
        return await self._channel.ask(operation, path, *arguments, timeout_s=timeout_s)

    async def ask_once(self, operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        raise AssertionError("a look changes nothing")

    def acting_as(self, _user: ShareUser) -> Self:
        raise AssertionError("a look is root's")


@pytest.fixture
async def worker() -> AsyncIterator[Counted]:
    children = Children()
    channel = Channel(children)
    yield Counted(channel)
    await channel.close()
    await children.close()


@pytest.fixture
def host(worker: Counted) -> FakeHost:
    return FakeHost(files=RoutedFiles(worker))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


async def look(host: FakeHost, facts: PoolFacts, previous: Pool | None = None) -> TargetFacts:
    await host.pool_mounts.learn(facts.definition)
    async with asyncio.timeout(SOON_S):
        return await host.looker.storages.look(facts, previous)


async def storage(host: FakeHost, facts: PoolFacts, previous: Pool | None = None) -> Storage:
    found = (await look(host, facts, previous)).storage
    assert found is not None
    return found


def on(root: Path) -> PoolFacts:
    return pool_facts("p", target=str(root))


def netfs(root: Path, host: str = "filer") -> PoolFacts:
    facts = on(root)
    source = NetfsSource(host=host, path="/export")
    return replace(facts, definition=replace(facts.definition, type="netfs", source=source))


def seen(facts: PoolFacts, found: TargetFacts) -> Pool:
    return Pool(facts=facts, etag="", storage=found.storage, filesystem_id=found.filesystem_id)


def adopt(root: Path, content: str) -> None:
    (root / ".poolfleet").mkdir(exist_ok=True)
    (root / ".poolfleet/storage-id").write_text(content)


async def test_a_marker_in_the_directory_is_the_id(host: Any, root: Path) -> None:
    local = await storage(host, on(root))
    assert local.id.startswith("host:agent:")
    before = seen(on(root), await look(host, on(root)))
    marker = str(uuid.uuid4())
    adopt(root, marker + "\n")
    with structlog.testing.capture_logs() as logged:
        adopted = await storage(host, on(root), before)
    assert [(line["was"], line["now"]) for line in logged] == [(local.id, marker)]
    assert (adopted.id, adopted.source, adopted.aliases) == (marker, StorageIdSource.MARKER, (local.id,))


async def test_a_marker_that_is_no_uuid_is_told_once_and_not_trusted(host: Any, root: Path) -> None:
    adopt(root, "vm_data")
    with structlog.testing.capture_logs() as logged:
        for _ in range(4):
            assert (await storage(host, on(root))).source is StorageIdSource.DERIVED
    assert [line["path"] for line in logged if "UUID" in line["event"]] == [f"{root}/.poolfleet/storage-id"]


async def test_what_has_not_changed_is_not_read_again(host: Any, worker: Any, root: Path) -> None:
    adopt(root, str(uuid.uuid4()))
    for _ in range(2):
        await storage(host, on(root))
    worker.asked.clear()
    await storage(host, on(root))
    assert set(worker.asked) == {"real_path", "file_system", "stat", "lstat"}
    (root / "new").touch()
    before = await storage(host, on(root))
    assert before.fingerprint and before.fingerprint.files == (("new", (root / "new").stat().st_ino),)
    marker = str(uuid.uuid4())
    adopt(root, marker + "\n")
    assert (await storage(host, on(root))).id == marker


def sign(root: Path, *names: str) -> None:
    folder = root / ".poolfleet/hosts"
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()


async def agents_in(host: Any, root: Path) -> tuple[str, ...] | None:
    found = (await storage(host, on(root))).signs
    return found.agent_ids if found else None


async def test_the_signs_of_life_in_an_adopted_storage_are_told(host: Any, root: Path) -> None:
    assert (await storage(host, on(root))).signs is None
    adopt(root, str(uuid.uuid4()))
    since_s = (root / ".poolfleet/storage-id").stat().st_mtime
    assert (await storage(host, on(root))).signs == Signs(since_s=since_s)
    one, two = sorted(str(uuid.uuid4()) for _ in range(2))
    sign(root, two, one, f"{one}.5f00ba11", "README")
    assert await agents_in(host, root) == (one, two)
    (root / ".poolfleet/hosts" / one).unlink()
    assert await agents_in(host, root) == (two,)


async def test_who_has_signed_is_known_since_the_last_sign_came_or_went(host: Any, root: Path) -> None:
    adopt(root, str(uuid.uuid4()))
    sign(root, str(uuid.uuid4()))
    marker, folder = root / ".poolfleet/storage-id", root / ".poolfleet/hosts"
    for adopted_s, changed_s in ((1000.0, 5000.0), (7000.0, 5000.0)):
        os.utime(marker, times=(adopted_s, adopted_s))
        os.utime(folder, times=(changed_s, changed_s))
        found = (await storage(host, on(root))).signs
        assert found is not None and found.since_s == max(adopted_s, changed_s)


async def test_signs_that_have_not_changed_are_not_read_again(host: Any, worker: Any, root: Path) -> None:
    adopt(root, str(uuid.uuid4()))
    sign(root, str(uuid.uuid4()))
    for _ in range(2):
        await storage(host, on(root))
    worker.asked.clear()
    await storage(host, on(root))
    assert "names" not in worker.asked


async def test_signs_that_cannot_be_read_are_not_told_and_the_storage_is(host: Any, root: Path) -> None:
    marker = str(uuid.uuid4())
    adopt(root, marker)
    (root / ".poolfleet/hosts").write_text("no folder")
    found = await storage(host, on(root))
    assert (found.id, found.signs) == (marker, None)


async def test_more_signs_than_any_storage_has_hosts_are_not_believed_and_not_read_at_every_look(
    host: Any, worker: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signs, "MOST_SIGNS", 2)
    adopt(root, str(uuid.uuid4()))
    sign(root, *(str(uuid.uuid4()) for _ in range(3)))
    for _ in range(4):
        assert (await storage(host, on(root))).signs is None
    assert worker.asked.count("names") == 2
    next((root / ".poolfleet/hosts").iterdir()).unlink()
    assert len(await agents_in(host, root) or ()) == 2


async def test_the_fingerprint_is_the_root_and_the_files_of_the_lowest_inodes(host: Any, root: Path) -> None:
    # Those first that do not count: they get the lowest inodes.
    (root / "folder").mkdir()
    (root / "link").symlink_to("disk1")
    (root / ".nfs0001").touch()
    (root / ".poolfleet-reserve.x").touch()
    adopt(root, "x")
    for number in range(25):
        (root / f"disk{number}").touch()
    os.close(os.open(os.fsencode(root) + b"/\xff", os.O_CREAT))
    found = (await storage(host, on(root))).fingerprint
    names = [*(f"disk{number}" for number in range(25)), "\\xff"]
    inodes = {name: (root / name).stat().st_ino for name in names[:-1]}
    inodes["\\xff"] = os.stat(os.fsencode(root) + b"/\xff").st_ino
    lowest = sorted(inodes.items(), key=lambda item: item[1])[:20]
    assert found == Fingerprint(root_inode=root.stat().st_ino, files=tuple(lowest))


async def test_of_too_many_files_only_the_root_tells(host: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storages, "MOST_NAMES", 3)
    for number in range(3):
        (root / f"disk{number}").touch()
    whole = (await storage(host, on(root))).fingerprint
    assert whole and len(whole.files) == 3
    (root / "one more").touch()
    found = (await storage(host, on(root))).fingerprint
    assert found == Fingerprint(root_inode=root.stat().st_ino, too_many=True)


async def test_a_directory_that_takes_long_to_read_is_read_rarely(host: Any, worker: Any, root: Path) -> None:
    async def slow(operation: bytes, path: bytes, *arguments: bytes, timeout_s: float) -> list[bytes]:
        host.clock.time_s += 2.0 if operation == b"lowest_inodes" else 0.0
        answer: list[bytes] = await quick(operation, path, *arguments, timeout_s=timeout_s)
        return answer

    quick, worker.ask = worker.ask, slow
    await storage(host, on(root))
    for number in range(3):
        (root / f"new{number}").touch()
        await storage(host, on(root))
    assert worker.asked.count("lowest_inodes") == 1
    host.clock.time_s += 2.0 / storages.READING_SHARE
    found = (await storage(host, on(root))).fingerprint
    assert found and len(found.files) == 3
    host.clock.time_s += 2.0 / storages.READING_SHARE
    for _ in range(3):
        await storage(host, on(root))
    assert worker.asked.count("lowest_inodes") == 3


async def test_a_folder_on_a_share_is_identified_by_the_share(host: Any, root: Path) -> None:
    (root / "vm").mkdir()
    host.watch.mount(str(root), "Filer:/export", super_options=("addr=10.0.0.5",))
    host.resolved["filer"] = ["10.0.0.6", "10.0.0.5"]
    found = await look(host, on(root / "vm"))
    assert found.filesystem_id == "nfs:10.0.0.5/export"
    assert found.storage
    assert found.storage.id == "nfs:10.0.0.5/export/vm"
    assert set(found.storage.aliases) == {"nfs:filer/export/vm", "nfs:10.0.0.6/export/vm"}
    assert found.storage.fingerprint
    assert found.storage.fingerprint.root_inode == (root / "vm").stat().st_ino


@pytest.mark.parametrize("status", [HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE])
async def test_a_share_that_does_not_answer_is_not_asked(host: Any, worker: Any, root: Path, status: Any) -> None:
    marker = str(uuid.uuid4())
    adopt(root, marker)
    host.watch.mount(str(root), "filer:/export", super_options=("addr=10.0.0.5",))
    first = await look(host, netfs(root))
    host.watch.become(str(root), status)
    worker.asked.clear()
    assert (await host.looker.storages.look(netfs(root), seen(netfs(root), first))).storage == first.storage
    unseen = (await host.looker.storages.look(netfs(root), None)).storage
    assert worker.asked == []
    assert unseen == Storage(id="nfs:10.0.0.5/export", source=StorageIdSource.DERIVED, aliases=("nfs:filer/export",))


async def test_a_share_that_was_not_probed_yet_is_asked_after_its_first_probe(host: Any, root: Path) -> None:
    marker = str(uuid.uuid4())
    adopt(root, marker)
    host.watch.mount(str(root), "filer:/export")
    del host.watch.known[str(root)]
    host.watch._tell = lambda: None
    looking = asyncio.create_task(host.looker.storages.look(netfs(root), None))
    await asyncio.sleep(0)
    host.watch.become(str(root), HealthStatus.HEALTHY)
    found = (await looking).storage
    assert found and found.id == marker


async def test_what_lies_below_an_unmounted_share_is_not_taken_for_it(host: Any, worker: Any, root: Path) -> None:
    host.watch.mount(str(root), "filer:/export", super_options=("addr=10.0.0.5",))
    host.resolved["filer"] = ["10.0.0.5"]
    shares = {kind: await look(host, kind(root)) for kind in (on, netfs)}
    host.watch.unmount(str(root))
    adopt(root, str(uuid.uuid4()))
    worker.asked.clear()
    for kind, share in shares.items():
        assert share.storage
        found = await host.looker.storages.look(kind(root), seen(kind(root), share))
        assert share.storage is not None
        assert found == replace(share, storage=replace(share.storage, fingerprint=None))
    assert worker.asked == []


async def test_what_waits_to_be_mounted_by_autofs_is_not_taken_for_a_local_folder(
    host: Any, worker: Any, root: Path
) -> None:
    assert (await storage(host, on(root))).id.startswith("host:agent:")
    host.watch.mount(str(root), "/etc/auto.nfs", fs_type="autofs")
    worker.asked.clear()
    assert (await host.looker.storages.look(on(root), None)).storage is None
    host.watch.mount(str(root), "filer:/export", super_options=("addr=10.0.0.5",), parent_id=2)
    mounted = await look(host, on(root))
    assert mounted.storage
    assert mounted.storage.id == "nfs:10.0.0.5/export"
    host.watch.entries.pop()
    worker.asked.clear()
    away = (await host.looker.storages.look(on(root), seen(on(root), mounted))).storage
    assert away
    assert away.id == "nfs:10.0.0.5/export"
    assert worker.asked == []


async def test_an_adopted_share_keeps_its_id_while_it_is_not_mounted(host: Any, root: Path) -> None:
    marker = str(uuid.uuid4())
    adopt(root, marker)
    host.watch.mount(str(root), "filer:/export", super_options=("addr=10.0.0.5",))
    first = await look(host, netfs(root))
    host.watch.unmount(str(root))
    stopped = await storage(host, netfs(root), seen(netfs(root), first))
    assert (stopped.id, stopped.source) == (marker, StorageIdSource.MARKER)
    elsewhere = await storage(host, netfs(root, "other"), seen(netfs(root), first))
    assert elsewhere.id == "nfs:other/export"


async def test_the_resolver_is_asked_from_time_to_time_and_its_silence_believed_nothing(host: Any, root: Path) -> None:
    host.resolved["filer"] = ["10.0.0.5"]
    assert (await storage(host, netfs(root))).id == "nfs:10.0.0.5/export"
    host.resolved["filer"] = ["10.0.0.9"]
    assert (await storage(host, netfs(root))).id == "nfs:10.0.0.5/export"
    host.clock.time_s += storages.ADDRESSES_HOLD_S
    assert (await storage(host, netfs(root))).id == "nfs:10.0.0.9/export"
    host.resolved.clear()
    host.clock.time_s += storages.ADDRESSES_HOLD_S
    assert (await storage(host, netfs(root))).id == "nfs:10.0.0.9/export"
    assert (await storage(host, netfs(root))).id == "nfs:10.0.0.9/export"
