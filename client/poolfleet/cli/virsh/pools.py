"""A row for each command of `virsh help pool`."""

from __future__ import annotations

from poolfleet.cli.virsh.options import POOL, VALIDATE, XPATH, may, needs, one, refused, switches
from poolfleet.cli.virsh.rows import Command, Option, Values

_BUILD = refused("build needs a stored pool: `poolfleet pool ensure`", "build", "no-overwrite", "overwrite")
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
        return may(*names, beside=beside, needs_device=starts, **renamed)

    return (
        *needs("name", "type"),
        *switches("print-xml"),
        *devices("source-host", "source-path", beside=_NETFS),
        *devices("source-dev", beside=_DISK),
        *devices("source-name", beside=_LOGICAL),
        *may("target"),
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


def _events(given: Values) -> list[str]:
    return [*filter(None, [given.get("pool")]), *([] if "loop" in given else ["--once"])]


POOL_COMMANDS: tuple[Command, ...] = (
    Command(
        name="pool-define",
        verb="pool define",
        options=(*needs("file"), *VALIDATE),
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
        options=(*needs("file"), *_BUILD),
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
        options=(*POOL, *switches("no-overwrite", "overwrite")),
        example="vm_data",
        words=one("pool"),
    ),
    Command(
        name="pool-start",
        verb="pool start",
        options=(*POOL, *switches("build", "no-overwrite", "overwrite")),
        example="vm_data",
        words=one("pool"),
    ),
    Command(
        name="pool-autostart",
        verb="pool autostart",
        options=(*POOL, *switches(disable="--off")),
        example="vm_data",
        words=one("pool"),
    ),
    Command(name="pool-refresh", verb="pool refresh", options=POOL, example="vm_data", words=one("pool")),
    Command(name="pool-edit", verb="pool edit", options=POOL, example="vm_data", words=one("pool")),
    Command(name="pool-destroy", verb="pool stop", options=POOL, example="vm_data", words=one("pool")),
    Command(name="pool-delete", verb="pool erase", options=POOL, example="vm_data", words=one("pool")),
    Command(name="pool-undefine", verb="pool undefine", options=POOL, example="vm_data", words=one("pool")),
    Command(
        name="pool-list",
        verb="pool list",
        options=(
            *switches("inactive", "transient", "persistent", "autostart", "no-autostart"),
            *switches(all="", details="-o wide", uuid="--field uuid", name="-o name"),
            *may("type"),
        ),
        example="",
        words=_shown,
    ),
    Command(
        name="pool-info",
        verb="pool show",
        options=(*POOL, *switches("bytes")),
        example="vm_data",
        words=one("pool"),
    ),
    Command(
        name="pool-dumpxml",
        verb="pool show",
        options=(*POOL, *switches("inactive"), *XPATH),
        example="vm_data",
        words=lambda given: [given["pool"], "--xml"],
    ),
    Command(
        name="pool-uuid",
        verb="pool show",
        options=POOL,
        example="vm_data",
        words=lambda given: [given["pool"], "--field", "uuid"],
    ),
    Command(
        name="pool-name",
        verb="pool show",
        options=POOL,
        example="0b0c1e9e-9d66-4a29-9b43-7a3dd3b8b1a5",
        words=lambda given: [given["pool"], "--field", "name"],
    ),
    Command(
        name="find-storage-pool-sources-as",
        verb="pool discover",
        options=(
            *needs("type"),
            *may(beside="netfs", needs_device=True, host="--server"),
            *may("port", "initiator", beside="iscsi --host san1.example.com", needs_device=True),
        ),
        example="netfs --host nfs.example.com",
        words=one("type"),
        needs_device=True,
    ),
    Command(
        name="find-storage-pool-sources",
        verb="pool discover",
        options=(
            *needs("type"),
            *refused("its server, port and initiator are options of `pool discover`", "srcSpec", takes_value=True),
        ),
        example="logical",
        words=one("type"),
        needs_device=True,
    ),
    Command(
        name="pool-event",
        verb="pool events",
        options=(
            *may(pool=""),
            *may("event"),
            *switches(loop=""),
            *may("timeout"),
            *refused("`pool events --help` tells them", "list"),
            *switches(timestamp=""),
        ),
        example="--pool vm_data --event lifecycle",
        words=_events,
        waits=True,
    ),
    Command(name="pool-capabilities", verb="host show", options=(), example="", words=lambda given: []),
)
