"""The book of mounts: whose each is, so that none is undone that was there before us."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.pool import MountOwner
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import MountRecord, MountRequest, MountStore


@dataclass(kw_only=True)
class MountBook:
    """Mount records by target, in memory and in the store."""

    store: MountStore
    boot_id: str
    _records: dict[str, MountRecord] = field(default_factory=dict)

    async def load(self) -> None:
        """Read the store. A record of an earlier boot still says what belongs on its target, no more who mounted it."""
        self._records = {record.target: record for record in await self.store.load_all()}

    def owner(self, target: str) -> MountOwner | None:
        """Who made the mount on a target; None: it is not known to us."""
        record = self._of_this_boot(target)
        return record.owner if record is not None else None

    def belongs(self, target: str) -> str:
        """The source that was last seen on a target, as `host:/path`; empty: none ever was."""
        record = self._records.get(clean_path(target))
        return record.source if record is not None else ""

    def attempts(self) -> Sequence[str]:
        """The targets on which mounts of ours are tried now, or were by an agent that was cut off."""
        return [target for target in self._records if self.is_attempt(target)]

    def is_attempt(self, target: str) -> bool:
        """Whether what is mounted on a target now was mounted by an attempt of ours that has not ended well."""
        record = self._of_this_boot(target)
        return record is not None and record.attempting

    def addresses(self, host: str) -> Sequence[str]:
        """By which other addresses the kernel knew a server since the boot, when shares of it were proven."""
        records = [record for record in self._records.values() if record.source.startswith(f"{host}:")]
        return [record.address for record in records if record.address and record.boot_id == self.boot_id]

    async def attempting(self, request: MountRequest) -> None:
        """Note that a mount will be tried, before it is: MountBook.mounted or gone ends it."""
        record = self._record(request.target, _source(request.source), MountOwner.AGENT)
        await self._note(replace(record, attempting=True))

    async def mounted(self, request: MountRequest, owner: MountOwner, *, address: str = "") -> None:
        """Note a mount and who made it; `address`: by which the kernel knows its server."""
        await self._note(replace(self._record(request.target, _source(request.source), owner), address=address))

    async def saw(self, target: str, source: str) -> None:
        """Note what lies under the folder of a dir pool, mounted by others."""
        await self._note(self._record(target, source, MountOwner.FOREIGN))

    async def saw_share(self, target: str, source: NetfsSource, owner: MountOwner) -> None:
        """Note whose the share of a netfs pool is that was started when it was first seen; what is known stays."""
        if self.owner(target) is None:
            await self._note(self._record(target, _source(source), owner))

    async def found(self, request: MountRequest, *, address: str = "") -> None:
        """Note a mount that was there: it keeps the owner that we know of, or is somebody else's."""
        await self.mounted(request, self.owner(request.target) or MountOwner.FOREIGN, address=address)

    async def gone(self, target: str) -> None:
        """Forget a mount that was undone on purpose."""
        if self._records.pop(clean_path(target), None) is not None:
            await self.store.remove(clean_path(target))

    def _of_this_boot(self, target: str) -> MountRecord | None:
        record = self._records.get(clean_path(target))
        return record if record is not None and record.boot_id == self.boot_id else None

    def _record(self, target: str, source: str, owner: MountOwner) -> MountRecord:
        return MountRecord(target=clean_path(target), source=source, owner=owner, boot_id=self.boot_id)

    async def _note(self, record: MountRecord) -> None:
        if self._records.get(record.target) != record:
            # Not known before it is stored: what could not be stored is noted again.
            await self.store.save(record)
            self._records[record.target] = record


def _source(source: NetfsSource) -> str:
    return f"{source.host}:{clean_path(source.path)}"
