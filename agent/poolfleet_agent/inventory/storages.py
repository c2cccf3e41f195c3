"""Finds out which storage lies behind a pool, without waiting for a share that does not answer: at most for the first
probe of a new one.

The directory itself is asked for its marker and its fingerprint. Both are read again only when the directory, or the
marker, has changed: a look at what stays as it is costs two questions.
"""

from dataclasses import dataclass, field, replace

import structlog

from poolfleet_agent.inventory.build import TargetFacts, escape_name
from poolfleet_agent.inventory.pool_mounts import SUSPECT_WAIT_S, PoolMounts
from poolfleet_agent.inventory.signs import SignReader
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry, normal_address
from poolfleet_agent.model.pool import (
    Fingerprint,
    HealthStatus,
    Pool,
    PoolDefinition,
    PoolFacts,
    Signs,
    Storage,
    StorageIdSource,
)
from poolfleet_agent.model.ports import Clock, FileFacts, FileKind, Files
from poolfleet_agent.model.quarantine import NOT_THE_SHARE
from poolfleet_agent.model.storage import (
    FINGERPRINT_FILES,
    LONGEST_MARKER_BYTES,
    MARKER,
    MARKER_FOLDER,
    MOST_NAMES,
    ConfiguredStorage,
    TargetSeen,
    has_servers_inodes,
    marker_id,
    server_names,
    share_filesystem_id,
    storage_of,
)

ADDRESSES_HOLD_S = 600.0
"""How long what a server's name means is believed."""

NO_ADDRESS_HOLDS_S = 60.0
"""How soon a resolver that had no answer is asked again: it may take 2 s each time."""

READING_SHARE = 0.01
"""Of the time, that a changing directory is read for its fingerprint: one that takes 2 s, every 200 s."""

SHORT_READING_S = 1.0
"""What takes no longer than that is read at every look that finds a change."""

_MOST_ADDRESSES = 16

log = structlog.get_logger(__name__)

_Signature = tuple[int, int, float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """A directory as its files were read; they may be read again at `due_s`.

    `settled`: they were read twice since its last change, so no change is missed: one in the very moment of the first
    reading may leave the directory's time as it was.
    """

    directory: _Signature
    fingerprint: Fingerprint
    settled: bool
    due_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Root:
    """What is in a root directory."""

    marker_file: _Signature | None
    marker: str
    signs: Signs | None
    files: _Files


@dataclass(kw_only=True)
class Storages:
    """Identifies storages, and remembers what it read of them."""

    files: Files
    mounts: PoolMounts
    clock: Clock
    agent_id: str
    configured: tuple[ConfiguredStorage, ...] = ()
    _signs: SignReader = field(init=False)
    _roots: dict[str, _Root] = field(default_factory=dict)
    _addresses: dict[str, tuple[float, tuple[str, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read signs through the same files."""
        self._signs = SignReader(files=self.files)

    async def look(self, facts: PoolFacts, previous: Pool | None) -> TargetFacts:
        """Find file system and storage of a pool; what cannot be looked at now stays as it was."""
        found = await self._look(facts, previous)
        was, now = (previous.storage if previous else None), found.storage
        if was is not None and now is not None and was.id != now.id:
            log.info(
                "storage of a pool has another id", pool=facts.name, was=was.id, now=now.id, source=str(now.source)
            )
        return found

    async def _look(self, facts: PoolFacts, previous: Pool | None) -> TargetFacts:
        definition = facts.definition
        before = previous.storage if previous is not None and _same_place(previous.definition, definition) else None
        target, mount = self.mounts.place(definition)
        health = self.mounts.health(definition)
        if (health is not None and health.reason in NOT_THE_SHARE) or self._waits_for_automount(target):
            return await self._of_missing_share(definition, previous, before)
        if mount is not None:
            filesystem_id = share_filesystem_id(mount, self.agent_id)
            seen = TargetSeen(real_path=target, mount=mount)
            looked_at = await self._answers(mount)
        else:
            filesystem_id = await self._local_file_system(facts, target)
            seen = TargetSeen(real_path=target, filesystem_id=filesystem_id)
            looked_at = bool(filesystem_id)
        root = await self._root(facts.name, target) if looked_at else None
        if root is not None:
            fingerprint = root.files.fingerprint if has_servers_inodes(mount) else None
            seen = replace(seen, marker=root.marker, fingerprint=fingerprint, signs=root.signs)
        elif before is not None:
            seen = _as_before(seen, before)
        return TargetFacts(filesystem_id=filesystem_id, storage=await self._storage(definition, seen, before))

    async def marker(self, pool: str, target: str) -> str:
        """Read the marker of the storage at a target, now; empty: there is none. What is wrong with it is logged."""
        path = f"{target}/{MARKER}"
        return await self._read_marker(pool, path, await self.files.lstat(path))

    async def _of_missing_share(
        self, definition: PoolDefinition, previous: Pool | None, before: Storage | None
    ) -> TargetFacts:
        """Identify a pool whose share is not what lies on its target: by what it was, and by what its source names."""
        kept = previous.filesystem_id if previous is not None and before is not None else ""
        if before is not None and definition.server is None:
            return TargetFacts(filesystem_id=kept, storage=replace(before, fingerprint=None))
        seen = TargetSeen() if before is None else replace(_as_before(TargetSeen(), before), fingerprint=None)
        return TargetFacts(filesystem_id=kept, storage=await self._storage(definition, seen, before))

    async def _storage(self, definition: PoolDefinition, seen: TargetSeen, before: Storage | None) -> Storage | None:
        names = server_names(definition, seen.mount)
        addresses = {name: await self._addresses_of(name) for name in names}
        return storage_of(
            definition,
            replace(seen, addresses=addresses),
            agent_id=self.agent_id,
            configured=self.configured,
            before=before,
        )

    async def _addresses_of(self, name: str) -> tuple[str, ...]:
        now_s = self.clock.monotonic_s()
        until_s, known = self._addresses.get(name, (now_s, ()))
        if now_s < until_s:
            return known
        found = tuple(normal_address(one) for one in await self.mounts.addresses(name))[:_MOST_ADDRESSES]
        # A resolver that is away has not made a name mean nothing.
        self._addresses[name] = (now_s + (ADDRESSES_HOLD_S if found else NO_ADDRESS_HOLDS_S), found or known)
        return found or known

    async def _answers(self, mount: MountEntry) -> bool:
        """Whether a network mount answers, for all that is known; the first probe of a new one is waited for."""
        watch = self.mounts.watch
        if watch.health(mount.target) is None:
            await watch.wait_for_next_probe(mount.target, SUSPECT_WAIT_S)
        health = watch.health(mount.target)
        return health is not None and health.status in {HealthStatus.HEALTHY, HealthStatus.FAULTY}

    def _waits_for_automount(self, target: str) -> bool:
        """Whether a share is mounted there as soon as somebody goes there, who then waits for its server: not we."""
        entry = self.mounts.watch.table().holding(target) if target else None
        return entry is not None and entry.fs_type == "autofs"

    async def _local_file_system(self, facts: PoolFacts, target: str) -> str:
        if not target or facts.definition.server is not None:
            return ""
        try:
            system = await self.files.file_system(target)
        except ModelError as error:
            log.warning("target cannot be looked at", pool=facts.name, reason=error.reason, error=error.message)
            return ""
        return system.id if system else ""

    async def _root(self, pool: str, target: str) -> _Root | None:
        """Read marker and fingerprint; None where the directory cannot be looked at."""
        known = self._roots.get(target)
        path = f"{target}/{MARKER}"
        try:
            # The name alone may mean what lies below a share inside a share that nobody has gone into yet.
            directory, marker_file = await self.files.stat(f"{target}/."), await self.files.lstat(path)
            if directory is None:
                return None
            signature = None if marker_file is None else _signature(marker_file)
            if known is not None and known.marker_file == signature:
                marker = known.marker
            else:
                marker = await self._read_marker(pool, path, marker_file)
            signs = await self._signs.read(target, marker_file) if marker and marker_file else None
            files = await self._read_files(target, directory, known.files if known else None)
        except ModelError as error:
            log.info("storage cannot be looked at", pool=pool, reason=error.reason, error=error.message)
            return None
        root = self._roots[target] = _Root(marker_file=signature, marker=marker, signs=signs, files=files)
        return root

    async def _read_files(self, target: str, directory: FileFacts, known: _Files | None) -> _Files:
        """Read the fingerprint, if the directory has changed; where it takes long, rarely, and else it is as it was."""
        signature, began_s = _signature(directory), self.clock.monotonic_s()
        if known is not None and known.directory == signature and known.settled:
            return known
        if known is not None and known.fingerprint.root_inode == directory.inode and began_s < known.due_s:
            return known
        fingerprint = await self._fingerprint(target, directory)
        ended_s = self.clock.monotonic_s()
        took_s = ended_s - began_s
        return _Files(
            directory=signature,
            fingerprint=fingerprint,
            settled=known is not None and known.directory == signature,
            due_s=ended_s + (took_s / READING_SHARE if took_s > SHORT_READING_S else 0.0),
        )

    async def _read_marker(self, pool: str, path: str, facts: FileFacts | None) -> str:
        if facts is None:
            return ""
        content = b""
        if facts.kind is FileKind.FILE:
            content = await self.files.head(path, LONGEST_MARKER_BYTES) or b""
        found = marker_id(content)
        if found is None:
            log.warning("the marker of a storage holds no UUID, and is not trusted", pool=pool, path=path)
        return found or ""

    async def _fingerprint(self, target: str, directory: FileFacts) -> Fingerprint:
        try:
            files = await self.files.lowest_inodes(
                target, count=FINGERPRINT_FILES, most_names=MOST_NAMES, omitted=(MARKER_FOLDER, ".nfs")
            )
        except ModelError as error:
            if error.reason is not Reason.TOO_LARGE:
                raise
            return Fingerprint(root_inode=directory.inode, too_many=True)
        named = tuple((escape_name(name), inode) for name, inode in files or ())
        return Fingerprint(root_inode=directory.inode, files=named)


def is_same_pool(was: PoolFacts, now: PoolFacts) -> bool:
    """Whether what was found out about one's storage is so of the other's."""
    return was.uuid == now.uuid and _same_place(was.definition, now.definition)


def _same_place(one: PoolDefinition, other: PoolDefinition) -> bool:
    return (one.source, one.target_path) == (other.source, other.target_path)


def _as_before(seen: TargetSeen, before: Storage) -> TargetSeen:
    marker = before.id if before.source is StorageIdSource.MARKER else ""
    return replace(seen, marker=marker, fingerprint=before.fingerprint, signs=before.signs)


def _signature(facts: FileFacts) -> _Signature:
    return facts.device, facts.inode, facts.modified_at_s, facts.size_bytes
