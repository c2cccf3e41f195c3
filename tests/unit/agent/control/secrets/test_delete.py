"""DeleteSecret: refused while something of the host refers to the secret, or while that cannot be told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.secrets.delete import DeleteSecret
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation
from poolfleet_agent.model.secret import SecretDefinition, SecretReading, SecretRef, SecretUse, SecretValue
from tests.unit.agent.fake_host import FakeHost, operations, pool_facts, use_case_host

REF = SecretRef(usage_type="volume", usage_id="k")


@pytest.fixture(autouse=True)
async def uuid(fake: FakeHost) -> str:
    asked = SecretDefinition(usage_type="volume", usage_id="k")
    return str((await fake.hypervisor.secrets.set(asked, SecretValue(b"x"))).uuid)


async def deleted(fake: FakeHost, *, allow_in_use: bool = False) -> Operation:
    mutation = DeleteSecret(host=use_case_host(fake), ref=REF, allow_in_use=allow_in_use)
    return await operations().submit(mutation, Caller(name="unix", rpc="DeleteSecret"))


async def refusal(fake: FakeHost) -> ModelError:
    with pytest.raises(ModelError) as refused:
        await deleted(fake)
    assert fake.hypervisor.secrets.kept
    assert (await deleted(fake, allow_in_use=True)).changed
    return refused.value


async def test_what_nobody_refers_to_is_deleted(fake: FakeHost) -> None:
    others = (SecretRef(usage_type="ceph", usage_id="k"), SecretRef(uuid="other"))
    fake.hypervisor.secret_uses = SecretReading(uses=tuple(SecretUse("domain web", ref) for ref in others))
    assert (await deleted(fake)).changed
    assert not fake.hypervisor.secrets.kept


async def test_everybody_who_refers_to_it_is_named(fake: FakeHost, uuid: str) -> None:
    xml = "<pool><source><auth type='ceph'><secret uuid='{}'/></auth></source></pool>"
    fake.hypervisor.add(replace(pool_facts("q"), inactive_xml=xml.format(uuid)), "v")
    volume = fake.hypervisor.volumes["q"]["v"]
    fake.hypervisor.volumes["q"]["v"] = replace(volume, encryption="luks", secret=SecretRef(uuid=uuid))
    await fake.looker.all_pools()
    fake.hypervisor.secret_uses = SecretReading(uses=(SecretUse("domain web", REF),) * 2)
    refused = await refusal(fake)
    assert refused.reason is Reason.SECRET_IN_USE
    assert refused.metadata["users"] == "domain web, pool q, volume q/v"


async def test_where_domains_cannot_be_read_it_cannot_be_told(fake: FakeHost) -> None:
    fake.hypervisor.secret_uses = SecretReading(uses=(), missing=("qemu:///system: away",))
    assert (await refusal(fake)).reason is Reason.LIBVIRT_UNAVAILABLE


async def test_where_a_pool_was_never_read_it_cannot_be_told(fake: FakeHost) -> None:
    fake.hypervisor.add(pool_facts("q"))
    fake.hypervisor.failing["read_pool q"] = ModelError(Reason.LIBVIRT_UNAVAILABLE, "hangs")
    await fake.looker.all_pools()
    refused = await refusal(fake)
    assert refused.reason is Reason.LIBVIRT_UNAVAILABLE
    assert "pool q" in refused.message
