"""Exclusive create: of all agents that see a directory of files, one at a time creates a volume of some name there.

Neither libvirt nor its look at a share stops two hosts from creating one name: each may believe a stale "not there". So
an agent first makes a reservation (model/reservation), which the file system grants to one only, and which drops what
this host believes of the directory; then it looks the name up, and has the volume created only where it is free.
"""

import asyncio
import os
import posixpath
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.place import path_in_pool
from poolfleet_agent.inventory.snapshot import PoolEntry
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.ports import Files, MadeFile
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.reservation import (
    LONGEST_CONTENT_BYTES,
    Holder,
    Reservation,
    holder_of,
    reservation_name,
)

MAY_GO_ON = frozenset({Reason.LIBVIRT_UNAVAILABLE, Reason.POOL_UNRESPONSIVE, Reason.OPERATION_TIMED_OUT})
"""Failures after which libvirt may yet create what it was asked for."""

RETRY_DELAY_S = 0.5

log = structlog.get_logger(__name__)


@dataclass
class Held:
    """A name that is reserved: who touches the pool's files, and whether libvirt was asked to create the volume."""

    acting: Acting
    libvirt_was_asked: bool = False


@asynccontextmanager
async def reserved(host: Host, entry: PoolEntry, volume: str, report: Report) -> AsyncIterator[Held]:
    """Hold a name that is free within the block: NAME_RESERVED, VOLUME_EXISTS, and what a directory may refuse.

    SERVER_IN_GRACE where a server lets no file be made for longer than its grace period may last.

    The reservation stays where libvirt may yet create the volume: then it is for the next creation here, for the next
    start of the agent, or after a day for anybody to remove. Pools that are no directory of files have none.
    """
    path = path_in_pool(entry, reservation_name(volume))
    acting = await host.actors.acting(entry)
    if path is None:
        yield Held(acting)
        return
    await host.grace.passed(entry.pool.definition, report.warn)
    maker = acting.files
    made = await _reserve(host, maker, entry, volume, path, report)
    if acting.user.is_root:
        host.actors.made_as(entry, made.uid)
        acting = await host.actors.acting(entry)
    held = Held(acting)
    try:
        yield held
    except ModelError as error:
        if error.reason in MAY_GO_ON and held.libvirt_was_asked:
            log.warning("the name stays reserved: libvirt may yet create the volume", path=path, reason=error.reason)
        else:
            await _give_back(maker, path, made, report)
        raise
    except asyncio.CancelledError:
        if not held.libvirt_was_asked:
            await _give_back(maker, path, made, report)
        raise
    await _give_back(maker, path, made, report)


async def _give_back(files: Files, path: str, made: MadeFile, report: Report) -> None:
    try:
        await files.unlink_if(path, inode=made.inode)
    except ModelError as error:
        # What was to be told is how the creation went. The next one here removes it, or the sweep.
        report.owes_files()
        log.warning("a reservation stays", path=path, reason=error.reason, error=error.message)


async def find_reservation(host: Host, entry: PoolEntry, volume: str) -> Reservation | None:
    """The reservation of a name, whoever holds it; None: none, or the pool is no directory of files."""
    path = path_in_pool(entry, reservation_name(volume))
    return None if path is None else await read_reservation((await host.actors.acting(entry)).files, path)


async def read_reservation(files: Files, path: str) -> Reservation | None:
    """A reservation as it is there; None: it is not. `files` acts as who makes them there, who may read its own."""
    if (facts := await files.lstat(path)) is None:
        return None
    content, readable = b"", True
    try:
        content = await files.head(path, LONGEST_CONTENT_BYTES) or b""
    except ModelError as error:
        if error.reason not in {Reason.PATH_NOT_USABLE, Reason.STALE}:
            raise
        readable = False  # not ours to read, or gone and made anew meanwhile: its maker may be at work
    return Reservation(
        inode=facts.inode, modified_at_s=facts.modified_at_s, holder=holder_of(content), readable=readable
    )


async def check_not_being_created(host: Host, entry: PoolEntry, volume: str) -> None:
    """Refuse to take for a volume what another agent is only just creating: NAME_RESERVED."""
    there = await find_reservation(host, entry, volume)
    if there is None or await is_left_over(host, entry, there):
        return
    if there.holder is None or there.holder.agent_id != host.looker.agent_id:
        raise _name_reserved(entry, volume, there.holder)


async def remove_reservation(host: Host, entry: PoolEntry, volume: str, reservation: Reservation) -> None:
    """Remove a reservation that was found, if it still is that one."""
    path = path_in_pool(entry, reservation_name(volume))
    files = (await host.actors.acting(entry)).files
    if path is not None and await files.unlink_if(path, inode=reservation.inode):
        log.info("a reservation that was left over is removed", path=path, holder=reservation.holder)


async def is_left_over(host: Host, entry: PoolEntry, reservation: Reservation) -> bool:
    """Whether nobody can be at work for it any more, by this host's clock and by the one that dated it.

    The latter counts, for a host's own may be wrong by days; it is asked, by a file, only where ours says so.
    """
    if not reservation.is_left_over(host.clock.now_s()):
        return False
    files = (await host.actors.acting(entry)).files
    folder, device = entry.pool.definition.target_path or "", host.quarantine.device(entry, Use.WRITE)
    return reservation.is_left_over(await files.clock_s(folder, device=device))


async def _reserve(host: Host, files: Files, entry: PoolEntry, volume: str, path: str, report: Report) -> MadeFile:
    holder = Holder(
        agent_id=host.looker.agent_id,
        operation_id=report.operation_id,
        host=os.uname().nodename,
        created=host.clock.now_s(),
    )
    device = host.quarantine.device(entry, Use.TAKE_SPACE)
    there: Reservation | None = None
    for _ in range(3):  # what was found may be gone, or left over and removed
        try:
            # The server may be in grace since we asked, or have had no file to tell that by.
            making = files.make_exclusive(
                path, holder.content(), unless=volume, device=device, timeout_s=host.grace.longest_s
            )
            made = await host.quarantine.mounts.while_answering(entry.pool.definition, making)
        except asyncio.CancelledError:
            report.owes_files()  # it may yet be made
            raise
        except ModelError as error:
            report.owes_files()
            raise host.actors.denied(entry, error) from error
        if made is not None:
            return made
        there = await read_reservation(files, path)
        if there is None:
            if await host.files.lstat(posixpath.join(posixpath.dirname(path), volume)) is not None:
                metadata = {"pool": entry.pool.name, "volume": volume}
                raise ModelError(Reason.VOLUME_EXISTS, f"volume {volume!r} is there by now", metadata=metadata)
        elif _is_ours_and_over(there.holder, host, report) or await is_left_over(host, entry, there):
            await remove_reservation(host, entry, volume, there)
        else:
            break
    raise _name_reserved(entry, volume, there.holder if there else None)


def _is_ours_and_over(holder: Holder | None, host: Host, report: Report) -> bool:
    """Whether an operation of ours left it that is at work no more: another pool of ours may have that folder too."""
    return holder is not None and holder.agent_id == host.looker.agent_id and not report.runs(holder.operation_id)


def _name_reserved(entry: PoolEntry, volume: str, holder: Holder | None) -> ModelError:
    who = f"agent {holder.agent_id} on {holder.host}" if holder else "another agent"
    told = {"agent": holder.agent_id, "host": holder.host, "operation": holder.operation_id} if holder else {}
    return ModelError(
        Reason.NAME_RESERVED,
        f"{who} is creating {volume!r} in the directory of pool {entry.pool.name}",
        metadata={"pool": entry.pool.name, "volume": volume, **told},
        retry_delay_s=RETRY_DELAY_S,
    )
