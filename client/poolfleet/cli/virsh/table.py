"""The table of virsh's storage commands: aliases, a page of docs/ and a test that drives both sides are made from it.

Longer than usual because it is one table, a row for each command of `virsh help pool` and `virsh help volume`.
"""

from __future__ import annotations

import typer

from poolfleet.cli.virsh.rows import Command, Option, Values, Words

# What options are given in examples, where a row says nothing else.
_VALUES = {
    "type": "dir",
    "source-protocol-ver": "4.2",
    "secret-uuid": "0fbb7aaf-1aa6-4ea3-8b8f-8ef1d3c6d8a1",
    "adapter-name": "scsi_host1",
    "adapter-parent": "scsi_host3",
    "adapter-parent-fabric-wwn": "2000000012341234",
    "source-initiator": "iqn.2026-01.com.example:kvm1",
    "host": "nfs.example.com",
    "port": "3261",
    "initiator": "iqn.2026-01.com.example:kvm1",
    "allocation": "1M",
    "format": "qcow2",
    "algorithm": "zero",
    "timeout": "10",
    "inputpool": "images",
    "offset": "1048576",
    "length": "1048576",
}


def _one(name: str) -> Words:
    return lambda given: [given[name]]


def _needs(*names: str) -> tuple[Option, ...]:
    return tuple(Option(name=name, takes_value=True, required=True) for name in names)


def _may(*names: str, beside: str = "", needs_device: bool = False, **renamed: str) -> tuple[Option, ...]:
    pairs = {name: f"--{name}" for name in names} | {name.replace("_", "-"): new for name, new in renamed.items()}
    return tuple(
        Option(
            name=name,
            becomes=(new,) if new else (),
            takes_value=True,
            value=_VALUES.get(name, ""),
            beside=beside,
            needs_device=needs_device,
        )
        for name, new in pairs.items()
    )


def _switches(*names: str, beside: str = "", **renamed: str) -> tuple[Option, ...]:
    pairs = {name: f"--{name}" for name in names} | {name.replace("_", "-"): new for name, new in renamed.items()}
    return tuple(Option(name=name, becomes=tuple(new.split()), beside=beside) for name, new in pairs.items())


def _refused(why: str, *names: str, takes_value: bool = False) -> tuple[Option, ...]:
    return tuple(Option(name=name, refused=why, takes_value=takes_value) for name in names)


def _coming(name: str, example: str, options: tuple[Option, ...] = ()) -> Command:
    return Command(name=name, verb="", options=options, example=example, words=lambda given: [])


_POOL = _needs("pool")
_VALIDATE = _refused("libvirt checks the document anyway", "validate")
_REFLINK = _refused("what shares its source's bytes is `poolfleet volume clone --linked`", "reflink")
_XPATH = (
    *_refused("pipe the XML to `xmllint --xpath`", "xpath", takes_value=True),
    *_refused("it goes with --xpath", "wrap"),
)
_BUILD = _refused("build needs a stored pool: `poolfleet pool ensure`", "build", "no-overwrite", "overwrite")
_PREALLOC = _refused("the metadata of copies is not preallocated", "prealloc-metadata")
_NETFS = "vm_data netfs --source-host nfs.example.com --source-path /share --source-format nfs --target /vm_data"
_LOGICAL = "vms logical --source-name vms --target /dev/vms"
_DISK = "disks disk --source-dev /dev/sdb --source-format gpt --target /dev"
_ISCSI = "san iscsi --source-host san1.example.com --source-dev iqn.2026-01.com.example:lun1 --target /dev/disk/by-path"
_BY_USAGE = f"{_ISCSI} --auth-type chap --auth-username kvm --secret-usage san1"
_BY_UUID = f"{_ISCSI} --auth-type chap --auth-username kvm"
_SCSI = "hba scsi --target /dev/disk/by-path"
_FC = f"{_SCSI} --adapter-wwnn 20000000c9831b4b --adapter-wwpn 10000000c9831b4b"
_PARENT = "--adapter-parent-wwnn 20000000c9831b4c --adapter-parent-wwpn 10000000c9831b4c"


def _as(*, starts: bool) -> tuple[Option, ...]:
    def devices(*names: str, beside: str, **renamed: str) -> tuple[Option, ...]:
        return _may(*names, beside=beside, needs_device=starts, **renamed)

    return (
        *_needs("name", "type"),
        *_switches("print-xml"),
        *devices("source-host", "source-path", beside=_NETFS),
        *devices("source-dev", beside=_DISK),
        *devices("source-name", beside=_LOGICAL),
        *_may("target"),
        *devices("source-format", beside=_NETFS),
        *devices("auth-type", "auth-username", "secret-usage", beside=_BY_USAGE),
        *devices("secret-uuid", beside=_BY_UUID),
        *devices("adapter-name", beside=_SCSI),
        *devices("adapter-wwnn", "adapter-wwpn", "adapter-parent", beside=_FC),
        *devices("adapter-parent-wwnn", "adapter-parent-wwpn", beside=f"{_FC} {_PARENT}"),
        *devices("adapter-parent-fabric-wwn", beside=_FC),
        *devices(beside=_NETFS, source_protocol_ver="--protocol-version"),
        *devices("source-initiator", beside=_ISCSI),
    )


def _defined_as(given: Values) -> list[str]:
    return [given["name"], "--type", given["type"]]


def _from_file(given: Values) -> list[str]:
    return ["--file", given["file"]]


def _shown(given: Values) -> list[str]:
    return [] if "all" in given or "inactive" in given else ["--active"]


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


_IN_POOL = _may(pool="")
_VOL = "web1.qcow2 --pool vm_data"
_BY_PATH = "/vm_data/web1.qcow2"
_ON_BACKING = "vm_data web2.qcow2 20G --format qcow2 --backing-vol /vm_data/web1.qcow2 --backing-vol-format qcow2"
_TRANSFER = (*_needs("vol", "file"), *_may("pool", "offset", "length"), *_switches("sparse"))
TABLE: dict[str, Command] = {
    command.name: command
    for command in (
        Command(
            name="pool-define",
            verb="pool define",
            options=(*_needs("file"), *_VALIDATE),
            example="pool.xml",
            words=_from_file,
        ),
        Command(
            name="pool-define-as",
            verb="pool define",
            options=_as(starts=False),
            example="vm_data dir --target /vm_data",
            words=_defined_as,
        ),
        Command(
            name="pool-create",
            verb="pool define --transient",
            options=(*_needs("file"), *_BUILD),
            example="pool.xml",
            words=_from_file,
        ),
        Command(
            name="pool-create-as",
            verb="pool define --transient",
            options=(*_as(starts=True), *_BUILD),
            example="vm_data dir --target /vm_data",
            words=_defined_as,
        ),
        Command(
            name="pool-build",
            verb="pool build",
            options=(*_POOL, *_switches("no-overwrite", "overwrite")),
            example="vm_data",
            words=_one("pool"),
        ),
        Command(
            name="pool-start",
            verb="pool start",
            options=(*_POOL, *_switches("build", "no-overwrite", "overwrite")),
            example="vm_data",
            words=_one("pool"),
        ),
        Command(
            name="pool-autostart",
            verb="pool autostart",
            options=(*_POOL, *_switches(disable="--off")),
            example="vm_data",
            words=_one("pool"),
        ),
        Command(name="pool-refresh", verb="pool refresh", options=_POOL, example="vm_data", words=_one("pool")),
        Command(name="pool-edit", verb="pool edit", options=_POOL, example="vm_data", words=_one("pool")),
        Command(name="pool-destroy", verb="pool stop", options=_POOL, example="vm_data", words=_one("pool")),
        Command(name="pool-delete", verb="pool erase", options=_POOL, example="vm_data", words=_one("pool")),
        Command(name="pool-undefine", verb="pool undefine", options=_POOL, example="vm_data", words=_one("pool")),
        Command(
            name="pool-list",
            verb="pool list",
            options=(
                *_switches("inactive", "transient", "persistent", "autostart", "no-autostart"),
                *_switches(all="", details="-o wide", uuid="--field uuid", name="-o name"),
                *_may("type"),
            ),
            example="",
            words=_shown,
        ),
        Command(
            name="pool-info",
            verb="pool show",
            options=(*_POOL, *_switches("bytes")),
            example="vm_data",
            words=_one("pool"),
        ),
        Command(
            name="pool-dumpxml",
            verb="pool show",
            options=(*_POOL, *_switches("inactive"), *_XPATH),
            example="vm_data",
            words=lambda given: [given["pool"], "--xml"],
        ),
        Command(
            name="pool-uuid",
            verb="pool show",
            options=_POOL,
            example="vm_data",
            words=lambda given: [given["pool"], "--field", "uuid"],
        ),
        Command(
            name="pool-name",
            verb="pool show",
            options=_POOL,
            example="0b0c1e9e-9d66-4a29-9b43-7a3dd3b8b1a5",
            words=lambda given: [given["pool"], "--field", "name"],
        ),
        Command(
            name="find-storage-pool-sources-as",
            verb="pool discover",
            options=(
                *_needs("type"),
                *_may(beside="netfs", needs_device=True, host="--server"),
                *_may("port", "initiator", beside="iscsi --host san1.example.com", needs_device=True),
            ),
            example="netfs --host nfs.example.com",
            words=_one("type"),
            needs_device=True,
        ),
        Command(
            name="find-storage-pool-sources",
            verb="pool discover",
            options=(
                *_needs("type"),
                *_refused("its server, port and initiator are options of `pool discover`", "srcSpec", takes_value=True),
            ),
            example="logical",
            words=_one("type"),
            needs_device=True,
        ),
        _coming(
            "pool-event",
            "--pool vm_data --event lifecycle",
            (
                *_may("pool", "event"),
                *_switches("loop"),
                *_may("timeout"),
                *_switches("list", "timestamp"),
            ),
        ),
        _coming("pool-capabilities", ""),
        Command(
            name="vol-create",
            verb="volume create",
            options=(*_needs("pool", "file"), *_switches("prealloc-metadata"), *_VALIDATE),
            example="vm_data vol.xml",
            words=lambda given: [given["pool"], "--file", given["file"]],
        ),
        Command(
            name="vol-create-as",
            verb="volume create",
            options=(
                *_needs("pool", "name", "capacity"),
                *_may("allocation", "format"),
                *_may(beside=_ON_BACKING, backing_vol="--backing", backing_vol_format="--backing-format"),
                *_switches("prealloc-metadata", beside="vm_data web2.qcow2 64M --allocation 0 --format qcow2"),
                *_switches("print-xml", beside=_ON_BACKING),
            ),
            example="vm_data web2.img 64M",
            words=lambda given: [f"{given['pool']}/{given['name']}", given["capacity"]],
        ),
        Command(
            name="vol-clone",
            verb="volume clone",
            options=(
                *_needs("vol", "newname"),
                *_IN_POOL,
                *_PREALLOC,
                *_REFLINK,
                *_refused("the source's is `poolfleet volume show --xml`", "print-xml"),
            ),
            example="db.raw db2.raw --pool vm_data",
            words=lambda given: [*_volume(given), given["newname"]],
        ),
        Command(
            name="vol-create-from",
            verb="volume clone",
            options=(*_needs("pool", "file", "vol"), *_may(inputpool=""), *_PREALLOC, *_REFLINK, *_VALIDATE),
            example="vm_data vol.xml web1.qcow2 --inputpool vm_data",
            words=lambda given: [
                *_volume({"vol": given["vol"], "pool": given.get("inputpool", given["pool"])}),
                given["pool"],
                "--file",
                given["file"],
            ],
        ),
        _coming("vol-upload", "web1.qcow2 web1.img --pool vm_data", _TRANSFER),
        _coming("vol-download", "web1.qcow2 web1.img --pool vm_data", _TRANSFER),
        Command(
            name="vol-resize",
            verb="volume resize",
            options=(
                *_needs("vol", "capacity"),
                *_IN_POOL,
                *_switches("allocate", beside="db.raw 96M --pool vm_data"),
                *_switches(delta=""),
                *_switches(beside="db.raw 16M --pool vm_data", shrink="--allow-shrink"),
            ),
            example="web1.qcow2 40G --pool vm_data",
            words=_resized,
        ),
        Command(
            name="vol-wipe",
            verb="volume wipe",
            options=(*_needs("vol"), *_IN_POOL, *_may("algorithm")),
            example="db.raw --pool vm_data",
            words=_volume,
        ),
        Command(
            name="vol-delete",
            verb="volume delete",
            options=(*_needs("vol"), *_IN_POOL, *_refused("poolfleet deletes no snapshots", "delete-snapshots")),
            example=_VOL,
            words=_volume,
        ),
        Command(
            name="vol-list",
            verb="volume list",
            options=(*_POOL, *_switches(details="-o wide")),
            example="vm_data",
            words=_one("pool"),
        ),
        Command(
            name="vol-info",
            verb="volume show",
            options=(*_needs("vol"), *_IN_POOL, *_switches("bytes", physical="")),
            example=_VOL,
            words=_volume,
        ),
        Command(
            name="vol-dumpxml",
            verb="volume show",
            options=(*_needs("vol"), *_IN_POOL, *_XPATH),
            example=_VOL,
            words=lambda given: [*_volume(given), "--xml"],
        ),
        Command(
            name="vol-path",
            verb="volume show",
            options=(*_needs("vol"), *_IN_POOL),
            example=_VOL,
            words=_volume_or_key("path"),
        ),
        Command(
            name="vol-key",
            verb="volume show",
            options=(*_needs("vol"), *_IN_POOL),
            example=_VOL,
            words=_volume_or_key("key"),
        ),
        Command(
            name="vol-name",
            verb="volume find",
            options=_needs("vol"),
            example=_BY_PATH,
            words=lambda given: [given["vol"], "--field", "name"],
        ),
        Command(
            name="vol-pool",
            verb="volume find",
            options=(*_needs("vol"), *_switches(uuid="")),
            example=_BY_PATH,
            words=lambda given: [given["vol"], "--field", "pool_uuid" if "uuid" in given else "pool"],
        ),
    )
}
