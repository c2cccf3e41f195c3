"""WipeVolume: overwrite what a volume holds that nobody on this host uses."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import structlog

from poolfleet_agent.control.acting import Acting
from poolfleet_agent.control.host import Host
from poolfleet_agent.control.in_use import check_volume_not_in_use
from poolfleet_agent.control.mutation import Mutation, Outcome, Work
from poolfleet_agent.control.report import Report
from poolfleet_agent.control.volumes.existing import changed_volume, existing_volume, file_of_volume
from poolfleet_agent.control.volumes.place import path_in_pool
from poolfleet_agent.inventory.snapshot import PoolEntry, VolumeRecord
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import ImageFile
from poolfleet_agent.model.operation import OperationKind
from poolfleet_agent.model.ports import FileFacts
from poolfleet_agent.model.quarantine import Use
from poolfleet_agent.model.wiping import ZERO, check_algorithm

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class WipeVolume(Mutation):
    """Wipe one volume: with zeros by a program of our own where it is a file, else by libvirt, which tells nothing."""

    kind: ClassVar = OperationKind.WIPE_VOLUME
    host: Host = field(repr=False)
    pool: str
    volume: str
    algorithm: str = ZERO
    allow_in_use: bool = False
    etag: str = ""

    @property
    def target(self) -> tuple[str, str]:
        """The volume."""
        return self.pool, self.volume

    async def check(self) -> Outcome | Work:
        """Refuse what is no volume, is another than the caller saw, or is in use; and what cannot be done there."""
        check_algorithm(self.algorithm)
        entry, record = await existing_volume(self.host, self.pool, self.volume, etag=self.etag, use=Use.WRITE)
        file = await file_of_volume(self.host, entry, record)
        await self._check_not_in_use(entry, record)
        acting = await self.host.actors.acting(entry)
        wiped_here = file if self.algorithm == ZERO else None
        if wiped_here is None and acting.squashed:
            raise self._not_supported("libvirt would do that, and the share's server takes it for nobody; choose zero")

        async def perform(report: Report) -> Outcome:
            if wiped_here is not None:
                # Its turn may come late: guests may be started meanwhile.
                asking = report.asking_again(partial(self._check_not_in_use, entry, record))
                await self._wipe_here(acting, entry, wiped_here, asking)
            else:
                await self._have_wiped(entry)
            return await changed_volume(self.host, self.pool, self.volume)

        return Work(
            perform=perform,
            timeout_s=self.host.rules.copy_timeout_s,
            cancellable=wiped_here is not None,
            hopeless=partial(self.host.quarantine.until_unresponsive, entry),
        )

    async def _check_not_in_use(self, entry: PoolEntry, record: VolumeRecord) -> None:
        if not self.allow_in_use:
            await check_volume_not_in_use(self.host, entry, record)

    async def _wipe_here(self, acting: Acting, entry: PoolEntry, found: FileFacts, report: Report) -> None:
        # Its turn may come late: what is unmounted by then must not be touched below.
        device = self.host.quarantine.device(entry, Use.WRITE)
        file = ImageFile(path=path_in_pool(entry, self.volume) or "", inode=found.inode, device=device)
        try:
            await self.host.contents.wipe(
                file, user=acting.user, listener=report, timeout_s=self.host.rules.copy_timeout_s
            )
        except ModelError as error:
            await self._refresh_or_log()
            raise self.host.actors.denied(entry, error) from error
        except asyncio.CancelledError:
            await self._refresh_or_log()
            raise
        await self.host.refreshes.ask(self.pool)

    async def _refresh_or_log(self) -> None:
        """Let libvirt see what is left of a header. What was to be told is why the wipe ended."""
        try:
            await self.host.refreshes.ask(self.pool)
        except ModelError as error:
            log.info("a pool is not refreshed", pool=self.pool, reason=error.reason, error=error.message)

    async def _have_wiped(self, entry: PoolEntry) -> None:
        proven = self.host.quarantine.proof(entry, Use.WRITE)
        try:
            await self.host.hypervisor.wipe_volume(
                self.pool, self.volume, self.algorithm, server=entry.pool.server, proven=proven
            )
        except ModelError as error:
            if error.reason is Reason.NOT_SUPPORTED_HERE and "scrub" in error.message:
                why = f"libvirt needs the program scrub for it: install the package scrub on the host ({error.message})"
                raise self._not_supported(why) from error
            raise

    def _not_supported(self, why: str) -> ModelError:
        what = f"a wipe by {self.algorithm}"
        return ModelError(
            Reason.NOT_SUPPORTED_HERE,
            f"{what} is not possible here: {why}",
            metadata={"pool": self.pool, "volume": self.volume, "what": what},
        )
