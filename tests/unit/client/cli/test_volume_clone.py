"""`volume clone`: what it asks of the agent, and what it refuses to ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.living_agent import GIB, LivingAgent


async def test_a_volume_is_cloned_within_its_pool_or_into_another(
    agent: LivingAgent, poolfleet: Terminal, tmp_path: Path
) -> None:
    for pool in ("p", "q"):
        agent.has_pool(pool)
    agent.has_volume("p", "base.raw", format="raw", capacity_bytes=GIB)
    assert (await poolfleet("volume", "clone", "p/base.raw", "a.raw")).out == "volume p/base.raw cloned\n"
    words = ("--format", "qcow2", "--capacity", "20G", "--mode", "0640", "--allow-in-use")
    assert (await poolfleet("volume", "clone", "/srv/p/base.raw", "q/b.qcow2", *words)).code == 0
    assert (await poolfleet("volume", "clone", "p/base.raw", "q/b.qcow2", "--linked")).lines == [
        "volume p/base.raw already there"
    ]
    document = tmp_path / "c.xml"
    document.write_text("<volume><name>c</name></volume>")
    assert (await poolfleet("vol-create-from", "q", str(document), "base.raw", "--inputpool", "p")).code == 0
    first, second, third, by_document = agent.sent("CloneVolume")
    assert (first.pool, first.volume, first.target_pool, first.spec.name) == ("p", "base.raw", "", "a.raw")
    assert (second.pool, second.volume, second.target_pool, second.allow_in_use) == ("p", "base.raw", "q", True)
    assert (second.spec.format, second.spec.capacity_bytes, second.spec.permissions.mode) == ("qcow2", 20 * GIB, 0o640)
    assert third.spec.linked
    assert (by_document.target_pool, by_document.xml) == ("q", document.read_text())


@pytest.mark.parametrize(
    "words",
    [("p/v", "kvm1:q/w"), ("p/v", "/srv/w"), ("p/v", "q/w/x"), ("p/v", "q", "--file", "x.xml", "--linked"), ("p/v",)],
)
async def test_a_clone_that_makes_no_sense_is_asked_of_no_agent(
    agent: LivingAgent, poolfleet: Terminal, words: tuple[str, ...]
) -> None:
    assert (await poolfleet("volume", "clone", *words)).code == 2
    assert agent.called == []


async def test_what_the_clone_of_an_encrypted_volume_is_said_to_be(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "base.raw", encryption="luks")
    words = ("--source-secret", "/srv/p/base.raw", "--secret", "0fbb7aaf-1aa6-4ea3-8b8f-8ef1d3c6d8a1")
    assert (await poolfleet("volume", "clone", "p/base.raw", "a", *words)).code == 0
    assert (await poolfleet("volume", "clone", "p/base.raw", "b", "--decrypted")).code == 0
    first, second = agent.sent("CloneVolume")
    assert (first.source_secret.usage_type, first.source_secret.usage_id) == ("volume", "/srv/p/base.raw")
    assert (first.spec.encryption.format, first.spec.encryption.secret.uuid) == ("luks", words[3])
    assert not first.spec.decrypted
    assert (second.spec.decrypted, second.HasField("source_secret"), second.spec.HasField("encryption")) == (
        True,
        False,
        False,
    )


async def test_the_sources_document_is_printed_under_the_new_name(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "base.raw")
    printed = await poolfleet("vol-clone", "base.raw", "a & b", "--pool", "p", "--print-xml")
    assert printed.out == "<volume><name>a &amp; b</name></volume>\n"
    assert "CloneVolume" not in agent.called
    refused = await poolfleet("volume", "clone", "p/base.raw", "a", "--linked", "--print-xml")
    assert (refused.code, "--print-xml" in refused.err) == (2, True)
