"""The XML that gives a volume to a guest: its real format always, and nothing that is no volume."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from tests.unit.client.cli.conftest import Hosts, Terminal
from tests.unit.client.cli.living_agent import LivingAgent


def part(xml: str, tag: str) -> dict[str, str]:
    found = ET.fromstring(xml).find(tag)  # noqa: S314  # our own output
    assert found is not None
    return found.attrib


@pytest.mark.parametrize("real", ["raw", "qcow2"])
async def test_the_driver_has_the_volumes_real_format(agent: LivingAgent, poolfleet: Terminal, real: str) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "v", format=real)
    ran = await poolfleet("volume", "disk-xml", "p/v")
    assert part(ran.out, "driver") == {"name": "qemu", "type": real, "cache": "none", "discard": "unmap"}
    assert part(ran.out, "source") == {"file": "/srv/p/v"}
    assert part(ran.out, "target") == {"dev": "vda", "bus": "virtio"}
    assert agent.sent("GetVolume")[-1].HasField("max_staleness")


async def test_it_is_by_pool_and_volume_where_that_is_asked_for(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "v")
    words = ("--as", "volume", "--target", "sdb", "--bus", "scsi", "--cache", "writeback", "--discard", "ignore")
    ran = await poolfleet("volume", "disk-xml", "p/v", *words)
    assert part(ran.out, "source") == {"pool": "p", "volume": "v"}
    assert part(ran.out, "target") == {"dev": "sdb", "bus": "scsi"}
    assert part(ran.out, "driver")["cache"] == "writeback"


async def test_what_is_no_volume_for_a_guest_is_refused(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "folder", type="dir", format="dir")
    agent.has_volume("p", "real")
    agent.has_volume("p", "unknown").format = ""
    agent.has_volume("p", "link").path = "/srv/p/real"
    for name, why in (("folder", "directory"), ("link", "symbolic link"), ("unknown", "format")):
        ran = await poolfleet("volume", "disk-xml", f"p/{name}")
        assert (ran.code, ran.out) == (5, "")
        assert why in ran.err


async def test_hosts_that_have_it_under_different_paths_are_told_apart(hosts: Hosts) -> None:
    for agent, folder in zip(hosts.agents, ("/a", "/a", "/b"), strict=True):
        agent.has_pool("p").target.path = folder
        agent.has_volume("p", "v")
    ran = await hosts.poolfleet("volume", "disk-xml", "p/v")
    assert "hosts have different paths: /a/v on kvm1, kvm2; /b/v on kvm3" in ran.err
    assert "<!-- kvm3 -->" in ran.out
    assert (await hosts.poolfleet("volume", "disk-xml", "p/v", "-H", "kvm3")).err == ""
