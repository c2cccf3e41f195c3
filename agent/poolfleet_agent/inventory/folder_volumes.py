"""The volumes of a pool that is a folder, by a look at the folder itself: libvirt is not asked to list them.

A file is opened only when it is new, or when its stamp is another than at the last look.
"""

import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from poolfleet_agent.inventory.build import VolumesSeen, escape_name, is_agents_own, unaddressable, volume_record
from poolfleet_agent.inventory.links import backing_path
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.file_volume import backing_of, file_volume, has_volume_name
from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.ports import Clock, Encoder, Folders, Hypervisor, SeenFile
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.model.volume import BackingStore

ENTRIES_AT_ONCE = 8192
"""Of one question: so many stats a slow server must answer within its limit, and no more stand in memory at once."""

OPENED_AT_ONCE = 512
"""Files of one question; to encode so many holds up everybody else for some milliseconds."""

MOST_OWNERS = 4
"""As so many users it is tried to read what root may not, each in a process of its own."""

UNDESCRIBED = frozenset({Reason.VOLUME_NOT_FOUND, Reason.PATH_NOT_USABLE, Reason.INVALID_FIELD})
"""What libvirt says of a file that it has not seen, or cannot describe: the last where a backing path leads nowhere."""

log = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class _Look:
    """One look: what is known of the pool, and what was found so far."""

    entry: PoolEntry
    folder: str
    records: dict[str, VolumeRecord] = field(default_factory=dict)
    not_utf8: list[bytes] = field(default_factory=list)
    probed: dict[str, str] = field(default_factory=dict)
    """Formats of backing files by their paths, for thousands of overlays may lie on one; empty: cannot be told."""

    def known(self, name: str) -> VolumeRecord | None:
        return self.entry.volumes.get(name)

    def path(self, name: str) -> str:
        """As libvirt writes it; `folder` may be another, without links."""
        return f"{self.entry.pool.definition.target_path}/{name}"


@dataclass(frozen=True, kw_only=True)
class FolderVolumes:
    """`folder` is always the pool's target without symbolic links. `may_switch`: it can look as other users.

    `check_backing` refuses what is no place for a backing file: whoever wrote an image may have named any path.
    """

    folders: Folders
    hypervisor: Hypervisor
    encoder: Encoder
    clock: Clock
    may_switch: bool
    check_backing: Callable[[str], Awaitable[None]]

    async def all(self, entry: PoolEntry, folder: str) -> VolumesSeen:
        """Look at all of a pool: PATH_NOT_USABLE where the folder is missing, STALE, POOL_UNRESPONSIVE."""
        look = _Look(entry=entry, folder=folder)
        as_of_s = self.clock.now_s()
        async for stamps in self._pages(look):
            await self._take(look, stamps)
        return VolumesSeen(
            records=entry.volumes if _same(entry.volumes, look.records) else look.records,
            as_of_s=as_of_s,
            unaddressable_count=len(look.not_utf8),
            unaddressable_names=unaddressable(look.not_utf8),
        )

    async def backing_files(self, entry: PoolEntry, folder: str) -> Mapping[str, str]:
        """Paths of what the files of a pool lie on now, by these files' names as a person reads them.

        Nothing else of them is found out. What lies on another mount is not touched, and is as it was known. Raises as
        `all` does.
        """
        look = _Look(entry=entry, folder=folder)
        paths: dict[str, str] = {}
        async for stamps in self._pages(look):
            found, changed, elsewhere = _sorted_out(look, stamps)
            kept = [record for record in (*found.values(), *map(look.known, elsewhere)) if record is not None]
            paths |= {record.facts.name: path for record in kept if (path := backing_path(record))}
            opened = [*(name.encode() for name in changed), *look.not_utf8]
            look.not_utf8.clear()
            for begin in range(0, len(opened), OPENED_AT_ONCE):
                names = opened[begin : begin + OPENED_AT_ONCE]
                for name, seen in zip(names, await self.folders.images(folder, names), strict=True):
                    path = posixpath.join(folder, escape_name(name))
                    if seen is not None and (backing := backing_of(path, seen.image)) is not None:
                        paths[escape_name(name)] = posixpath.join(folder, backing.path)
        return paths

    async def one(self, entry: PoolEntry, folder: str, name: str) -> VolumeRecord | None:
        """Look at one file; None: there is none that is a volume."""
        if not has_volume_name(name) or is_agents_own(name):
            return None
        look = _Look(entry=entry, folder=folder)
        seen = await self.folders.image(posixpath.join(folder, name))
        return await self._record(look, name, seen) if seen is not None else None

    async def _pages(self, look: _Look) -> AsyncIterator[Mapping[bytes, bytes]]:
        """The stamps of what is in the folder, by names and in their order."""
        after = b""
        while True:
            page = await self.folders.page(look.folder, after=after, most=ENTRIES_AT_ONCE)
            if page is None:
                pool = look.entry.pool.name
                message = f"{look.folder}, where pool {pool} has its volumes, is missing"
                raise ModelError(Reason.PATH_NOT_USABLE, message, metadata={"path": look.folder, "pool": pool})
            yield page.stamps
            if not (after := page.next_after):
                return

    async def _take(self, look: _Look, stamps: Mapping[bytes, bytes]) -> None:
        """Add the volumes of a page in their order."""
        found, changed, elsewhere = _sorted_out(look, stamps)
        for begin in range(0, len(changed), OPENED_AT_ONCE):
            names = changed[begin : begin + OPENED_AT_ONCE]
            for name, seen in zip(names, await self._seen(look, names), strict=True):
                found[name] = await self._record(look, name, seen) if seen is not None else None
        for name in elsewhere:
            found[name] = await self._elsewhere(look, name)
        look.records |= {name: record for name, record in found.items() if record is not None}

    async def _seen(self, look: _Look, names: Sequence[str]) -> Sequence[SeenFile | None]:
        """What the files are; those on a share that root may not read, by their owners, as libvirt reads them."""
        seen = list(await self.folders.images(look.folder, [name.encode() for name in names]))
        if look.entry.pool.server is None or not self.may_switch:
            return seen
        owners: dict[ShareUser, list[int]] = {}
        for at, file in enumerate(seen):
            if file is not None and file.image is None and file.uid:
                owners.setdefault(ShareUser(uid=file.uid, gid=file.gid), []).append(at)
        for owner in list(owners)[:MOST_OWNERS]:
            places = owners[owner]
            theirs = self.folders.acting_as(owner)
            for at, file in zip(
                places, await theirs.images(look.folder, [names[at].encode() for at in places]), strict=True
            ):
                seen[at] = file
        return seen

    async def _elsewhere(self, look: _Look, name: str) -> VolumeRecord | None:
        """What lies on another mount, looked at by that mount's own worker; as it was known where that is dead."""
        known = look.known(name)
        try:
            seen = await self.folders.image(posixpath.join(look.folder, name))
        except ModelError as error:
            log.info("a link cannot be followed", path=look.path(name), reason=error.reason, error=error.message)
            return known
        if seen is None:
            return None
        return await self._record(look, name, seen)

    async def _record(self, look: _Look, name: str, seen: SeenFile) -> VolumeRecord:
        path, known, stamp = look.path(name), look.known(name), seen.stamp
        backing = backing_of(posixpath.join(look.folder, name), seen.image)
        if backing is not None and not backing.format:
            backing = replace(backing, format=await self._probed(look, backing.path) or _told_before(known, backing))
            stamp = b""  # which says nothing of another file's format
        secret = None
        if seen.image is not None and seen.image.encryption:
            secret = await self._secret(look.entry, name)
            stamp = stamp if secret is not None else b""
        facts = file_volume(look.entry.pool.name, path, seen, backing=backing, secret=secret)
        if known is not None and known.facts == facts:
            return known if known.stamp == stamp else replace(known, stamp=stamp)
        return replace(volume_record(facts, self.encoder), stamp=stamp)

    async def _probed(self, look: _Look, path: str) -> str:
        """The format of a backing file of which none is stated; empty: it may not be asked for it, or not now."""
        if path not in look.probed:
            try:
                if posixpath.dirname(path) != look.folder:
                    await self.check_backing(path)
                seen = await self.folders.image(path)
            except ModelError as error:
                log.debug("a backing file cannot be probed", path=path, reason=error.reason, error=error.message)
                look.probed[path] = ""
            else:
                image = ImageFacts("raw") if seen is None else seen.image
                look.probed[path] = image.format if image is not None else ""
        return look.probed[path]

    async def _secret(self, entry: PoolEntry, name: str) -> SecretRef | None:
        """What libvirt would open an encrypted volume with; None: it knows of none, or cannot say of this volume."""
        try:
            return (await self.hypervisor.read_volume(entry.pool.name, name, server=entry.pool.server)).secret
        except ModelError as error:
            if error.reason not in UNDESCRIBED:
                raise
            return None


def _sorted_out(
    look: _Look, stamps: Mapping[bytes, bytes]
) -> tuple[dict[str, VolumeRecord | None], list[str], list[str]]:
    """The volumes of a page in their order, with the records of those that are as they were; the names of those that
    are not; and of those that lie on another mount."""
    found: dict[str, VolumeRecord | None] = {}
    changed: list[str] = []
    elsewhere: list[str] = []
    known_of = look.entry.volumes.get
    for encoded, stamp in stamps.items():
        try:
            name = encoded.decode()
        except UnicodeDecodeError:
            if has_volume_name(encoded.decode(errors="surrogateescape")):
                look.not_utf8.append(encoded)
            continue
        known = known_of(name)
        if known is not None and known.stamp == stamp != b"":
            found[name] = known
        elif has_volume_name(name) and not is_agents_own(name):
            found[name] = None
            (changed if stamp else elsewhere).append(name)
    return found, changed, elsewhere


def _told_before(known: VolumeRecord | None, backing: BackingStore) -> str:
    """The format that a backing file was said to have; else raw."""
    before = known.facts.backing_store if known is not None else None
    return before.format if before is not None and before.path == backing.path else "raw"


def _same(before: Mapping[str, VolumeRecord], after: Mapping[str, VolumeRecord]) -> bool:
    return len(before) == len(after) and all(before.get(name) is record for name, record in after.items())
