"""The snapshot's way to the store and back."""

from poolfleet_agent.inventory.build import volume_records
from poolfleet_agent.inventory.registry import Registry
from poolfleet_agent.inventory.snapshot import PoolEntry, Snapshot
from poolfleet_agent.model.ports import Encoder, SnapshotStore, StoredPool, StoredSnapshot


async def store_snapshot(snapshot: Snapshot, store: SnapshotStore) -> None:
    """Keep a snapshot, whole."""
    pools = tuple(
        StoredPool(pool=entry.pool, volumes=tuple(record.facts for record in entry.volumes.values()))
        for entry in snapshot.pools.values()
    )
    await store.save(
        StoredSnapshot(
            epoch=snapshot.revision.epoch, sequence=snapshot.revision.sequence, as_of_s=snapshot.as_of_s, pools=pools
        )
    )


async def restore_snapshot(registry: Registry, store: SnapshotStore, encoder: Encoder) -> bool:
    """Begin with the kept snapshot; False where there is none."""
    stored = await store.load()
    if stored is None:
        return False
    entries = [
        PoolEntry(pool=kept.pool, encoded=encoder.pool(kept.pool), volumes=volume_records(kept.volumes, encoder))
        for kept in stored.pools
    ]
    registry.restore(entries, stored.as_of_s)
    return True
