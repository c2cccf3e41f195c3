"""The options that describe a pool, shared by `pool define` and `pool ensure`: virsh's, and a few of our own."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from poolfleet.cli.pool.definitions import Wanted, document
from poolfleet.cli.session import UsageError
from poolfleet.cli.verbs import option
from poolfleet.types.pool_spec import PoolSpec

_OTHER = "Other pool types (the rest of virsh's options)"
_ADAPTER = ("name", "wwnn", "wwpn", "parent", "parent_wwnn", "parent_wwpn", "parent_fabric_wwn")
_TEXTS = {
    "source_host": "Server of a network pool.",
    "source_path": "Its export, or the directory or device that the volumes come from.",
    "source_format": "nfs, cifs or glusterfs; for others as libvirt has it.",
    "protocol_version": "NFS version, such as 4.2.",
    "target": "Directory on the host.",
    "mode": "Permissions that `build` gives it, such as 0711.",
    "uuid": "UUID; left out, libvirt chooses.",
}
_RARE_TEXTS = {
    "source_name": "Name of the source, such as a volume group.",
    "source_initiator": "IQN of the initiator.",
    "auth_type": "chap or ceph.",
    "auth_username": "User of the secret.",
    "secret_usage": "Usage of the secret.",
    "secret_uuid": "UUID of the secret.",
    **{f"adapter_{word}": f"<adapter {word}=…>." for word in _ADAPTER},
}
DEFINITION = [
    option("type", str | None, "dir, netfs, or any other type of libvirt's."),
    *(option(name, str, about, default="") for name, about in _TEXTS.items()),
    option("owner", int | None, "User id that `build` gives it to."),
    option("group", int | None, "Group id that `build` gives it to."),
    option("mount_option", list[str], "One mount option, such as noatime. Repeatable.", default=()),
    option("source_dev", list[str], "Device; repeatable.", default=(), rich_help_panel=_OTHER),
    *(option(name, str, about, default="", rich_help_panel=_OTHER) for name, about in _RARE_TEXTS.items()),
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
        field: tuple(value) if isinstance(value, list) else value
        for field, value in given.items()
        if not field.startswith("adapter_")
    }
    return Wanted(name=name, adapter=adapter, **fields)


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
