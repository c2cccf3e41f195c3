"""Encrypted volumes: another try where qemu-img could not measure, and the agent's own program gets the passphrase."""

from __future__ import annotations

from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.encrypt import MOST_TRIES, passphrase
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.secret import SecretDefinition, SecretRef, SecretValue
from poolfleet_agent.model.volume import VolumeDefinition, VolumeEncryption, VolumeFacts
from tests.unit.agent.fake_host import MIB, FakeHost, operations, use_case_host

REF = SecretRef(usage_type="volume", usage_id="k")
ENCRYPTED = VolumeDefinition(
    name="v", format="raw", capacity_bytes=MIB, encryption=VolumeEncryption(format="luks", secret=REF)
)
COULD_NOT_MEASURE = ModelError(Reason.RESOURCE_BUSY, "Unable to get accurate CPU usage")


class Failing:
    """libvirt's createXML, which fails so many times first."""

    def __init__(self, fake: FakeHost, failures: int, error: ModelError) -> None:
        self.left, self.error, self.calls = failures, error, 0
        self.create = fake.hypervisor.create_volume
        fake.hypervisor.create_volume = self

    async def __call__(self, *words: Any, **named: Any) -> VolumeFacts:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        made: VolumeFacts = await self.create(*words, **named)
        return made


async def created(fake: FakeHost, definition: VolumeDefinition) -> Reason | None:
    """Why it was not created; None: it was."""
    mutation = CreateVolume(host=use_case_host(fake), promises=Promises(), pool="p", definition=definition)
    running = operations()
    operation = await running.submit(mutation, Caller(name="unix", rpc="CreateVolume"))
    operation = await running.journal.wait(operation.id, 20)
    return operation.failure.reason if operation.failure else None


@pytest.fixture(autouse=True)
async def _secret(fake: FakeHost) -> None:
    asked = SecretDefinition(usage_type="volume", usage_id="k")
    await fake.hypervisor.secrets.set(asked, SecretValue(b"hunter2"))


async def test_what_could_not_be_measured_is_tried_again_until_it_could(fake: FakeHost) -> None:
    failing = Failing(fake, 3, COULD_NOT_MEASURE)
    assert await created(fake, ENCRYPTED) is None
    assert failing.calls == 4


async def test_it_is_not_tried_for_ever(fake: FakeHost) -> None:
    failing = Failing(fake, 1000, COULD_NOT_MEASURE)
    assert await created(fake, ENCRYPTED) is Reason.RESOURCE_BUSY
    assert failing.calls == MOST_TRIES


async def test_other_failures_and_other_volumes_are_not_tried_again(fake: FakeHost) -> None:
    full = Failing(fake, 1, ModelError(Reason.FULL, "full"))
    assert await created(fake, ENCRYPTED) is Reason.FULL
    plain = Failing(fake, 1, COULD_NOT_MEASURE)
    assert await created(fake, VolumeDefinition(name="w", format="raw", capacity_bytes=MIB)) is Reason.RESOURCE_BUSY
    assert (full.calls, plain.calls) == (1, 1)


async def test_the_passphrase_is_that_secrets_value(fake: FakeHost) -> None:
    assert await passphrase(use_case_host(fake), ENCRYPTED) == SecretValue(b"hunter2")
    assert await passphrase(use_case_host(fake), VolumeDefinition(name="v")) is None


async def test_a_secret_that_is_not_there_is_refused_before_there_is_an_operation(fake: FakeHost) -> None:
    fake.hypervisor.secrets.kept.clear()
    with pytest.raises(ModelError) as missing:
        await created(fake, ENCRYPTED)
    assert missing.value.reason is Reason.SECRET_NOT_FOUND
