"""Saves operations and snapshots for ever, and prints the number of each once it is saved."""

import asyncio
import itertools
import sys
from pathlib import Path

from poolfleet_agent.model.operation import Operation, OperationKind
from poolfleet_agent.model.ports import StoredSnapshot
from poolfleet_agent.state.database import Database
from poolfleet_agent.state.operations import SqliteOperations
from poolfleet_agent.state.snapshot import SqliteSnapshot


async def write(directory: Path) -> None:
    database = await Database.open(directory)
    operations, snapshots = SqliteOperations(database), SqliteSnapshot(database)
    for number in itertools.count():
        kind = OperationKind.START_POOL
        await operations.save(Operation(id=str(number), kind=kind, pool="p", created_at_s=float(number)))
        await snapshots.save(StoredSnapshot(epoch="e", sequence=number, as_of_s=0.0, pools=()))
        print(number, flush=True)


asyncio.run(write(Path(sys.argv[1])))
