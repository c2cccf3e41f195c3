"""New volumes by options: asked for typed, the same as the XML that --print-xml shows."""

from __future__ import annotations

import shlex

import pytest

from poolfleet.agent.convert.outgoing import volume_spec
from poolfleet.types.volume import BackingStore, Permissions, VolumeSpec
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.services.convert.volumes import definition_from
from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.living_agent import LivingAgent

MIB = 1 << 20

ASKED = [
    ("--allocation 1M", VolumeSpec("v", capacity_bytes=2 * MIB, allocation_bytes=MIB)),
    ("--nocow", VolumeSpec("v", capacity_bytes=2 * MIB, nocow=True)),
    ("--format qcow2 --compat 1.1", VolumeSpec("v", capacity_bytes=2 * MIB, format="qcow2", compat="1.1")),
    (
        "--format qcow2 --feature lazy_refcounts --feature extended_l2 --cluster-size 128K",
        VolumeSpec(
            "v",
            capacity_bytes=2 * MIB,
            format="qcow2",
            features=("lazy_refcounts", "extended_l2"),
            cluster_size_bytes=131072,
        ),
    ),
    (
        "--format qcow2 --backing /p/base --backing-format raw --mode 0640 --owner 7",
        VolumeSpec(
            "v",
            capacity_bytes=2 * MIB,
            format="qcow2",
            backing_store=BackingStore(path="/p/base", format="raw"),
            permissions=Permissions(mode=0o640, owner=7),
        ),
    ),
]


@pytest.mark.parametrize(("options", "spec"), ASKED, ids=[options for options, _ in ASKED])
async def test_options_make_the_typed_form_that_is_the_same_as_the_xml(
    agent: LivingAgent, poolfleet: Terminal, options: str, spec: VolumeSpec
) -> None:
    agent.has_pool("p")
    words = ("volume", "create", "p/v", "2M", *shlex.split(options))
    ran = await poolfleet(*words)
    assert ran.code == 0, ran.err
    sent = agent.sent("CreateVolume")[-1].spec
    assert sent == volume_spec(spec)
    xml = (await poolfleet(*words, "--print-xml")).out
    assert LibvirtDocuments().parse_volume(xml) == definition_from(sent)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ("", ""),
        ("--preallocation full", "full"),
        ("--prealloc-metadata", "metadata"),
        ("--preallocation metadata --prealloc-metadata", "metadata"),
    ],
)
async def test_preallocation_goes_beside_the_description(
    agent: LivingAgent, poolfleet: Terminal, options: str, kind: str
) -> None:
    agent.has_pool("p")
    ran = await poolfleet("volume", "create", "p/v", "2M", *shlex.split(options))
    assert ran.code == 0, ran.err
    assert agent.sent("CreateVolume")[-1].preallocation == kind


async def test_two_preallocations_are_one_too_many(poolfleet: Terminal) -> None:
    ran = await poolfleet("volume", "create", "p/v", "2M", "--preallocation", "full", "--prealloc-metadata")
    assert ran.code == 2
    assert "say two things" in ran.err


@pytest.mark.parametrize("option", ["--compat 1.1", "--feature extended_l2", "--cluster-size 64K", "--nocow"])
async def test_a_file_holds_the_whole_description(poolfleet: Terminal, option: str) -> None:
    ran = await poolfleet("volume", "create", "p/v", "--file", "v.xml", *shlex.split(option))
    assert ran.code == 2
    assert "leave the other options out" in ran.err
