"""The volumes of one storage: generated, changed step by step, and encoded once for all hosts that see them.

The same shape and steps give the same volumes in every process: hosts of a share that are served by different ones
see the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from random import Random

from poolfleet_agent.inventory.build import volume_record
from poolfleet_agent.inventory.snapshot import VolumeRecord
from poolfleet_agent.model.pool import Fingerprint, Permissions
from poolfleet_agent.model.ports import Encoder
from poolfleet_agent.model.volume import BackingStore, VolumeFacts
from scripts.simulated_fleet.shape import StoragePlan

GIB = 1 << 30
CLUSTER_BYTES = 64 * 1024
BEGAN_S = 1_780_000_000
"""When the first volume was written, in seconds since the epoch; each step of changes is a minute later."""

_VOLUMES_OF_AN_IMAGE = 20
_RAW = {3, 6, 9, 12, 15, 18}
_BASES = {4, 10, 16}
"""Places among the twenty: the next one lies on these, which lie on the image."""
_FREE = {8, 18}
_FINGERPRINT_FILES = 20
_OF_QEMU = Permissions(mode=0o600, owner=64055, group=64055)


class Contents:
    """What a storage of at least one volume holds.

    Of twenty volumes one is an image, and most others lie on it, some by way of a third.
    Two are free: no guest has them, nothing lies on them, and they may be deleted.
    """

    def __init__(self, plan: StoragePlan, seed: int, encoder: Encoder) -> None:
        self.plan = plan
        self.records: Mapping[str, VolumeRecord]
        """By name, in the order of the names; another mapping after each change."""
        self.allocation_bytes = 0
        self._seed = seed
        self._encoder = encoder
        self._images: list[VolumeFacts] = []
        self._free: list[str] = []
        self.for_guests: list[str] = []
        """Names of those that a guest may have as its disk; they are never deleted."""
        random = Random(f"{seed} {plan.key}")
        self._publish({facts.name: self._record(facts) for facts in self._first(random)})
        # Of files that stay: as the lowest inodes do where files come and go.
        files = self.for_guests[:_FINGERPRINT_FILES]
        root_inode, *inodes = sorted(random.sample(range(2**20, 2**31), 1 + len(files)))
        self.fingerprint = Fingerprint(root_inode=root_inode, files=tuple(zip(files, inodes, strict=True)))

    def change(self, step: int, share: float) -> int:
        """Change that part of the volumes: create, delete, resize, write. How many were; `step` is a new number."""
        random = Random(f"{self._seed} {self.plan.key} step {step}")
        # What is left of a whole one happens as often as its size says.
        wanted = int(len(self.records) * share + random.random())
        if not wanted:
            return 0
        records = dict(self.records)
        for _ in range(wanted):
            self._change_one(records, random, BEGAN_S + 60.0 * step)
        self._publish(records)
        return wanted

    def _change_one(self, records: dict[str, VolumeRecord], random: Random, now_s: float) -> None:
        kind = random.choice(("create", "delete", "resize", "write"))
        there = (*self._free, *self.for_guests)
        if kind == "delete" and self._free:
            del records[self._free.pop(random.randrange(len(self._free)))]
            return
        if kind in {"create", "delete"} or not there:
            facts = self._overlay(random, now_s, self._images[0])
            self._free.append(facts.name)
        elif kind == "resize":
            facts = records[random.choice(there)].facts
            facts = replace(facts, capacity_bytes=(facts.capacity_bytes or 0) + GIB)
        else:
            facts = records[random.choice(there)].facts
            more = CLUSTER_BYTES * random.randint(1, 4096)
            facts = replace(facts, allocation_bytes=(facts.allocation_bytes or 0) + more, modified_at_s=now_s)
        records[facts.name] = self._record(facts)

    def _publish(self, records: dict[str, VolumeRecord]) -> None:
        self.records = dict(sorted(records.items()))
        self.allocation_bytes = sum(record.facts.allocation_bytes or 0 for record in records.values())

    def _record(self, facts: VolumeFacts) -> VolumeRecord:
        return volume_record(facts, self._encoder)

    def _first(self, random: Random) -> Iterator[VolumeFacts]:
        """The volumes of the beginning."""
        before: VolumeFacts | None = None
        for number in range(self.plan.volumes):
            now_s = float(BEGAN_S - random.randrange(365 * 86400))
            place = number % _VOLUMES_OF_AN_IMAGE
            if place == 0:
                facts = self._qcow2(random, now_s, None)
                self._images.append(facts)
            elif place in _RAW:
                facts = self._raw(random, now_s)
            else:
                facts = self._overlay(random, now_s, before if place - 1 in _BASES and before else self._images[-1])
            if place in _FREE:
                self._free.append(facts.name)
            elif place and place not in _BASES:
                self.for_guests.append(facts.name)
            before = facts
            yield facts

    def _overlay(self, random: Random, now_s: float, on: VolumeFacts) -> VolumeFacts:
        return self._qcow2(random, now_s, BackingStore(path=on.path, format=on.format))

    def _qcow2(self, random: Random, now_s: float, backing: BackingStore | None) -> VolumeFacts:
        facts = self._file(random, "qcow2", now_s)
        return replace(facts, backing_store=backing, compat="1.1", cluster_size_bytes=CLUSTER_BYTES)

    def _raw(self, random: Random, now_s: float) -> VolumeFacts:
        return self._file(random, "raw", now_s)

    def _file(self, random: Random, format_: str, now_s: float) -> VolumeFacts:
        name = f"{uuid.UUID(int=random.getrandbits(128), version=4)}.{format_}"
        path = f"{self.plan.target}/{name}"
        capacity_bytes = random.choice((10, 20, 40, 100)) * GIB
        return VolumeFacts(
            pool=self.plan.pool,
            name=name,
            key=path,
            path=path,
            type="file",
            format=format_,
            capacity_bytes=capacity_bytes,
            allocation_bytes=int(capacity_bytes * random.random()) // CLUSTER_BYTES * CLUSTER_BYTES,
            physical_bytes=None,
            backing_store=None,
            permissions=_OF_QEMU,
            modified_at_s=now_s,
        )
