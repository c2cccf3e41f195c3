"""What a pool is meant to be is kept by its UUID."""

from __future__ import annotations

from dataclasses import replace

from poolfleet_agent.model.desired_state import Desired, DesiredState
from poolfleet_agent.model.ports import IntentStore, PoolIntent
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.intents import SqliteIntents

INTENT = PoolIntent(
    pool_uuid="u1", desired=DesiredState(desired=Desired.STARTED, since_s=1.5, why="StartPool"), supervised=True
)


async def test_the_last_one_saved_counts(database: Database) -> None:
    store: IntentStore = SqliteIntents(database)
    await store.save(INTENT)
    later = replace(
        INTENT, supervised=False, desired=DesiredState(desired=Desired.STOPPED, since_s=2.0, why="StopPool")
    )
    await store.save(later)
    await store.save(replace(INTENT, pool_uuid="u0"))
    assert await store.load_all() == [replace(INTENT, pool_uuid="u0"), later]


async def test_a_pool_can_be_forgotten_also_when_it_was_never_known(database: Database) -> None:
    store = SqliteIntents(database)
    await store.save(INTENT)
    await store.remove("u1")
    await store.remove("u1")
    assert await store.load_all() == []
