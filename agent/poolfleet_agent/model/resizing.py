"""What a volume's capacity is to become: pure arithmetic, and the rules of what is asked."""

from dataclasses import dataclass

from poolfleet_agent.model.capacity import LARGEST_CAPACITY_BYTES, SECTOR_BYTES, rounded_up
from poolfleet_agent.model.errors import ModelError, Reason, invalid_field
from poolfleet_agent.model.volume import VolumeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSize:
    """What a caller asks for: a capacity, or how much is to be added (negative: taken away). One of the two."""

    capacity_bytes: int | None = None
    delta_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resizing:
    """From one capacity to another; `allocate`: all bytes of a raw file, the added ones of another, taken at once."""

    format: str
    old_capacity_bytes: int
    capacity_bytes: int
    allocated_bytes: int
    allocate: bool

    @property
    def grows(self) -> bool:
        """Whether it becomes larger."""
        return self.capacity_bytes > self.old_capacity_bytes

    @property
    def shrinks(self) -> bool:
        """Whether it becomes smaller."""
        return self.capacity_bytes < self.old_capacity_bytes

    @property
    def added_bytes(self) -> int:
        """What is added to the capacity; 0 where it shrinks."""
        return max(0, self.capacity_bytes - self.old_capacity_bytes)

    @property
    def bytes_at_once(self) -> int:
        """Bytes that it takes from the storage at once."""
        if not self.allocate:
            return 0
        return max(0, self.capacity_bytes - self.allocated_bytes) if self.format == "raw" else self.added_bytes

    @property
    def changes_something(self) -> bool:
        """Whether anything is to be done."""
        return self.capacity_bytes != self.old_capacity_bytes or self.bytes_at_once > 0


def resizing_of(facts: VolumeFacts, size: NewSize, *, allocate: bool) -> Resizing:
    """What is to become of a volume: INVALID_FIELD, TOO_LARGE."""
    old_bytes = facts.capacity_bytes or 0
    if size.delta_bytes is not None:
        new_bytes = old_bytes + size.delta_bytes
        if new_bytes <= 0:
            raise invalid_field("delta_bytes", f"takes away all of the {old_bytes} bytes", value=str(size.delta_bytes))
    else:
        new_bytes = size.capacity_bytes or 0
    # libvirt takes a format that it does not know for raw.
    if (image_format := facts.format or "raw") != "raw" and facts.type == "file":
        new_bytes = rounded_up(new_bytes, SECTOR_BYTES)
    if new_bytes > LARGEST_CAPACITY_BYTES:
        raise ModelError(
            Reason.TOO_LARGE,
            f"{new_bytes} bytes are more than any volume can have",
            metadata={"pool": facts.pool, "volume": facts.name, "asked_bytes": str(new_bytes)},
        )
    return Resizing(
        format=image_format,
        old_capacity_bytes=old_bytes,
        capacity_bytes=new_bytes,
        allocated_bytes=facts.allocation_bytes or 0,
        allocate=allocate,
    )


def check_may_shrink(facts: VolumeFacts, change: Resizing, *, allow_shrink: bool) -> None:
    """Refuse to cut off what nobody gave up: WOULD_SHRINK."""
    if change.shrinks and not allow_shrink:
        raise ModelError(
            Reason.WOULD_SHRINK,
            f"volume {facts.pool}/{facts.name} has {change.old_capacity_bytes} bytes, and would have"
            f" {change.capacity_bytes}: what lies beyond them would be lost",
            metadata={
                "pool": facts.pool,
                "volume": facts.name,
                "capacity_bytes": str(change.old_capacity_bytes),
                "asked_bytes": str(change.capacity_bytes),
            },
        )
