"""Who we are on each share: whether its server takes root for nobody, and who touches a pool's files then.

A server is asked once for each mounted folder, and again after something was denied there. What it says while the
mount is read-only is not kept: nobody may write then.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.model.pool import PoolDefinition
from poolfleet_agent.model.ports import Files, MountWatch
from poolfleet_agent.model.share_user import ROOT, ShareUser, share_user

LISTING_ADVICE = "open the directory to others (chmod o+rx), set anonuid, or export with no_root_squash"
WRITING_ADVICE = "let the pool's directory belong to who writes there, set anonuid, or export with no_root_squash"
LOCKS_ADVICE = (
    "qemu locks parts of its images, which an SMB server takes for a ban on writing there: say `nobrl` in the pool's"
    " mount options"
)

log = structlog.get_logger(__name__)

_Key = tuple[int, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """Who touches the files of a pool: `files` acts as `user`. `squashed`: libvirt, which is root, is nobody there."""

    user: ShareUser
    files: Files
    squashed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    owner: ShareUser
    may_list: bool
    squashed: bool


@dataclass(kw_only=True)
class Actors:
    """Answers from memory but for the first time.

    `place` says where a pool's folder really is, and on which network mount; `qemu_user`, whom guests run as.
    `may_switch`: whether the agent can act as others, being root.
    """

    files: Files
    watch: MountWatch
    place: Callable[[PoolDefinition], tuple[str, MountEntry | None]]
    qemu_user: Callable[[], Awaitable[ShareUser | None]]
    may_switch: bool
    _seen: dict[_Key, _Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Forget mounts as they go, or become read-only."""
        self.watch.subscribe(self._forget)

    def _forget(self) -> None:
        mounted = {(mount.mount_id, mount.device) for mount in self.watch.table().network()}
        self._seen = {
            key: seen for key, seen in self._seen.items() if key[:2] in mounted and not self._is_read_only(key)
        }

    def _is_read_only(self, key: _Key) -> bool:
        health = self.watch.health(key[2])
        return health is not None and health.reason == Reason.READ_ONLY

    async def acting(self, entry: PoolEntry) -> Acting:
        """Who touches the files of an active pool. POOL_UNRESPONSIVE, STALE."""
        plain = Acting(user=ROOT, files=self.files, squashed=False)
        definition = entry.pool.definition
        if (key := self._key(definition)) is None or (seen := await self._see(key)) is None or not seen.squashed:
            return plain
        permissions = entry.pool.stored.target_permissions
        user = share_user(permissions, seen.owner, None)
        if user.is_root:  # only then does qemu's count, which may have to be looked up
            user = share_user(permissions, seen.owner, await self.qemu_user())
        return replace(plain, user=user, files=self.files.acting_as(user), squashed=True)

    async def check_listable(self, definition: PoolDefinition) -> None:
        """Refuse a share that libvirt could not list, being nobody there: SQUASHED, IDMAP."""
        key = self._key(definition)
        if key is None:
            return
        self._seen.pop(key, None)  # a new mount may have the number of one that is gone
        if (seen := await self._see(key)) is None or seen.may_list:
            return
        self._seen.pop(key, None)
        if seen.owner.is_nobody:
            raise id_mapped(definition)
        owner = seen.owner
        raise ModelError(
            Reason.SQUASHED,
            f"{definition.target_path} cannot be listed: its server takes root for nobody, and the directory, which is"
            f" {owner.uid}:{owner.gid}'s, is not open to others; {LISTING_ADVICE}",
            metadata={"pool": definition.name, "path": definition.target_path or "", "owner": str(owner.uid)},
        )

    def made_as(self, entry: PoolEntry, uid: int) -> None:
        """Note whose a file is that root made: where it is not root's, root is squashed, however open the folder."""
        key = self._key(entry.pool.definition)
        if key is not None and uid != 0 and (seen := self._seen.get(key)) is not None and not seen.squashed:
            self._seen[key] = replace(seen, squashed=True)

    def denied(self, entry: PoolEntry, error: ModelError) -> ModelError:
        """What a denial on a share means: IDMAP where the folder shows as nobody's, else SQUASHED. It is asked anew.

        On SMB it stays what it is, with advice: it may be qemu's own lock.
        """
        key = self._key(entry.pool.definition)
        seen = self._seen.pop(key, None) if key is not None else None
        if seen is None or not error.is_denial:
            return error
        if seen.owner.is_nobody:
            return id_mapped(entry.pool.definition)
        _, mount = self.place(entry.pool.definition)
        if mount is not None and mount.enforces_locks:
            return ModelError(error.reason, f"{error.message}; {LOCKS_ADVICE}", metadata=error.metadata)
        metadata = {**error.metadata, "pool": entry.pool.name}
        message = f"{error.message}; the server decides whom it lets write there: {WRITING_ADVICE}"
        return ModelError(Reason.SQUASHED, message, metadata=metadata)

    def _key(self, definition: PoolDefinition) -> _Key | None:
        """The mounted folder of a pool; None: it is local, or the agent could not act as others anyway."""
        target, mount = self.place(definition)
        return (mount.mount_id, mount.device, target) if self.may_switch and mount is not None else None

    async def _see(self, key: _Key) -> _Seen | None:
        if (seen := self._seen.get(key)) is None:
            was_read_only = self._is_read_only(key)
            folder = await self.files.stat(key[2])
            rights = await self.files.rights(key[2])
            if folder is None:
                return None
            seen = _Seen(
                owner=ShareUser(uid=folder.uid, gid=folder.gid),
                may_list=rights.read and rights.search,
                squashed=not (rights.write and rights.search),
            )
            if not was_read_only and not self._is_read_only(key):
                self._seen[key] = seen
            log.info("asked who root is on a share", path=key[2], squashed=seen.squashed, may_list=seen.may_list)
        return seen


def id_mapped(definition: PoolDefinition) -> ModelError:
    """Refuse for an id mapping that makes every owner into nobody: IDMAP."""
    return ModelError(
        Reason.IDMAP,
        f"{definition.target_path} shows as nobody's: give server and host the same id mapping (Domain in"
        " /etc/idmapd.conf), or mount by NFS v3",
        metadata={"pool": definition.name, "path": definition.target_path or ""},
    )
