"""The book of mounts: whose each is, so that none is undone that was there before us."""

from dataclasses import dataclass, field

from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.ports import MountOwner, MountRecord, MountRequest, MountStore


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
        record = self._records.get(clean_path(target))
        return record.owner if record is not None and record.boot_id == self.boot_id else None

    def belongs(self, target: str) -> str:
        """The source that was last seen on a target, as `host:/path`; empty: none ever was."""
        record = self._records.get(clean_path(target))
        return record.source if record is not None else ""

    async def mounted(self, request: MountRequest, owner: MountOwner) -> None:
        """Note a mount and who made it."""
        await self._note(request.target, f"{request.source.host}:{clean_path(request.source.path)}", owner)

    async def saw(self, target: str, source: str) -> None:
        """Note what lies under the folder of a dir pool, mounted by others."""
        await self._note(target, source, MountOwner.FOREIGN)

    async def _note(self, target: str, source: str, owner: MountOwner) -> None:
        record = MountRecord(target=clean_path(target), source=source, owner=owner, boot_id=self.boot_id)
        if self._records.get(record.target) != record:
            self._records[record.target] = record
            await self.store.save(record)

    async def found(self, request: MountRequest) -> None:
        """Note a mount that was there: it keeps the owner that we know of, or is somebody else's."""
        await self.mounted(request, self.owner(request.target) or MountOwner.FOREIGN)

    async def gone(self, target: str) -> None:
        """Forget a mount that was undone on purpose."""
        if self._records.pop(clean_path(target), None) is not None:
            await self.store.remove(clean_path(target))
