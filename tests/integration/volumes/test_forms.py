"""Every form of a volume that libvirt documents, as XML and typed: the same volume, as virsh shows it; what nobody
makes is told before libvirt is asked, or in its own words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import poolfleet
from poolfleet import SecretSpec, Volume, VolumeSpec
from poolfleet.agent.convert.outgoing import volume_spec
from poolfleet.types.volume import Permissions
from poolfleet_agent.hypervisor.documents import LibvirtDocuments
from poolfleet_agent.services.convert.volumes import definition_from
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.slow_qemu_img import SlowQemuImg
from tests.virsh import virsh
from tests.volume_documents import DOCUMENTS, MIB, PASSPHRASE_OF, SECRET, UNSUPPORTED, Document

# Only root can give files away.
OWNER, GROUP = (1234, 107) if os.geteuid() == 0 else (os.getuid(), os.getgid())
LIMIT_S = 300.0
"""How long a creation may take: to encrypt one, qemu-img measures how fast it hashes, and may have to do so often."""
ENCRYPTED = {name for name, document in DOCUMENTS.items() if "encryption" in document.stated}


@pytest.fixture(scope="module")
def module_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    """As in other modules, but what is encrypted is so quickly."""
    new = EmbeddedHost("forms", short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    SlowQemuImg(new)
    with new:
        yield new


@pytest.fixture(scope="module", autouse=True)
def _secret(agent: poolfleet.AgentClient) -> Iterator[None]:
    agent.secrets.set(SecretSpec("volume", PASSPHRASE_OF), "correct horse")
    yield
    agent.secrets.delete(SECRET, allow_in_use=True)


@pytest.fixture
def base(agent: poolfleet.AgentClient, folder: Path) -> str:
    """What volumes lie on."""
    for form in ("raw", "qcow2"):
        agent.volumes.create("vms", VolumeSpec(f"base.{form}", capacity_bytes=4 * MIB, format=form))
    return str(folder / "base")


def stated(document: Document, base: str) -> dict[str, Any]:
    """The fields that mean what a document says, on this host."""
    fields = dict(document.stated)
    if (backing := fields.get("backing_store")) is not None:
        fields["backing_store"] = replace(backing, path=backing.path.format(base=base))
    if (given := fields.get("permissions")) is not None:
        fields["permissions"] = Permissions(mode=given.mode, owner=OWNER, group=GROUP)
    return fields


def made(agent: poolfleet.AgentClient, name: str, spec: VolumeSpec) -> Volume:
    """The volume of a spec, as libvirt sees its file once it has looked at it anew."""
    assert agent.volumes.create("vms", spec, timeout_s=LIMIT_S).changed
    agent.pools.refresh("vms")
    return agent.volumes.get("vms", name, full=True, max_staleness_s=0)


def differing(one: Volume, other: Volume) -> dict[str, Any]:
    """What two volumes of one form differ in, beside name, times and identity."""
    own = {"name", "key", "path", "etag", "content_id", "xml", "modified_at", "as_of", "age_s"}
    names = [name for name in Volume.__dataclass_fields__ if name not in own]
    return {name: values for name in names if len(set(values := (getattr(one, name), getattr(other, name)))) > 1}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_both_forms_are_one_volume_and_that_is_what_virsh_shows(
    agent: poolfleet.AgentClient, module_host: EmbeddedHost, base: str, name: str
) -> None:
    document = DOCUMENTS[name]
    by_xml_spec = VolumeSpec.from_xml(document.xml("by-xml", base, OWNER, GROUP))
    by_type_spec = VolumeSpec("by-type", **stated(document, base))
    by_xml = made(agent, "by-xml", by_xml_spec)
    assert by_xml.xml.strip() == virsh(module_host, "vol-dumpxml", "--pool", "vms", "by-xml")
    expected = {**stated(document, base), **document.shown}
    for field in ("capacity_bytes", "format", "backing_store", "compat", "features", "cluster_size_bytes"):
        if expected.get(field):
            assert getattr(by_xml, field) == expected[field], field
    if expected.get("permissions"):
        assert by_xml.permissions is not None
        assert replace(by_xml.permissions, label="") == expected["permissions"]
    assert by_xml.encryption == ("luks" if name in ENCRYPTED else "")
    # The one form finds what the other has made.
    assert not agent.volumes.create("vms", replace(by_type_spec, name="by-xml")).changed
    assert not agent.volumes.create("vms", by_xml_spec).changed
    if name not in ENCRYPTED and not document.untyped:  # those take their time
        by_type = made(agent, "by-type", by_type_spec)
        assert by_type.xml.strip() == virsh(module_host, "vol-dumpxml", "--pool", "vms", "by-type")
        assert differing(by_xml, by_type) == {}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_written_of_the_typed_form_says_what_the_document_does(name: str) -> None:
    document, documents, base = DOCUMENTS[name], LibvirtDocuments(), "/vms/base"
    typed = definition_from(volume_spec(VolumeSpec("v", **stated(document, base))))
    assert documents.parse_volume(documents.render_volume(typed)) == typed
    if not document.untyped:
        assert documents.parse_volume(document.xml("v", base, OWNER, GROUP)) == typed


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_nobody_makes_is_not_supported_and_nothing_is_left_of_it(
    agent: poolfleet.AgentClient, folder: Path, name: str
) -> None:
    spec = VolumeSpec.from_xml(f"<volume><name>v</name>{UNSUPPORTED[name]}</volume>")
    with pytest.raises(poolfleet.Unsupported) as refused:
        agent.volumes.create("vms", spec)
    assert refused.value.reason == "NOT_SUPPORTED_HERE"
    assert list(folder.iterdir()) == []
