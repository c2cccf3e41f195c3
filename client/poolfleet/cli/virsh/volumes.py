"""A row for each command of `virsh help volume`."""

from __future__ import annotations

import typer

from poolfleet.cli.virsh.options import POOL, VALIDATE, XPATH, coming, may, needs, one, refused, switches
from poolfleet.cli.virsh.rows import Command, Values, Words

_REFLINK = refused("what shares its source's bytes is `poolfleet volume clone --linked`", "reflink")
_PREALLOC = refused("the metadata of copies is not preallocated", "prealloc-metadata")


def _volume(given: Values) -> list[str]:
    volume, pool = given["vol"], given.get("pool")
    if volume.startswith("/"):
        return [volume]
    if not pool:
        raise typer.BadParameter(f"in which pool is {volume!r}? say --pool POOL, or the volume's path")
    return [f"{pool}/{volume}"]


def _resized(given: Values) -> list[str]:
    # virsh writes what is taken away with a minus or without.
    size = given["capacity"].removeprefix("-") if "delta" in given and "shrink" in given else given["capacity"]
    if "delta" not in given:
        return [*_volume(given), size]
    return [*_volume(given), "--by", f"-{size}" if "shrink" in given else size]


def _volume_or_key(field: str) -> Words:
    def words(given: Values) -> list[str]:
        return [*(_volume(given) if given.get("pool") else [given["vol"]]), "--field", field]

    return words


_IN_POOL = may(pool="")
_VOL = "web1.qcow2 --pool vm_data"
_BY_PATH = "/vm_data/web1.qcow2"
_ON_BACKING = "vm_data web2.qcow2 20G --format qcow2 --backing-vol /vm_data/web1.qcow2 --backing-vol-format qcow2"
_TRANSFER = (*needs("vol", "file"), *may("pool", "offset", "length"), *switches("sparse"))

VOLUME_COMMANDS: tuple[Command, ...] = (
    Command(
        name="vol-create",
        verb="volume create",
        options=(*needs("pool", "file"), *switches("prealloc-metadata"), *VALIDATE),
        example="vm_data vol.xml",
        words=lambda given: [given["pool"], "--file", given["file"]],
    ),
    Command(
        name="vol-create-as",
        verb="volume create",
        options=(
            *needs("pool", "name", "capacity"),
            *may("allocation", "format"),
            *may(beside=_ON_BACKING, backing_vol="--backing", backing_vol_format="--backing-format"),
            *switches("prealloc-metadata", beside="vm_data web2.qcow2 64M --allocation 0 --format qcow2"),
            *switches("print-xml", beside=_ON_BACKING),
        ),
        example="vm_data web2.img 64M",
        words=lambda given: [f"{given['pool']}/{given['name']}", given["capacity"]],
    ),
    Command(
        name="vol-clone",
        verb="volume clone",
        options=(
            *needs("vol", "newname"),
            *_IN_POOL,
            *_PREALLOC,
            *_REFLINK,
            *switches("print-xml"),
        ),
        example="db.raw db2.raw --pool vm_data",
        words=lambda given: [*_volume(given), given["newname"]],
    ),
    Command(
        name="vol-create-from",
        verb="volume clone",
        options=(*needs("pool", "file", "vol"), *may(inputpool=""), *_PREALLOC, *_REFLINK, *VALIDATE),
        example="vm_data vol.xml web1.qcow2 --inputpool vm_data",
        words=lambda given: [
            *_volume({"vol": given["vol"], "pool": given.get("inputpool", given["pool"])}),
            given["pool"],
            "--file",
            given["file"],
        ],
    ),
    coming("vol-upload", "web1.qcow2 web1.img --pool vm_data", _TRANSFER),
    coming("vol-download", "web1.qcow2 web1.img --pool vm_data", _TRANSFER),
    Command(
        name="vol-resize",
        verb="volume resize",
        options=(
            *needs("vol", "capacity"),
            *_IN_POOL,
            *switches("allocate", beside="db.raw 96M --pool vm_data"),
            *switches(delta=""),
            *switches(beside="db.raw 16M --pool vm_data", shrink="--allow-shrink"),
        ),
        example="web1.qcow2 40G --pool vm_data",
        words=_resized,
    ),
    Command(
        name="vol-wipe",
        verb="volume wipe",
        options=(*needs("vol"), *_IN_POOL, *may("algorithm")),
        example="db.raw --pool vm_data",
        words=_volume,
    ),
    Command(
        name="vol-delete",
        verb="volume delete",
        options=(*needs("vol"), *_IN_POOL, *refused("poolfleet deletes no snapshots", "delete-snapshots")),
        example=_VOL,
        words=_volume,
    ),
    Command(
        name="vol-list",
        verb="volume list",
        options=(*POOL, *switches(details="-o wide")),
        example="vm_data",
        words=one("pool"),
    ),
    Command(
        name="vol-info",
        verb="volume show",
        options=(*needs("vol"), *_IN_POOL, *switches("bytes", physical="")),
        example=_VOL,
        words=_volume,
    ),
    Command(
        name="vol-dumpxml",
        verb="volume show",
        options=(*needs("vol"), *_IN_POOL, *XPATH),
        example=_VOL,
        words=lambda given: [*_volume(given), "--xml"],
    ),
    Command(
        name="vol-path",
        verb="volume show",
        options=(*needs("vol"), *_IN_POOL),
        example=_VOL,
        words=_volume_or_key("path"),
    ),
    Command(
        name="vol-key",
        verb="volume show",
        options=(*needs("vol"), *_IN_POOL),
        example=_VOL,
        words=_volume_or_key("key"),
    ),
    Command(
        name="vol-name",
        verb="volume find",
        options=needs("vol"),
        example=_BY_PATH,
        words=lambda given: [given["vol"], "--field", "name"],
    ),
    Command(
        name="vol-pool",
        verb="volume find",
        options=(*needs("vol"), *switches(uuid="")),
        example=_BY_PATH,
        words=lambda given: [given["vol"], "--field", "pool_uuid" if "uuid" in given else "pool"],
    ),
)
