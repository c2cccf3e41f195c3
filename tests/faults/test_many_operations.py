"""Ten thousand operations are kept: lists are whole, a restart is soon over, memory is small, the old are forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from dataclasses import replace

import pytest

from poolfleet.v1.operation_pb2 import OperationKind, OperationState
from poolfleet.v1.operation_service_pb2 import GetOperationRequest, ListOperationsRequest, OperationFilter
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.operations import SqliteOperations
from poolfleet_agent.state.serial import OPERATION
from scripts.benchmarks.memory import pss_bytes
from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.host import EmbeddedHost
from tests.made_pools import raw_volume, start_dir_pool
from tests.raw_agent import RawAgent, eventually, raw_agent

KEPT = 10_000
OLD = 9_000
HOUR_S = 3600.0

RESTART_LIMIT_S = 60.0
PAGE_LIMIT_S = 10.0
# With gRPC and libvirt alone it has about half of that.
MEMORY_LIMIT_BYTES = 200_000_000
FORGOTTEN_LIMIT_S = 60.0


async def keep_many(agent: EmbeddedAgent) -> list[str]:
    """Write operations into the state of an agent that does not run, as it writes them; their ids, newest first.

    They are like its newest one, and ended within the last hour, but for the OLD ones, which did two hours before.
    """
    database = await Database.open(agent.state_dir)
    *_, made = await SqliteOperations(database).load_all()
    rows, requests = [], []
    for number in range(KEPT):
        ended_at_s = made.created_at_s - 1 - number / KEPT - (2 * HOUR_S if number >= KEPT - OLD else 0)
        one = replace(
            made,
            id=str(uuid.uuid4()),
            request_ids=(str(uuid.uuid4()),),
            created_at_s=ended_at_s - 0.1,
            ended_at_s=ended_at_s,
        )
        rows.append((one.id, one.created_at_s, one.ended_at_s, OPERATION.write(one)))
        requests.append((one.caller, "CreateVolume", one.request_ids[0], "digest", one.id))

    def write(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO operation VALUES (?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO request VALUES (?, ?, ?, ?, ?)", requests)

    await database.run(write)
    await database.close()
    return [row[0] for row in rows]


async def listed(agent: RawAgent, *, wanted: OperationFilter | None = None, page_size: int = 1000) -> list[str]:
    """The ids, page by page."""
    ids: list[str] = []
    token = ""
    while True:
        request = ListOperationsRequest(filter=wanted, page_size=page_size, page_token=token)
        page = await agent.ask(request, timeout_s=PAGE_LIMIT_S)
        ids += [operation.id for operation in page.operations]
        if not (token := page.next_page_token):
            return ids


# Writing them takes its time on a busy machine.
@pytest.mark.timeout(300)
async def test_ten_thousand_operations_are_kept(host: EmbeddedHost) -> None:
    request = raw_volume("p", "v", request_id=str(uuid.uuid4()))
    async with raw_agent(host.agent.target) as agent:
        await start_dir_pool(host, agent, "p")
        told = await agent.done(request)
        before = await listed(agent)
    await asyncio.to_thread(host.agent.stop)
    kept = await keep_many(host.agent)
    began_s = time.monotonic()
    await asyncio.to_thread(host.agent.start)
    restart_s = time.monotonic() - began_s
    assert restart_s < RESTART_LIMIT_S
    async with raw_agent(host.agent.target) as agent:
        began_s = time.monotonic()
        # The agent's own are newer than those that were written.
        assert await listed(agent) == [*before, *kept]
        listing_s = time.monotonic() - began_s
        succeeded = OperationFilter(states=[OperationState.OPERATION_STATE_SUCCEEDED])
        assert len(await listed(agent, wanted=succeeded, page_size=5000)) == KEPT + len(before)
        deletions = OperationFilter(kinds=[OperationKind.OPERATION_KIND_DELETE_VOLUME])
        assert await listed(agent, wanted=deletions) == []
        # Nothing of that is asked for again from the store: what is known by its request id is found at once.
        assert (await agent.ask(request)).operation == told
    taken_bytes = pss_bytes(host.agent.pid)
    print(f"restart {restart_s:.1f} s, all pages {listing_s:.1f} s, {taken_bytes / 1e6:.0f} MB")
    assert taken_bytes < MEMORY_LIMIT_BYTES
    await asyncio.to_thread(host.agent.stop)
    await forgets_the_old(host, kept)


async def forgets_the_old(host: EmbeddedHost, kept: list[str]) -> None:
    """With a retention of an hour only the newer ones stay, on disk too."""
    settings = {"limits": {"request_id_retention_s": HOUR_S}}
    forgetting = EmbeddedAgent(host.libvirtd, allowed_paths=[host.pools_dir], settings=settings)
    await asyncio.to_thread(forgetting.start)
    async with raw_agent(forgetting.target) as agent:

        async def forgotten() -> bool:
            return not set(await listed(agent)) & set(kept[-OLD:])

        await eventually(forgotten, limit_s=FORGOTTEN_LIMIT_S, what="what ended long ago is forgotten")
        assert set(kept[:-OLD]) <= set(await listed(agent))
        assert (await agent.refusal(GetOperationRequest(operation=kept[-1]))).reason == "OPERATION_NOT_FOUND"
    await asyncio.to_thread(forgetting.stop)
    database = await Database.open(forgetting.state_dir)
    assert not {operation.id for operation in await SqliteOperations(database).load_all()} & set(kept[-OLD:])

    def requests(connection: sqlite3.Connection) -> int:
        (count,) = connection.execute("SELECT count(*) FROM request").fetchone()
        return int(count)

    assert await database.run(requests) == KEPT - OLD + 1
    await database.close()
