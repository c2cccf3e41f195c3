"""Which stored storage each pool lies on, as the inventory's identity joins them, but not all anew for each change.

Most pools that come are spelt exactly as one that is there, or as none: only for the others all have to be joined.
That may move pools of other hosts too: two spellings turn out to be one storage, or what held two together is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from poolfleet.inventory.identity import join
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import StorageIdSource

Spelling = tuple[str | None, StorageIdSource, str, tuple[str, ...]]
"""Site, source, id and aliases."""


@dataclass(frozen=True, slots=True)
class Home:
    """A pool, and the key of the storage that it lies on."""

    seen: PoolSeen
    storage_key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a pool that is new or changed brings about."""

    moved: Mapping[int, int]
    """The storage's key of the pool itself, and of all that move with it, by the keys of the pools."""
    renamed: Mapping[int, str] = field(default_factory=dict)
    """The ids that storages have from now on, by their keys."""


class Homes:
    """The pools of all hosts, by their keys in the store."""

    def __init__(self, storages: Mapping[int, str]) -> None:
        """storages: the ids by key."""
        self._ids = dict(storages)
        self._latest = {storage_id: key for key, storage_id in storages.items()}
        self._homes: dict[int, Home] = {}
        self._by_spelling: dict[Spelling, set[int]] = {}
        self._names: Counter[str] = Counter()
        self._inhabitants: Counter[int] = Counter()

    def load(self, pool_key: int, seen: PoolSeen, storage_key: int) -> None:
        """Take a pool over as it is stored."""
        self._put(pool_key, Home(seen, storage_key))

    def storage_of(self, pool_key: int) -> int:
        """The key of the storage that a pool lies on."""
        return self._homes[pool_key].storage_key

    def leave(self, pool_key: int) -> None:
        """A pool is gone; what it held together stays so until the others are joined anew."""
        home = self._homes.pop(pool_key, None)
        if home is None:
            return
        spelling = _spelling(home.seen)
        self._by_spelling[spelling].discard(pool_key)
        if not self._by_spelling[spelling]:
            del self._by_spelling[spelling]
        self._names.subtract(home.seen.spellings)
        self._inhabitants[home.storage_key] -= 1

    def settle(self, pool_key: int, seen: PoolSeen, new_storage: Callable[[str], int]) -> Settled:
        """Say where a pool lies, new or changed. new_storage: store one by its id, and return its key."""
        before = self._homes.get(pool_key)
        self.leave(pool_key)
        shared_before = before is not None and self._inhabitants[before.storage_key] > 0
        same = self._by_spelling.get(_spelling(seen))
        if same:
            storage_key = self._homes[next(iter(same))].storage_key
        elif shared_before or any(self._names[name] > 0 for name in seen.spellings):
            return self._join({pool_key: seen}, new_storage)
        else:
            storage_key = self._empty(seen.storage.id, new_storage)
        self._put(pool_key, Home(seen, storage_key))
        return Settled(moved={pool_key: storage_key})

    def settle_all(self, new_storage: Callable[[str], int]) -> Settled:
        """Say where every pool lies, joined anew."""
        return self._join({}, new_storage)

    def _join(self, new: Mapping[int, PoolSeen], new_storage: Callable[[str], int]) -> Settled:
        everyone = {**{key: home.seen for key, home in self._homes.items()}, **new}
        keys = {one.place: key for key, one in everyone.items()}
        moved: dict[int, int] = {}
        renamed: dict[int, str] = {}
        for storage in join(everyone.values()):
            members = [keys[one.place] for one in storage.pools]
            storage_key = self._kept(members, renamed)
            if storage_key is None:
                storage_key = self._empty(storage.storage_id, new_storage)
            renamed[storage_key] = storage.storage_id
            for member in members:
                if member not in self._homes or self._homes[member].storage_key != storage_key:
                    moved[member] = storage_key
        for member, storage_key in moved.items():
            self.leave(member)
            self._put(member, Home(everyone[member], storage_key))
        renamed = {key: storage_id for key, storage_id in renamed.items() if self._ids[key] != storage_id}
        self._ids.update(renamed)
        return Settled(moved=moved, renamed=renamed)

    def _kept(self, members: list[int], taken: Mapping[int, str]) -> int | None:
        """The storage that most of these pools lie on already, unless others have taken it."""
        homes = Counter(self._homes[member].storage_key for member in members if member in self._homes)
        free = [(count, -key) for key, count in homes.items() if key not in taken]
        return -max(free)[1] if free else None

    def _empty(self, storage_id: str, new_storage: Callable[[str], int]) -> int:
        """A storage that nothing lies on: one that had this id before, or a new one."""
        key = self._latest.get(storage_id)
        if key is None or self._inhabitants[key] > 0 or self._ids[key] != storage_id:
            key = new_storage(storage_id)
            self._ids[key] = storage_id
            self._latest[storage_id] = key
        return key

    def _put(self, pool_key: int, home: Home) -> None:
        self._homes[pool_key] = home
        self._by_spelling.setdefault(_spelling(home.seen), set()).add(pool_key)
        self._names.update(home.seen.spellings)
        self._inhabitants[home.storage_key] += 1


def _spelling(seen: PoolSeen) -> Spelling:
    storage = seen.storage
    return seen.host.site, storage.source, storage.id, storage.aliases
