"""What the guests of a simulated host have as their disks, with the backing chains of those."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from poolfleet_agent.model.domain_disk import DiskRole, DomainDisk, DomainReference, DomainState
from poolfleet_agent.model.volume import VolumeFacts
from scripts.simulated_fleet.contents import Contents
from scripts.simulated_fleet.shape import Shape

DISKS_OF_A_GUEST = 2


def guest_disks(shape: Shape, host: int, storages: Sequence[tuple[Contents, str]]) -> tuple[DomainDisk, ...]:
    """All disks of a host's guests, in the order of a reading; storages come with their ids.

    Each guest has two local disks. Of a share, each host's guests have the part that is no other host's.
    """
    disks: list[DomainDisk] = []
    attached: dict[int, int] = {}
    for contents, storage_id in storages:
        hosts = contents.plan.hosts
        local = contents.for_guests[: shape.guests * DISKS_OF_A_GUEST]
        names = local if len(hosts) == 1 else contents.for_guests[hosts.index(host) :: len(hosts)]
        for number, name in enumerate(names if shape.guests else ()):
            guest = number % shape.guests
            target = attached[guest] = attached.get(guest, 0) + 1
            reference = _reference(shape, host, guest, f"vd{_letters(target)}")
            disks += _chain(contents, storage_id, name, reference)
    return tuple(sorted(disks, key=lambda disk: disk.place_in_order))


def _reference(shape: Shape, host: int, guest: int, target: str) -> DomainReference:
    name = f"{shape.host_name(host)}-guest{guest + 1:03}"
    return DomainReference(
        domain=name,
        domain_uuid=shape.uuid_of(name),
        domain_state=DomainState.INACTIVE if guest % 5 == 4 else DomainState.ACTIVE,
        role=DiskRole.DISK,
        target=target,
        source_kind="file",
    )


def _chain(contents: Contents, storage_id: str, name: str, top: DomainReference) -> Iterator[DomainDisk]:
    depth, next_name = 0, name
    while next_name:
        facts: VolumeFacts = contents.records[next_name].facts
        reference = DomainReference(
            domain=top.domain,
            domain_uuid=top.domain_uuid,
            domain_state=top.domain_state,
            role=DiskRole.BACKING if depth else top.role,
            target=top.target,
            source_kind=top.source_kind,
            path=facts.path,
            read_only=depth > 0,
            format=facts.format,
            depth=depth,
        )
        yield DomainDisk(
            reference=reference, path=facts.path, pool=facts.pool, volume=facts.name, storage_id=storage_id
        )
        next_name = posixpath.basename(facts.backing_store.path) if facts.backing_store else ""
        depth += 1


def _letters(number: int) -> str:
    """As Linux names disks: a to z, aa, ab, and so on."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters
