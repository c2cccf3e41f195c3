"""What a fleet tells of its files, in the form of the walk, and of which moment it says that to be.

A moment is one of this process's monotonic clock; ages are the agents' own, and so hold whatever their clocks show.
"""

from __future__ import annotations

import time

from poolfleet import Fleet, Inventory, InventoryStore
from poolfleet.inventory.store.completeness import completeness
from poolfleet.inventory.store.queries import QUERIES
from tests.integration.acting.walked import SHARED, File, Guest, Told

NEVER_S = float("-inf")


def told_since(fleet: Fleet, moment: float, host: str = "") -> Inventory | None:
    """The inventory, where it is complete, and all of it (of that host) was looked at since a moment."""
    asked_at = time.monotonic()
    inventory = fleet.inventory()
    ages = [each.age_s for each in inventory.hosts if host in ("", each.name)]
    is_new = all(age_s is not None and asked_at - age_s > moment for age_s in ages)
    return inventory if inventory.complete and is_new else None


def told(inventory: Inventory, shared: str) -> Told:
    """Every file with its size, the hosts that see it, and its users. `shared`: id of the storage of SHARED."""
    return {
        File(SHARED if volume.storage_id == shared else volume.hosts[0].host, volume.name): (
            volume.capacity_bytes,
            {place.host for place in volume.hosts},
            {Guest(user.host, user.domain) for user in volume.used_by},
        )
        for volume in inventory.volumes
    }


def stored_since(fleet: Fleet, store: InventoryStore) -> float:
    """Bring what the hosts tell into the store; the moment since which all that it holds was looked at."""
    asked_at = time.monotonic()
    fleet.sync_inventory(store)
    with store.query("SELECT looked_at_s, domains_looked_at_s FROM host") as found:
        looks_s = [look_s for row in found.rows for look_s in row]
    # How old they were when they were told, which was at some time since.
    ages_s = [time.time() - float(look_s) if look_s else -NEVER_S for look_s in looks_s]
    return asked_at - max(ages_s)


def orphans(store: InventoryStore, storage: str) -> set[str]:
    """The names of a storage's volumes of which it is said that nobody uses them."""
    known = completeness(store, max_age_s=600)
    with store.query(QUERIES["orphans"].sql) as found:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    return {
        str(row["name"]) for row in rows if row["storage"] == storage and not known.of(int(row["storage_key"] or 0))
    }
