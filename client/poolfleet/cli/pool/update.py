"""`pool update`, by options or XML, and `pool edit`, in an editor: both change the stored definition."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolfleet.cli.addressing import pool_name
from poolfleet.cli.advice import sentence
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.parsing import mode_bits
from poolfleet.cli.pool.definitions import Wanted, document
from poolfleet.cli.pool.options import COW, File, as_tuple
from poolfleet.cli.pool.reads import PoolWord, app
from poolfleet.cli.pool.sources import changed
from poolfleet.cli.session import Session, UsageError, say
from poolfleet.cli.verbs import changes, option
from poolfleet.types.errors import PoolfleetError, Unsupported
from poolfleet.types.pool import Pool
from poolfleet.types.pool_spec import PoolMount, PoolSpec, PoolTarget
from poolfleet.types.volume import Permissions

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation

_OPTIONS = [
    option("source_host", list[str], "Server; with :PORT where it is not the usual one. Repeatable.", default=()),
    option("source_path", str | None, "Its export; of gluster the directory in the volume."),
    option("source_format", str | None, "Such as nfs, cifs or glusterfs; ext4 or xfs; gpt or dos."),
    option("source_dev", list[str], "Device, or name of an iSCSI target. Repeatable.", default=()),
    option("source_name", str | None, "Volume group, zpool, Gluster volume or Ceph pool."),
    option("source_initiator", str | None, "Name that the host logs in with (iSCSI)."),
    COW,
    option("protocol_version", str | None, "NFS version, such as 4.2; empty: negotiated."),
    option("mount_option", list[str], "Mount options instead of those that are set. Repeatable.", default=()),
    option("target", str | None, "Directory on the host."),
    option("mode", str | None, "Permissions that `build` gives it, such as 0711."),
    option("owner", int | None, "User id that `build` gives it to."),
    option("group", int | None, "Group id that `build` gives it to."),
]


@changes(
    app,
    "update",
    "poolfleet pool update vm_data --protocol-version 4.2 -A --yes",
    "poolfleet pool update vm_data --file pool.xml",
    "poolfleet pool update vm_data --no-autostart --supervise",
    options=_OPTIONS,
)
async def update_pool(
    cli: Session,
    /,
    *,
    pool: PoolWord,
    file: File = None,
    autostart: Annotated[
        bool | None, typer.Option("--autostart/--no-autostart", help="Start it with the host.", show_default=False)
    ] = None,
    supervise: Annotated[
        bool | None,
        typer.Option("--supervise/--no-supervise", help="Have the agent keep it as meant.", show_default=False),
    ] = None,
    **given: Any,
) -> ExitCode:
    """Change a pool's stored definition. What an active pool takes over at its next start only, `pool show` tells."""
    wanted = {name: value for name, value in given.items() if value is not None and value != () and value != []}
    if not wanted and file is None and autostart is None and supervise is None:
        raise UsageError("say what to change, such as --target; --help lists it all")
    if wanted and file is not None:
        raise UsageError("--file holds the whole definition: leave the other options out")
    xml = None if file is None else document(file)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        name = await pool_name(client, pool)
        switches: dict[str, Any] = {"autostart": autostart, "supervised": supervise}
        if not wanted:
            return await client.pools.update(name, xml=xml, **switches, **asked)
        now = await client.pools.get(name)
        spec, mask = _merged(now, wanted)
        mask += tuple(name for name, value in switches.items() if value is not None)
        return await client.pools.update(name, spec=spec, mask=mask, etag=now.etag, **switches, **asked)

    return await carry_out(
        cli, Change(ask=ask, doing=f"update pool {pool}", done="updated", already="already as asked")
    )


def _merged(now: Pool, wanted: dict[str, Any]) -> tuple[PoolSpec, tuple[str, ...]]:
    """What is to be asked for, and its mask; raises UsageError and Unsupported."""
    mask: list[str] = []
    spec = PoolSpec(now.name)
    source = {name: wanted[name] for name in wanted if name.startswith("source_")}
    if source:
        if now.source_has_more:
            raise Unsupported(
                f"the agent is of a later release, and says more of the source of pool {now.name} than is known here:"
                " that would be lost; install that release, or use `pool edit`",
                reason="NOT_SUPPORTED_HERE",
            )
        stated = Wanted(name=now.name, type=now.type, **{name: as_tuple(value) for name, value in source.items()})
        spec = replace(spec, source=changed(now.source, stated))
        mask.append("spec.source")
    if "cow" in wanted:
        spec = replace(spec, cow=wanted["cow"])
        mask.append("spec.features")
    mount = now.mount or PoolMount()
    if "mount_option" in wanted:
        mount = replace(mount, options=tuple(wanted["mount_option"]))
        mask.append("spec.mount.options")
    if "protocol_version" in wanted:
        mount = replace(mount, protocol_version=wanted["protocol_version"])
        mask.append("spec.mount.protocol_version")
    target = now.target or PoolTarget(path="")
    if "target" in wanted:
        target = replace(target, path=wanted["target"])
        mask.append("spec.target.path")
    if {"mode", "owner", "group"} & set(wanted):
        values: dict[str, Any] = {name: wanted[name] for name in ("owner", "group") if name in wanted}
        if "mode" in wanted:
            values["mode"] = mode_bits(wanted["mode"])
        target = replace(target, permissions=replace(target.permissions or Permissions(), **values))
        mask.append("spec.target.permissions")
    return replace(spec, target=target, mount=mount), tuple(mask)


@changes(app, "edit", "poolfleet pool edit vm_data", "EDITOR=nano poolfleet pool edit vm_data -H kvm7")
async def edit_pool(cli: Session, /, *, pool: PoolWord) -> ExitCode:
    """Edit a pool's stored XML in $VISUAL or $EDITOR, on one host."""
    fleet = cli.changers()
    if len(fleet.hosts) != 1:
        raise UsageError(
            f"one host at a time: say --host; for {len(fleet.hosts)} hosts there is `poolfleet pool update`"
        )
    client = fleet.client(fleet.hosts[0].name)
    now = await client.pools.get(await pool_name(client, pool), full=True, max_staleness_s=0.0)
    before = now.inactive_xml or now.xml
    edited = before
    while True:
        edited = await _edited(edited)
        if edited.strip() == before.strip():
            typer.echo(f"pool {now.name} not changed")
            return ExitCode.OK
        try:
            await client.pools.update(now.name, xml=edited, etag=now.etag, validate_only=cli.flags.dry_run)
        except PoolfleetError as error:
            say(sentence(error))
            if error.reason == "ETAG_MISMATCH":
                raise
            if not typer.confirm("Edit it again?", default=True, err=True):
                raise
        else:
            typer.echo(f"pool {now.name} edited")
            return ExitCode.OK


async def _edited(xml: str) -> str:
    """Have a person edit the text; raises UsageError where the editor cannot be started or ends badly."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml", prefix="poolfleet-", encoding="utf-8") as file:
        file.write(xml)
        file.flush()
        await _run_editor(file.name)
        # Many editors write a new file and rename it: what counts is what stands there now.
        return await asyncio.to_thread(Path(file.name).read_text, encoding="utf-8")


async def _run_editor(path: str) -> None:
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        child = await asyncio.create_subprocess_exec(*editor, path)
    except OSError as error:
        raise UsageError(f"{editor[0]}: {error.strerror}; set $EDITOR to an editor that is there") from error
    if await child.wait() != 0:
        raise UsageError(f"{editor[0]} ended with code {child.returncode}: nothing was changed")
