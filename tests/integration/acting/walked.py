"""What files there are and which domains use them, by a walk that asks no agent and no libvirt: of the folders, the
headers of the images in them, and the definitions that each libvirtd keeps on its disk."""

from __future__ import annotations

import os
import struct
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scripts.embedded.host import EmbeddedHost

SHARED = ""

# magic, version, backing file's offset and length, cluster bits, virtual size: of qcow2, big-endian
_QCOW2 = struct.Struct(">4sIQIIQ")


class File(NamedTuple):
    """A volume: where it lies, `SHARED` or a host whose own it is, and its name."""

    place: str
    name: str


class Guest(NamedTuple):
    """A domain of a host."""

    host: str
    domain: str


Use = tuple[File, Guest | File]
"""A file, and who refers to it."""

Told = dict[File, tuple[int | None, set[str], set[Guest]]]
"""What a fleet tells of each file: its capacity in bytes, the hosts that see it, and the guests that use it."""


@dataclass(frozen=True)
class Walked:
    """The files that there are, and what refers to each."""

    capacity_bytes: Mapping[File, int]
    guests: Mapping[File, set[Guest]]
    """Those whose disk is the file, or lies on it."""
    uppers: Mapping[File, set[File]]
    """Those that lie on the file itself."""

    def used(self, file: File) -> bool:
        """Whether anything refers to the file."""
        return bool(self.guests.get(file) or self.uppers.get(file))

    def uses(self) -> set[Use]:
        """Every file that is used, with each that uses it."""
        return {(file, user) for users in (self.guests, self.uppers) for file in users for user in users[file]}

    def unused(self, place: str) -> set[str]:
        """The names of those that nothing refers to."""
        return {file.name for file in self.capacity_bytes if file.place == place and not self.used(file)}

    def as_told(self, sharing: Collection[str]) -> Told:
        """All of it, as it is to be told. `sharing`: the hosts that have what is shared in a pool.

        Guests of others use it too; but that these paths lead there nobody can tell.
        """
        seen_by = {file: {file.place} if file.place else set(sharing) for file in self.capacity_bytes}
        return {
            file: (
                capacity_bytes,
                seen_by[file],
                {guest for guest in self.guests.get(file, ()) if guest.host in seen_by[file]},
            )
            for file, capacity_bytes in self.capacity_bytes.items()
        }


def walk(folders: Mapping[str, Path], hosts: Mapping[str, EmbeddedHost]) -> Walked:
    """Look at all of it now. `folders`: by the places that files may have."""
    paths = {
        path: File(place, path.name)
        for place, folder in folders.items()
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }
    capacity_bytes, below = {}, {}
    for path, file in paths.items():
        capacity_bytes[file], backing = _read(path)
        if backing is not None:
            below[path] = backing
    uppers: dict[File, set[File]] = {}
    for path, backing in below.items():
        if backing in paths:
            uppers.setdefault(paths[backing], set()).add(paths[path])
    guests: dict[File, set[Guest]] = {}
    for name, host in hosts.items():
        for domain, disk in _disks(host, folders):
            for path in _chain(Path(os.path.realpath(disk)), below):
                if path in paths:
                    guests.setdefault(paths[path], set()).add(Guest(name, domain))
    return Walked(capacity_bytes, guests, uppers)


def _read(path: Path) -> tuple[int, Path | None]:
    """Virtual size of an image, and what it lies on."""
    if path.suffix == ".raw":
        return path.stat().st_size, None
    with path.open("rb") as image:
        magic, _, offset, length, _, size = _QCOW2.unpack(image.read(_QCOW2.size))
        assert magic == b"QFI\xfb"
        image.seek(offset)
        backing = os.fsdecode(image.read(length)) if offset else ""
    return size, Path(os.path.realpath(path.parent / backing)) if backing else None


def _disks(host: EmbeddedHost, folders: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Domains and their disks."""
    for folder in ("etc/qemu", "home/config/libvirt/qemu"):
        for definition in (host.root / folder).glob("*.xml"):
            document = ET.parse(definition)  # noqa: S314  (libvirt wrote it)
            domain = document.findtext("name") or ""
            for source in document.iterfind("devices/disk/source"):
                if (path := source.get("file")) is not None:
                    yield domain, Path(path)
                else:
                    pool, volume = source.get("pool"), source.get("volume") or ""
                    yield domain, folders[host.name if pool == "local" else SHARED] / volume


def _chain(path: Path | None, below: Mapping[Path, Path]) -> Iterator[Path]:
    while path is not None:
        yield path
        path = below.get(path)
