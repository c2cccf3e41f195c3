"""Volumes by a look at their folder: what is opened, what is kept, and who is asked what the folder cannot tell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from poolfleet_agent.inventory.build import VolumesSeen
from poolfleet_agent.inventory.folder_volumes import MOST_OWNERS, FolderVolumes
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.pool import Pool
from poolfleet_agent.model.ports import FileKind, FolderPage, SeenFile
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.model.volume import BackingStore
from tests.unit.agent.fake_host import FakeClock, FakeHypervisor, PlainEncoder, pool_facts, volume_facts

FOLDER = "/pools/p"


def file(stamp: str = "1", image: ImageFacts | None = ImageFacts("raw"), *, uid: int = 0) -> SeenFile:
    return SeenFile(
        stamp=stamp.encode(), kind=FileKind.FILE, size_bytes=10, allocated_bytes=0, mode=0o600, uid=uid, gid=uid,
        modified_at_ns=0, image=image,
    )  # fmt: skip


@dataclass
class Files:
    """Files by path: `stamps` are what a listing tells where it is not what the file itself does."""

    files: dict[str, SeenFile] = field(default_factory=dict)
    stamps: dict[str, bytes] = field(default_factory=dict)
    failing: dict[str, ModelError] = field(default_factory=dict)
    readers: dict[str, ShareUser] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    users: list[ShareUser] = field(default_factory=list)
    user: ShareUser = ROOT

    def acting_as(self, user: ShareUser) -> Files:
        self.users.append(user)
        return replace(self, user=user)

    async def page(self, folder: str, *, after: bytes, most: int, timeout_s: float = 30.0) -> FolderPage | None:
        names = sorted(os.fsencode(path.rpartition("/")[2]) for path in self.files if path.startswith(folder + "/"))
        here = [name for name in names if name > after]
        page = here[:2]
        stamps = {name: self._stamp(folder, name) for name in page}
        return FolderPage(stamps=stamps, next_after=page[-1] if len(page) < len(here) else b"")

    def _stamp(self, folder: str, name: bytes) -> bytes:
        path = f"{folder}/{name.decode(errors='surrogateescape')}"
        return self.stamps.get(path, self.files[path].stamp if path in self.files else b"s")

    async def images(
        self, folder: str, names: Sequence[bytes], *, timeout_s: float = 30.0
    ) -> Sequence[SeenFile | None]:
        return [await self.image(f"{folder}/{name.decode(errors='surrogateescape')}") for name in names]

    async def image(self, path: str, *, timeout_s: float = 5.0) -> SeenFile | None:
        self.opened.append(path.removeprefix(FOLDER + "/"))
        if path in self.failing:
            raise self.failing[path]
        seen = self.files.get(path)
        if seen is not None and self.readers.get(path, self.user) != self.user:
            return replace(seen, image=None)
        return seen


@dataclass
class Looking:
    """Looks one after the other, each knowing what the one before saw."""

    files: Files = field(default_factory=Files)
    hypervisor: Any = field(default_factory=FakeHypervisor)
    entry: PoolEntry = field(
        default_factory=lambda: PoolEntry(pool=Pool(facts=pool_facts("p"), etag=""), encoded=b"", volumes={})
    )

    def put(self, **files: SeenFile) -> None:
        self.files.files |= {f"{FOLDER}/{name}": seen for name, seen in files.items()}

    async def look(self) -> VolumesSeen:
        seen = await self._volumes().all(self.entry, FOLDER)
        self.entry = replace(self.entry, volumes=seen.records)
        return seen

    async def backing_files(self) -> Mapping[str, str]:
        return await self._volumes().backing_files(self.entry, FOLDER)

    def _volumes(self) -> FolderVolumes:
        self.files.opened.clear()
        return FolderVolumes(
            folders=self.files,
            hypervisor=self.hypervisor,
            encoder=PlainEncoder(),
            clock=FakeClock(),
            may_switch=True,
            check_backing=self.check_backing,
        )

    async def check_backing(self, path: str) -> None:
        if path.startswith("/dev/"):
            raise ModelError(Reason.PATH_NOT_ALLOWED, f"{path} is outside")

    async def records(self) -> dict[str, VolumeRecord]:
        return dict((await self.look()).records)


@pytest.fixture
def looking() -> Looking:
    return Looking()


async def test_a_file_is_opened_once_and_again_when_its_stamp_is_another(looking: Looking) -> None:
    looking.put(a=file(), b=file(), c=file())
    first = await looking.records()
    assert looking.files.opened == ["a", "b", "c"]
    assert await looking.records() == first
    assert looking.files.opened == []
    looking.put(b=file("2", ImageFacts("qcow2", 99)))
    second = await looking.records()
    assert looking.files.opened == ["b"]
    assert second["b"].facts.capacity_bytes == 99
    assert (second["a"], second["c"]) == (first["a"], first["c"])


async def test_where_nothing_changed_the_very_same_volumes_are_given(looking: Looking) -> None:
    looking.put(a=file(), b=file())
    first = (await looking.look()).records
    assert (await looking.look()).records is first
    looking.put(c=file())
    assert (await looking.look()).records is not first


async def test_what_changed_at_the_moment_of_the_look_is_looked_at_again(looking: Looking) -> None:
    looking.put(a=file(""))
    looking.files.stamps[f"{FOLDER}/a"] = b"1"
    await looking.look()
    looking.put(a=file("1", ImageFacts("qcow2", 99)))
    assert (await looking.records())["a"].facts.capacity_bytes == 99
    await looking.look()
    assert looking.files.opened == []


async def test_what_is_gone_is_left_out_and_the_agents_own_files_are_never_in(looking: Looking) -> None:
    looking.put(**{"a": file(), "b": file(), ".poolfleet-new.1": file(), ".poolfleet": file(), "con\x01trol": file()})
    assert list(await looking.records()) == ["a", "b"]
    del looking.files.files[f"{FOLDER}/a"]
    assert list(await looking.records()) == ["b"]


async def test_names_that_are_no_text_are_counted_and_told(looking: Looking) -> None:
    class NotUtf8(Files):
        async def page(self, folder: str, *, after: bytes, most: int, timeout_s: float = 30.0) -> FolderPage | None:
            return FolderPage(stamps=dict.fromkeys((b"a", b"caf\xe9", b"\xff", b"\xff\x01"), b"s"), next_after=b"")

    looking.files = NotUtf8(files={f"{FOLDER}/a": file()})
    seen = await looking.look()
    assert list(seen.records) == ["a"]
    assert (seen.unaddressable_count, seen.unaddressable_names) == (2, ("\\xff", "caf\\xe9"))


async def test_a_folder_that_is_missing_is_no_pool_without_volumes(looking: Looking) -> None:
    class Missing(Files):
        async def page(self, folder: str, *, after: bytes, most: int, timeout_s: float = 30.0) -> FolderPage | None:
            return None

    looking.files = Missing()
    with pytest.raises(ModelError) as missing:
        await looking.look()
    assert missing.value.reason is Reason.PATH_NOT_USABLE


async def test_a_link_onto_a_dead_share_keeps_what_was_seen_and_takes_nothing_from_the_others(looking: Looking) -> None:
    looking.put(a=file(), link=file("1", ImageFacts("qcow2", 99)))
    looking.files.stamps[f"{FOLDER}/link"] = b""
    first = await looking.records()
    looking.files.failing[f"{FOLDER}/link"] = ModelError(Reason.POOL_UNRESPONSIVE, "dead")
    looking.put(b=file())
    assert list(await looking.records()) == ["a", "b", "link"]
    assert (await looking.records())["link"] is first["link"]


async def test_a_backing_file_of_no_stated_format_is_asked_for_it_at_each_look(looking: Looking) -> None:
    upper = ImageFacts("qcow2", 1, backing=b"base")
    looking.put(upper=file(image=upper), base=file(image=ImageFacts("vmdk")))
    assert (await looking.records())["upper"].facts.backing_store == BackingStore(path=f"{FOLDER}/base", format="vmdk")
    looking.put(base=file("2", image=ImageFacts("raw")))
    assert (await looking.records())["upper"].facts.backing_store == BackingStore(path=f"{FOLDER}/base", format="raw")


async def test_one_backing_file_of_many_is_asked_once_a_look(looking: Looking) -> None:
    looking.put(**{name: file(image=ImageFacts("qcow2", 1, backing=b"/far/base")) for name in "abc"})
    await looking.look()
    assert looking.files.opened == ["a", "b", "/far/base", "c"]


async def test_where_no_backing_file_may_be_none_is_looked_for(looking: Looking) -> None:
    looking.put(guest=file(image=ImageFacts("qcow2", 1, backing=b"/dev/watchdog")))
    assert (await looking.records())["guest"].facts.backing_store == BackingStore(path="/dev/watchdog", format="raw")
    assert looking.files.opened == ["guest"]


async def test_a_backing_file_that_cannot_be_asked_is_what_it_was_or_raw(looking: Looking) -> None:
    looking.put(upper=file(image=ImageFacts("qcow2", 1, backing=b"/far/base")))
    dead = ModelError(Reason.POOL_UNRESPONSIVE, "dead")
    looking.files.failing["/far/base"] = dead
    assert (await looking.records())["upper"].facts.backing_store == BackingStore(path="/far/base", format="raw")
    del looking.files.failing["/far/base"]
    looking.files.files["/far/base"] = file(image=ImageFacts("qcow2"))
    assert (await looking.records())["upper"].facts.backing_store == BackingStore(path="/far/base", format="qcow2")
    looking.files.failing["/far/base"] = dead
    assert (await looking.records())["upper"].facts.backing_store == BackingStore(path="/far/base", format="qcow2")


async def test_what_files_lie_on_is_found_out_by_the_headers_of_those_that_changed_alone(looking: Looking) -> None:
    upper, kept = ImageFacts("qcow2", 1, backing=b"base", backing_format="raw"), f"{FOLDER}/base"
    looking.put(base=file(), kept=file(image=upper), far=file(image=upper), gone=file(image=upper))
    looking.files.stamps[f"{FOLDER}/far"] = b""
    await looking.look()
    assert await looking.backing_files() == {"kept": kept, "far": kept, "gone": kept}
    assert looking.files.opened == []
    del looking.files.files[f"{FOLDER}/gone"]
    elsewhere = ImageFacts("qcow2", 1, backing=b"/pools/q/other")
    # What lies on another mount is not touched, whatever it is by now.
    looking.put(
        base=file("2", elsewhere), far=file("2", elsewhere), new=file("3", upper), **{".poolfleet-new.1": file()}
    )
    looking.files.files[f"{FOLDER}/caf\udce9"] = file("4", upper)
    assert await looking.backing_files() == {
        "base": "/pools/q/other",
        "kept": kept,
        "far": kept,
        "new": kept,
        "caf\\xe9": kept,
    }
    assert sorted(looking.files.opened) == ["base", "caf\udce9", "new"]


async def test_only_libvirt_knows_the_secret_of_a_volume_and_is_asked_until_it_does(looking: Looking) -> None:
    looking.put(a=file(image=ImageFacts("raw", encryption="luks")))
    assert (await looking.records())["a"].facts.secret is None
    ref = SecretRef(uuid="u")
    looking.hypervisor.volumes["p"] = {"a": replace(volume_facts("p", "a"), secret=ref)}
    assert (await looking.records())["a"].facts.secret == ref
    looking.hypervisor.called.clear()
    assert (await looking.records())["a"].facts.secret == ref
    assert looking.hypervisor.called == []


@pytest.mark.parametrize("reason", [Reason.PATH_NOT_USABLE, Reason.INVALID_FIELD])
async def test_an_encrypted_image_that_libvirt_cannot_describe_takes_no_other_with_it(
    looking: Looking, reason: Reason
) -> None:
    looking.put(a=file(image=ImageFacts("qcow2", encryption="luks")), b=file())
    looking.hypervisor.failing["read_volume p a"] = ModelError(reason, "cannot be described")
    records = await looking.records()
    assert list(records) == ["a", "b"]
    assert (records["a"].facts.encryption, records["a"].facts.secret) == ("luks", None)


@pytest.fixture
def on_share(looking: Looking) -> Looking:
    looking.entry = replace(looking.entry, pool=replace(looking.entry.pool, mount_server="192.0.2.7"))
    return looking


async def test_what_root_may_not_read_on_a_share_is_read_as_its_owner(on_share: Looking) -> None:
    on_share.put(a=file(image=ImageFacts("qcow2", 99), uid=107), b=file())
    on_share.files.readers[f"{FOLDER}/a"] = ShareUser(uid=107, gid=107)
    records = await on_share.records()
    assert records["a"].facts.capacity_bytes == 99
    assert on_share.files.users == [ShareUser(uid=107, gid=107)]


async def test_as_only_so_many_users_is_it_tried_and_what_stays_unread_is_listed(on_share: Looking) -> None:
    names = [f"of-{uid}" for uid in range(1, MOST_OWNERS + 3)]
    on_share.put(**{name: file(image=ImageFacts("qcow2", 99), uid=uid) for uid, name in enumerate(names, start=1)})
    on_share.files.readers |= {f"{FOLDER}/{name}": ShareUser(uid=9, gid=9) for name in names}
    records = await on_share.records()
    assert sorted(records) == sorted(names)
    assert {(record.facts.format, record.facts.capacity_bytes) for record in records.values()} == {("", None)}
