"""Which paths of backing files are links to something else, for who knows a host only by what it tells: a store of the
fleet's inventory compares paths as they are written.

Most paths say themselves where they lead: to a volume of the pool whose target they begin with, or, where no pool's
does, to a file that is looked for everywhere by its name. Those are not told.
"""

import posixpath
from collections.abc import Iterable

from poolfleet_agent.inventory.links import backing_path
from poolfleet_agent.inventory.places import is_addressable
from poolfleet_agent.inventory.pool_mounts import PoolMounts
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.compare import clean_path

MOST_LINKS = 1000
"""Of a pool: it is told with each of its changes."""


def backing_links(
    volumes: Iterable[VolumeRecord], pools: Iterable[PoolEntry], mounts: PoolMounts
) -> tuple[tuple[str, str], ...]:
    """Paths of backing files, and what they lead to where they do not say so, as far as that was learnt."""
    targets: dict[str, list[str]] = {}
    for entry in pools:
        if target := entry.pool.definition.target_path:
            targets.setdefault(mounts.place(entry.pool.definition)[0], []).append(clean_path(target))
    own_targets = {target for same in targets.values() for target in same}
    found: set[tuple[str, str]] = set()
    for path in {path for record in volumes if (path := backing_path(record))}:
        real, said = mounts.links.follow(path), clean_path(path)
        folder, name = posixpath.split(real)
        for leads_to in (posixpath.join(target, name) for target in targets.get(folder, (folder,))):
            by_name = posixpath.basename(said) == name and posixpath.dirname(said) not in own_targets
            if leads_to != said and not by_name and is_addressable(name):
                found.add((path, leads_to))
    return tuple(sorted(found)[:MOST_LINKS])
