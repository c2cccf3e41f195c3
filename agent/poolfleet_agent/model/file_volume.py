"""A file in the folder of a pool as libvirt describes it as a volume."""

import json
import posixpath
import sys
from functools import lru_cache

from poolfleet_agent.model.image_facts import ImageFacts
from poolfleet_agent.model.pool import Permissions
from poolfleet_agent.model.ports import FileKind, SeenFile
from poolfleet_agent.model.secret import SecretRef
from poolfleet_agent.model.volume import BackingStore, VolumeFacts

_PASSED_OVER = frozenset(map(chr, range(1, 32))) - set("\t\n\r")
"""libvirt sees no volume in a file whose name has one of these characters."""

_UNKNOWN = ImageFacts("")


def has_volume_name(name: str) -> bool:
    """Whether libvirt would take a file of that name for a volume: one in the folder itself."""
    return name not in {".", ".."} and "/" not in name and _PASSED_OVER.isdisjoint(name)


def backing_of(path: str, image: ImageFacts | None) -> BackingStore | None:
    """What an image at a path lies on; an empty format is to be found out from what is there.

    What libvirt takes for no file of this host keeps its name as it is written, and counts as raw.
    """
    if image is None or not image.backing:
        return None
    name = image.backing.decode(errors="replace")
    if not (below := _file_in(name)):
        return BackingStore(path=name, format="raw")
    return BackingStore(path=posixpath.join(posixpath.dirname(path), below), format=image.backing_format)


def _file_in(name: str) -> str:
    """The path in qemu's name of a file, as far as libvirt reads those; empty: none."""
    if name.startswith("json:"):
        try:
            return _file_of_node(json.loads(name.removeprefix("json:")))
        except (ValueError, RecursionError):
            return ""
    return "" if ":" in name.partition("/")[0] else name


def _file_of_node(node: object) -> str:
    """The file of a block node: one that is a file, or a raw one on such. Other formats libvirt does not follow."""
    if not isinstance(node, dict):
        return ""
    if node.get("driver", "raw") == "raw" and "file" in node:
        return _file_of_node(node["file"])
    path = node.get("filename") if node.get("driver") == "file" else None
    return path if isinstance(path, str) and _is_text(path) else ""


def _is_text(path: str) -> bool:
    """Whether a path can be one of a host, and be told: JSON can spell NUL, and halves of characters."""
    return "\0" not in path and not any("\ud800" <= char <= "\udfff" for char in path)


def file_volume(
    pool: str, path: str, seen: SeenFile, *, backing: BackingStore | None, secret: SecretRef | None = None
) -> VolumeFacts:
    """Describe a file; `secret` is what libvirt would open it with."""
    image = seen.image or _UNKNOWN
    is_folder = seen.kind is FileKind.DIRECTORY
    size_bytes = 0 if is_folder else seen.size_bytes
    return VolumeFacts(
        pool=pool,
        name=posixpath.basename(path),
        key=path,
        path=path,
        type=_type(image, is_folder=is_folder),
        format=sys.intern(image.format),
        capacity_bytes=_capacity_bytes(image, size_bytes) if seen.image else None,
        allocation_bytes=0 if is_folder else seen.allocated_bytes,
        physical_bytes=size_bytes or None,
        backing_store=backing,
        permissions=_permissions(seen.mode, seen.uid, seen.gid, seen.label),
        # The same number as from libvirt's decimal seconds: both are the nearest to the exact one.
        modified_at_s=seen.modified_at_ns / 1_000_000_000,
        compat=sys.intern(image.compat),
        features=image.features,
        cluster_size_bytes=image.cluster_size_bytes,
        encryption=sys.intern(image.encryption),
        content_id=image.content_id,
        secret=secret,
    )


def _type(image: ImageFacts, *, is_folder: bool) -> str:
    if image.format == "ploop":
        return "ploop"
    return "dir" if is_folder else "file"


def _capacity_bytes(image: ImageFacts, size_bytes: int) -> int:
    if image.format == "ploop":
        return size_bytes  # which is all that libvirt tells of these
    capacity_bytes = size_bytes if image.capacity_bytes is None else image.capacity_bytes
    # Where a header takes off more than there is, libvirt counts below zero, from 2^64 downwards.
    return max(0, capacity_bytes - image.payload_bytes)


@lru_cache(maxsize=256)
def _permissions(mode: int, uid: int, gid: int, label: str) -> Permissions:
    """One value for all files that have the same: there may be ten thousand of them."""
    return Permissions(mode=mode, owner=uid, group=gid, label=label)
