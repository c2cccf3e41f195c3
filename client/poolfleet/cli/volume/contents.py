"""The verbs that change what a volume that exists holds: resize and wipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.addressing import named_volume
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.parsing import delta_bytes, size_bytes, volume_word
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import changes, choice
from poolfleet.cli.volume.acting import acting, storage_of
from poolfleet.cli.volume.options import AllowInUse
from poolfleet.cli.volume.reads import VolumeArgument, app

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation

_CAPACITY = typer.Argument(metavar="CAPACITY", help="Size that a guest is to see, such as 40G.", show_default=False)


@changes(
    app,
    "resize",
    "poolfleet volume resize vm_data/web1.qcow2 40G",
    "poolfleet volume resize vm_data/web1.qcow2 --by 10G",
    "poolfleet volume resize kvm7:local/scratch.img --by -1G --allow-shrink",
    "poolfleet volume resize vm_data/db.raw 200G --allocate --no-wait",
)
async def resize_volume(
    cli: Session,
    /,
    *,
    volume: VolumeArgument,
    capacity: Annotated[str | None, _CAPACITY] = None,
    by: Annotated[
        str | None, choice("--by", about="How much to add, or with a minus to take away.", metavar="SIZE")
    ] = None,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="It may become smaller; what lies beyond its new end is lost.")
    ] = False,
    allocate: Annotated[bool, typer.Option("--allocate", help="Take what it needs from the storage at once.")] = False,
    allow_in_use: AllowInUse = False,
) -> ExitCode:
    """Change a volume's capacity. A disk of a running guest is resized through its hypervisor."""
    if (capacity is None) == (by is None):
        raise UsageError("say how large: CAPACITY, such as 40G; or how much to add: --by 10G")
    word = volume_word(volume)
    capacity_bytes = None if capacity is None else size_bytes(capacity)
    added_bytes = None if by is None else delta_bytes(by)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        pool, name = await named_volume(client, word)
        return await storage_of(cli, client, pool).resize(
            name,
            capacity_bytes,
            delta_bytes=added_bytes,
            allow_shrink=allow_shrink,
            allocate=allocate,
            allow_in_use=allow_in_use,
            **asked,
        )

    change = Change(ask=ask, doing=f"resize volume {word.text}", done="resized", already="already of that size")
    return await carry_out(cli, change, among=await acting(cli, word))


@changes(
    app,
    "wipe",
    "poolfleet volume wipe vm_data/old.qcow2",
    "poolfleet volume wipe kvm7:local/secret.raw --algorithm nnsa --no-wait",
)
async def wipe_volume(
    cli: Session,
    /,
    *,
    volume: VolumeArgument,
    algorithm: Annotated[
        str,
        choice("--algorithm", about="zero, nnsa, dod, bsi, gutmann, schneier, pfitzner7, pfitzner33, random or trim."),
    ] = "zero",
    allow_in_use: AllowInUse = False,
) -> ExitCode:
    """Overwrite what a volume holds. A file is raw afterwards, whatever its format was."""
    word = volume_word(volume)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        pool, name = await named_volume(client, word)
        return await storage_of(cli, client, pool).wipe(name, algorithm=algorithm, allow_in_use=allow_in_use, **asked)

    change = Change(ask=ask, doing=f"wipe volume {word.text}", done="wiped", already="already wiped")
    return await carry_out(cli, change, among=await acting(cli, word))
