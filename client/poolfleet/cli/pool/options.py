"""The options that describe a pool, shared by `pool define` and `pool ensure`: virsh's, and a few of our own."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from poolfleet.cli.pool.definitions import Wanted, document
from poolfleet.cli.session import UsageError
from poolfleet.cli.verbs import choice, option
from poolfleet.types.pool_source import SOURCES
from poolfleet.types.pool_spec import PoolSpec

_OTHER = "Sources of other types (virsh's options)"
_FIBRE_CHANNEL = {
    "wwnn": "WWNN",
    "wwpn": "WWPN",
    "parent": "Parent",
    "parent_wwnn": "WWNN of the parent",
    "parent_wwpn": "WWPN of the parent",
    "parent_fabric_wwn": "WWN of the parent's fabric",
}
_ADAPTER = ("name", *_FIBRE_CHANNEL)
_TEXTS = {
    "source_path": "Its export; of gluster the directory in the volume.",
    "source_format": "Such as nfs, cifs or glusterfs; ext4 or xfs; gpt or dos.",
    "protocol_version": "NFS version, such as 4.2.",
    "target": "Directory on the host; of pools of devices where their names are found.",
    "mode": "Permissions that `build` gives it, such as 0711.",
    "uuid": "UUID; left out, libvirt chooses.",
}
_RARE_TEXTS = {
    "source_name": "Volume group, zpool, Gluster volume or Ceph pool; left out, called like the pool.",
    "source_initiator": "Name that the host logs in with (iSCSI).",
    "auth_type": "chap or ceph; left out, the one of the type.",
    "auth_username": "Who logs in (iSCSI, Ceph).",
    "secret_usage": "Which secret of libvirt holds the password or key, by its usage.",
    "secret_uuid": "The same, by its UUID.",
    "adapter_name": "SCSI host, such as scsi_host1.",
    **{f"adapter_{word}": f"{about} (Fibre Channel)." for word, about in _FIBRE_CHANNEL.items()},
}
COW = inspect.Parameter(
    "cow",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[bool | None, choice("--cow/--no-cow", about="Copy on write, where the file system can.")],
)
DEFINITION = [
    option("type", str | None, f"{', '.join(SOURCES)}; or any other of libvirt's."),
    option("source_host", list[str], "Server; with :PORT where it is not the usual one. Repeatable.", default=()),
    *(option(name, str, about, default="") for name, about in _TEXTS.items()),
    option("owner", int | None, "User id that `build` gives it to."),
    option("group", int | None, "Group id that `build` gives it to."),
    option("mount_option", list[str], "One mount option, such as noatime. Repeatable.", default=()),
    COW,
    option(
        "source_dev", list[str], "Device, or name of an iSCSI target. Repeatable.", default=(), rich_help_panel=_OTHER
    ),
    *(option(name, str, about, default="", rich_help_panel=_OTHER) for name, about in _RARE_TEXTS.items()),
    option(
        "config_option",
        list[str],
        "One option of Ceph's clients. Repeatable.",
        default=(),
        metavar="NAME=VALUE",
        rich_help_panel=_OTHER,
    ),
]

_FILE = typer.Option("--file", metavar="FILE", help="libvirt's XML; `-`: standard input.", show_default=False)
File = Annotated[str | None, _FILE]
Name = Annotated[str | None, typer.Argument(metavar="POOL", help="Name of the pool.", show_default=False)]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="An absent one is fine.")]
AllowInUse = Annotated[bool, typer.Option("--allow-in-use", help="Users of it are no reason to refuse.")]


def wanted(name: str | None, given: dict[str, Any]) -> Wanted:
    """Read the options; raises UsageError where name or type is missing."""
    if name is None or given["type"] is None:
        raise UsageError("say what to define: POOL with --type and its options, or --file FILE with libvirt's XML")
    adapter = tuple((word, given[f"adapter_{word}"]) for word in _ADAPTER if given[f"adapter_{word}"])
    fields: dict[str, Any] = {
        field: as_tuple(value) for field, value in given.items() if not field.startswith("adapter_")
    }
    return Wanted(name=name, adapter=adapter, **fields)


def as_tuple(value: Any) -> Any:
    """An option that was given several times; others are as they are."""
    return tuple(value) if isinstance(value, list) else value


def spec(name: str | None, file: str | None, given: dict[str, Any]) -> PoolSpec:
    """Read options or the file; raises UsageError where they contradict each other, InvalidArgument for bad XML."""
    if file is None:
        return wanted(name, given).spec()
    if any(value not in (None, "", (), []) for value in given.values()):
        raise UsageError("--file holds the whole definition: leave the other options out")
    found = PoolSpec.from_xml(document(file))
    if name not in (None, found.name):
        raise UsageError(f"{file} defines pool {found.name}, not {name}")
    return found
