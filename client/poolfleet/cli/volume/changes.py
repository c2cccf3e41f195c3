"""The verbs that change volumes: create and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.addressing import named_volume, pool_name, volume_at
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.parsing import permissions, size_bytes, volume_word
from poolfleet.cli.pool.definitions import document
from poolfleet.cli.pool.options import AllowMissing, File
from poolfleet.cli.secret.words import volume_secret_ref
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import changes, choice
from poolfleet.cli.volume.acting import acting, storage_of
from poolfleet.cli.volume.options import AllowInUse
from poolfleet.cli.volume.permissions import Group, Mode, Owner
from poolfleet.cli.volume.reads import VolumeArgument, app
from poolfleet.cli.volume.volume_xml import volume_xml

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation
    from poolfleet.types.volume import VolumeSpec

_WORD = typer.Argument(
    metavar="VOLUME", help="POOL/VOLUME, or HOST:POOL/VOLUME; with --file POOL is enough.", show_default=False
)
_SIZE = typer.Argument(metavar="CAPACITY", help="Size that a guest sees, such as 20G.", show_default=False)


@changes(
    app,
    "create",
    "poolfleet volume create vm_data/web1.qcow2 20G --format qcow2",
    "poolfleet volume create vm_data/web2.qcow2 20G --format qcow2 --backing vm_data/base.qcow2",
    "poolfleet volume create vm_data/web4.qcow2 20G --format qcow2 --feature extended_l2 --cluster-size 128K",
    "poolfleet volume create vm_data/db.img 200G --preallocation full --no-wait",
    "poolfleet volume create kvm7:local/scratch.img 512M --allocation 0",
    "poolfleet volume create vm_data/web3.img 20G --secret /vm_data/web3.img",
)
async def create_volume(
    cli: Session,
    /,
    *,
    volume: Annotated[str, _WORD],
    capacity: Annotated[str | None, _SIZE] = None,
    format_: Annotated[
        str,
        choice("--format", about="raw (the default of files), qcow2, qcow, qed, vmdk, vdi, vpc; of partitions: type."),
    ] = "",
    allocation: Annotated[
        str | None, choice("--allocation", about="Bytes to take at once; left out: all of a raw one.", metavar="SIZE")
    ] = None,
    backing: Annotated[
        str | None, choice("--backing", about="What it lies on: a path, POOL/VOLUME, or a volume of its pool.")
    ] = None,
    backing_format: Annotated[str, choice("--backing-format", about="Format of that; left out: its own.")] = "",
    mode: Mode = None,
    owner: Owner = None,
    group: Group = None,
    secret: Annotated[
        str | None, choice("--secret", about="Encrypt it (luks) with this secret for volumes: its id, or UUID.")
    ] = None,
    compat: Annotated[str, choice("--compat", about="qcow2's compatibility level: 0.10 or 1.1.")] = "",
    feature: Annotated[
        list[str] | None, choice("--feature", about="Of qcow2: lazy_refcounts, extended_l2; may be repeated.")
    ] = None,
    cluster_size: Annotated[
        str | None, choice("--cluster-size", about="qcow2's, such as 128K.", metavar="SIZE")
    ] = None,
    nocow: Annotated[bool, typer.Option("--nocow", help="Without copy-on-write of btrfs.")] = False,
    preallocation: Annotated[
        str, choice("--preallocation", about="What to take at once: metadata (qcow2), falloc, full.", metavar="KIND")
    ] = "",
    prealloc_metadata: Annotated[
        bool, typer.Option("--prealloc-metadata", help="virsh's name of --preallocation metadata.")
    ] = False,
    file: File = None,
    print_xml: Annotated[bool, typer.Option("--print-xml", help="Print libvirt's XML and create nothing.")] = False,
) -> ExitCode:
    """Create a volume. An equal one that exists is left as it is."""
    from poolfleet.types.volume import BackingStore, VolumeEncryption, VolumeSpec

    taken = _preallocation(preallocation, metadata=prealloc_metadata)
    if file is not None:
        if capacity or allocation or backing or mode or secret or compat or feature or cluster_size or nocow:
            raise UsageError("--file holds the whole description: leave the other options out")
        spec = VolumeSpec.from_xml(document(file))
        volume = volume if "/" in volume else f"{volume}/{spec.name}"
    word = volume_word(volume)
    if word.path:
        raise UsageError(f"a new volume is named POOL/VOLUME, not by a path such as {word.path}")
    if file is None:
        if capacity is None:
            raise UsageError("say how large: CAPACITY, such as 20G")
        spec = VolumeSpec(
            word.volume,
            capacity_bytes=size_bytes(capacity),
            format=format_,
            allocation_bytes=None if allocation is None else size_bytes(allocation),
            backing_store=BackingStore(path=backing, format=backing_format) if backing else None,
            permissions=permissions(mode, owner, group),
            encryption=VolumeEncryption(secret=volume_secret_ref(secret)) if secret else None,
            compat=compat,
            features=tuple(feature or ()),
            cluster_size_bytes=None if cluster_size is None else size_bytes(cluster_size),
            nocow=nocow,
        )
    elif spec.name != word.volume:
        raise UsageError(f"{file} describes volume {spec.name}, not {word.volume}")
    if print_xml:
        typer.echo(volume_xml(spec))
        return ExitCode.OK

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        pool = await pool_name(client, word.pool)
        placed = await _on_its_backing(client, pool, spec)
        return await client.volumes.create(pool, placed, preallocation=taken, **asked)

    change = Change(ask=ask, doing=f"create volume {word.text}", done="created", already="already there")
    return await carry_out(cli, change, among=await acting(cli, word))


def _preallocation(kind: str, *, metadata: bool) -> str:
    if metadata and kind not in {"", "metadata"}:
        raise UsageError("--prealloc-metadata and --preallocation say two things")
    return "metadata" if metadata else kind


async def _on_its_backing(client: AgentClient, pool: str, spec: VolumeSpec) -> VolumeSpec:
    """Put the path and real format of this host's backing volume into a spec that names it in another way."""
    from dataclasses import replace

    from poolfleet.types.errors import NotFound

    backing = spec.backing_store
    if backing is None or (backing.path.startswith("/") and backing.format):
        return spec
    word = volume_word(backing.path if "/" in backing.path else f"{pool}/{backing.path}")
    try:
        found = await volume_at(client, word)
    except NotFound:
        if not word.path:
            raise
        return spec
    return replace(
        spec, backing_store=replace(backing, path=word.path or found.path, format=backing.format or found.format)
    )


@changes(
    app,
    "delete",
    "poolfleet volume delete vm_data/web1.qcow2",
    "poolfleet volume delete kvm7:local/scratch.img --allow-missing",
)
async def delete_volume(
    cli: Session,
    /,
    *,
    volume: VolumeArgument,
    allow_missing: AllowMissing = False,
    allow_in_use: AllowInUse = False,
) -> ExitCode:
    """Delete a volume and what it holds."""
    word = volume_word(volume)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        pool, name = await named_volume(client, word)
        storage = storage_of(cli, client, pool)
        return await storage.delete(name, allow_missing=allow_missing, allow_in_use=allow_in_use, **asked)

    change = Change(ask=ask, doing=f"delete volume {word.text}", done="deleted", already="already absent")
    return await carry_out(cli, change, among=await acting(cli, word))
