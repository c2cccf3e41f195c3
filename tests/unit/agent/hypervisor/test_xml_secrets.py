"""Secret documents, and the references to secrets in others."""

from __future__ import annotations

import pytest

from poolfleet_agent.hypervisor.xml.secrets import domain_secrets, parse_secret, pool_secrets, render_secret
from poolfleet_agent.hypervisor.xml.volumes import parse_facts, parse_volume, render_volume
from poolfleet_agent.model.secret import USAGE_TYPES, SecretDefinition, SecretRef, SecretUse
from poolfleet_agent.model.volume import VolumeDefinition, VolumeEncryption

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("usage_type", USAGE_TYPES)
def test_what_is_written_is_read_again(usage_type: str) -> None:
    asked = SecretDefinition(
        usage_type=usage_type, usage_id="<a> & 'b'", uuid=UUID, description="d", private=True, ephemeral=False
    )
    read = parse_secret(render_secret(asked))
    assert (read.uuid, read.usage_type, read.usage_id, read.description) == (UUID, usage_type, "<a> & 'b'", "d")
    assert (read.private, read.ephemeral) == (True, False)


def test_a_secret_without_usage_is_of_none() -> None:
    read = parse_secret(f"<secret ephemeral='yes' private='no'><uuid>{UUID}</uuid></secret>")
    assert (read.usage_type, read.usage_id, read.ephemeral) == ("none", "", True)


@pytest.mark.parametrize(
    ("authentication", "ref"),
    [
        (f"<auth type='ceph' username='u'><secret uuid='{UUID}'/></auth>", SecretRef(uuid=UUID)),
        ("<auth type='ceph' username='u'><secret usage='a'/></auth>", SecretRef(usage_type="ceph", usage_id="a")),
        ("<auth type='chap' username='u'><secret usage='a'/></auth>", SecretRef(usage_type="iscsi", usage_id="a")),
    ],
)
def test_a_pool_refers_to_the_secret_of_its_authentication(authentication: str, ref: SecretRef) -> None:
    assert pool_secrets(f"<pool type='rbd'><name>p</name><source>{authentication}</source></pool>") == (ref,)


def test_a_guest_refers_to_secrets_of_its_disks_and_of_its_tpm() -> None:
    xml = f"""<domain><devices>
      <disk><source><encryption format='luks'><secret type='passphrase' usage='/v'/></encryption></source></disk>
      <disk><source protocol='rbd'><auth username='u'><secret type='ceph' usage='c'/></auth></source></disk>
      <disk><source protocol='iscsi'><auth username='u'><secret type='iscsi' usage='i'/></auth></source></disk>
      <tpm><backend type='emulator'><encryption secret='{UUID}'/></backend></tpm>
    </devices></domain>"""
    assert set(domain_secrets(xml, "web")) == {
        SecretUse("domain web", SecretRef(usage_type="volume", usage_id="/v")),
        SecretUse("domain web", SecretRef(usage_type="ceph", usage_id="c")),
        SecretUse("domain web", SecretRef(usage_type="iscsi", usage_id="i")),
        SecretUse("domain web", SecretRef(uuid=UUID)),
    }


@pytest.mark.parametrize("ref", [SecretRef(uuid=UUID), SecretRef(usage_type="volume", usage_id="/v")])
def test_a_volumes_encryption_is_written_and_read(ref: SecretRef) -> None:
    encryption = VolumeEncryption(format="luks", secret=ref)
    document = render_volume(VolumeDefinition(name="v", encryption=encryption))
    assert parse_volume(document).encryption == encryption


def test_what_libvirt_knows_of_a_volumes_secret_is_read() -> None:
    encrypted = "<volume><name>v</name><target><encryption format='luks'>{}</encryption></target></volume>"
    known = parse_facts("p", encrypted.format(f"<secret type='passphrase' uuid='{UUID}'/>"))
    assert (known.encryption, known.secret) == ("luks", SecretRef(uuid=UUID))
    forgotten = parse_facts("p", encrypted.format(""))
    assert (forgotten.encryption, forgotten.secret) == ("luks", None)
