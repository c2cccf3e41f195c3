"""The verb that clones a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from poolfleet.cli.addressing import named_volume, pool_name, volume_at
from poolfleet.cli.changing.change import Asked, Change, carry_out
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.cli.output.answers import Answer
from poolfleet.cli.output.fields import xml_documents
from poolfleet.cli.parsing import VolumeWord, permissions, size_bytes, volume_word
from poolfleet.cli.pool.definitions import document
from poolfleet.cli.pool.options import File
from poolfleet.cli.secret.words import volume_secret_ref
from poolfleet.cli.session import Session, UsageError
from poolfleet.cli.verbs import changes, choice
from poolfleet.cli.volume.acting import acting, storage_of
from poolfleet.cli.volume.permissions import Group, Mode, Owner
from poolfleet.cli.volume.reads import VolumeArgument, app

if TYPE_CHECKING:
    from poolfleet.agent.client import AgentClient
    from poolfleet.types.operation import Operation

_NEW = typer.Argument(
    metavar="NEW",
    help="NAME in the same pool, or POOL/NAME; with --file POOL is enough.",
    show_default=False,
)


@changes(
    app,
    "clone",
    "poolfleet volume clone vm_data/base.qcow2 web1.qcow2",
    "poolfleet volume clone vm_data/base.qcow2 web2.qcow2 --linked",
    "poolfleet volume clone kvm7:vm_data/web1.qcow2 archive/web1.raw --format raw",
    "poolfleet volume clone vm_data/web3.img web4.img --source-secret /vm_data/web3.img --secret /vm_data/web4.img",
)
async def clone_volume(
    cli: Session,
    /,
    *,
    volume: VolumeArgument,
    new: Annotated[str, _NEW],
    format_: Annotated[str, choice("--format", about="Such as raw or qcow2; left out: the source's.")] = "",
    capacity: Annotated[
        str | None, choice("--capacity", about="Size that a guest sees; left out: the source's.", metavar="SIZE")
    ] = None,
    linked: Annotated[
        bool, typer.Option("--linked", help="Make a qcow2 volume that lies on the source, and copy nothing.")
    ] = False,
    source_secret: Annotated[
        str | None, choice("--source-secret", about="What opens an encrypted source; left out: the one for its path.")
    ] = None,
    secret: Annotated[
        str | None, choice("--secret", about="Encrypt the copy (luks) with this one; left out: as the source is.")
    ] = None,
    decrypted: Annotated[
        bool, typer.Option("--decrypted", help="Do not encrypt the copy of an encrypted volume.")
    ] = False,
    mode: Mode = None,
    owner: Owner = None,
    group: Group = None,
    file: File = None,
    allow_in_use: Annotated[
        bool, typer.Option("--allow-in-use", help="Copy even what running guests write to: it may be torn.")
    ] = False,
    print_xml: Annotated[
        bool, typer.Option("--print-xml", help="Print the source's XML under the new name, and clone nothing.")
    ] = False,
) -> ExitCode:
    """Clone a volume: a copy of it, or one that lies on it. What is empty stays empty."""
    from poolfleet.types.volume import CloneSpec, VolumeEncryption

    if print_xml:
        if format_ or capacity or linked or mode or secret or decrypted or file:
            raise UsageError("--print-xml prints what the source is: leave the other options out")
        return await _show_under_a_new_name(cli, volume_word(volume), _new(new).volume)
    if file is not None:
        if format_ or capacity or linked or mode or secret or decrypted:
            raise UsageError("--file holds the whole description: leave the other options out")
        spec = CloneSpec.from_xml(document(file))
        target = _new(new if "/" in new else f"{new}/{spec.name}")
        if target.volume != spec.name:
            raise UsageError(f"{file} describes volume {spec.name}, not {target.volume}")
    else:
        target = _new(new)
        spec = CloneSpec(
            target.volume,
            format=format_,
            capacity_bytes=None if capacity is None else size_bytes(capacity),
            linked=linked,
            permissions=permissions(mode, owner, group),
            encryption=VolumeEncryption(secret=volume_secret_ref(secret)) if secret else None,
            decrypted=decrypted,
        )
    opened_by = volume_secret_ref(source_secret) if source_secret else None
    word = volume_word(volume)

    async def ask(client: AgentClient, asked: Asked) -> Operation:
        pool, name = await named_volume(client, word)
        into = await pool_name(client, target.pool) if target.pool else ""
        return await storage_of(cli, client, pool).clone(
            name, spec, target_pool=into, source_secret=opened_by, allow_in_use=allow_in_use, **asked
        )

    change = Change(ask=ask, doing=f"clone volume {word.text}", done="cloned", already="already there")
    # Which host is to have it in another pool only a person can tell.
    among = None if target.pool else await acting(cli, word)
    return await carry_out(cli, change, host=word.host, among=among)


async def _show_under_a_new_name(cli: Session, word: VolumeWord, name: str) -> ExitCode:
    from poolfleet.types.document import renamed

    async def look() -> Answer:
        result = await cli.read(lambda client: volume_at(client, word, full=True), host=word.host)
        documents = {host: renamed(found.xml, "volume", name) for host, found in result.answers()}
        return xml_documents(cli.account(result), documents)

    return await cli.show(look)


def _new(text: str) -> VolumeWord:
    """The new volume's name, and its pool; empty: the source's."""
    if "/" not in text:
        return VolumeWord(volume=text)
    word = volume_word(text)
    if word.path or word.host:
        raise UsageError(f"a new volume is named NAME or POOL/NAME, not {text}: its host is the source's")
    return word
