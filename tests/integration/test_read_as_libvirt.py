"""A look at a folder tells of each file what libvirt's own documents tell, field by field."""

from __future__ import annotations

import subprocess

import libvirt
import pytest
from google.protobuf.duration_pb2 import Duration

from poolfleet.v1.pool_service_pb2 import RefreshPoolRequest
from poolfleet.v1.snapshot_pb2 import VIEW_FULL
from poolfleet.v1.volume_pb2 import Volume
from poolfleet.v1.volume_service_pb2 import GetVolumeRequest, ListVolumesRequest
from poolfleet_agent.hypervisor.xml.volumes import parse_facts
from poolfleet_agent.model.etag import volume_etag
from poolfleet_agent.services.convert.volumes import volume_to
from scripts.embedded.host import EmbeddedHost
from tests.image_corpus import MADE_BY_NOBODY, NAMES, create, make_corpus
from tests.made_pools import folder, start_dir_pool
from tests.raw_agent import RawAgent


def by_libvirt(host: EmbeddedHost, pool: str) -> dict[str, Volume]:
    """Each volume as libvirt describes it."""
    connection = libvirt.open(host.libvirtd.uri)
    try:
        found = {}
        for volume in connection.storagePoolLookupByName(pool).listAllVolumes():
            facts = parse_facts(pool, volume.XMLDesc())
            found[facts.name] = volume_to(facts, volume_etag(facts))
        return found
    finally:
        connection.close()


async def listed(agent: RawAgent, pool: str) -> dict[str, Volume]:
    asked = ListVolumesRequest(pool=pool, include_special=True, max_staleness=Duration(), page_size=5000)
    answer = await agent.ask(asked)
    assert not answer.unread_pools
    assert not answer.next_page_token
    return {volume.name: volume for volume in answer.volumes}


def differences(ours: dict[str, Volume], theirs: dict[str, Volume]) -> list[str]:
    """A line for each field that is told otherwise, and for each volume that one of both lacks."""
    lines = [f"{name!r}: only one has it" for name in ours.keys() ^ theirs.keys()]
    for name in ours.keys() & theirs.keys():
        for field in Volume.DESCRIPTOR.fields:
            if field.name == "content_id":
                continue  # which libvirt tells of none
            mine, other = (getattr(volumes[name], field.name) for volumes in (ours, theirs))
            if mine != other:
                lines.append(f"{name!r} {field.name}: {mine!r}, libvirt says {other!r}")
    return sorted(lines)


async def test_every_field_of_every_kind_of_file_is_libvirt_s(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    make_corpus(folder(host, "p"))
    await agent.done(RefreshPoolRequest(pool="p"))
    theirs = by_libvirt(host, "p")
    assert differences(await listed(agent, "p"), theirs) == []
    assert {*MADE_BY_NOBODY, *NAMES, "link-out", "subfolder", "sealed.luks"} <= theirs.keys()


async def test_what_has_an_id_of_its_content_tells_it_besides(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    make_corpus(folder(host, "p"))
    kinds = {name: volume.content_id.partition(":")[0] for name, volume in (await listed(agent, "p")).items()}
    assert {name: kind for name, kind in kinds.items() if kind} == {
        "plain.vmdk": "vmdk",
        "stream.vmdk": "vmdk",
        "over.vmdk": "vmdk",
        "plain.vdi": "vdi",
        "static.vdi": "vdi",
        "plain.vpc": "vpc",
    }


async def test_an_image_that_libvirt_cannot_describe_takes_no_others_with_it(
    host: EmbeddedHost, agent: RawAgent
) -> None:
    await start_dir_pool(host, agent, "p", "other")
    create(folder(host, "p"), "qed", "base.qed")
    create(folder(host, "p"), "qed", "over.qed", "-b", "base.qed", "-F", "qed")
    await agent.done(RefreshPoolRequest(pool="p"))
    with pytest.raises(libvirt.libvirtError):
        by_libvirt(host, "p")
    seen = await listed(agent, "p")
    assert seen.keys() == {"base.qed", "other", "over.qed"}
    assert seen["over.qed"].backing_store.path == seen["base.qed"].path


async def test_libvirt_s_word_of_a_volume_leaves_it_the_id_of_its_content(host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(host, agent, "p")
    create(folder(host, "p"), "vdi", "v.vdi")
    await agent.done(RefreshPoolRequest(pool="p"))
    known = (await listed(agent, "p"))["v.vdi"]
    assert known.content_id.startswith("vdi:")
    for fresh in (
        GetVolumeRequest(pool="p", volume="v.vdi", view=VIEW_FULL),
        GetVolumeRequest(pool="p", volume="v.vdi", max_staleness=Duration()),
        GetVolumeRequest(pool="p", volume="v.vdi"),
    ):
        assert (await agent.ask(fresh)).volume.content_id == known.content_id
    # Another one of that name is not it.
    (folder(host, "p") / "v.vdi").unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "vdi", folder(host, "p") / "v.vdi", "9M"], check=True, timeout=60)
    await agent.done(RefreshPoolRequest(pool="p"))
    other = (await agent.ask(GetVolumeRequest(pool="p", volume="v.vdi", max_staleness=Duration()))).volume
    assert other.content_id != known.content_id
