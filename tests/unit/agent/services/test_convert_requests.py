"""What a request asks for, as the model has it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from poolfleet.v1 import pool_pb2, volume_pb2
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.services.convert import pools, volumes


def pool(**more: Any) -> pool_pb2.PoolSpec:
    return pool_pb2.PoolSpec(name="p", dir=pool_pb2.DirSource(), target=pool_pb2.PoolTarget(path="/srv/p"), **more)


def test_a_uuid_in_any_spelling_is_the_one_that_libvirt_keeps() -> None:
    value = uuid.uuid4()
    for spelling in (str(value).upper(), value.hex):
        assert pools.definition_from(pool(uuid=spelling)).uuid == str(value)
    assert pools.definition_from(pool()).uuid is None
    with pytest.raises(ModelError) as refused:
        pools.definition_from(pool(uuid="x"))
    assert refused.value.reason is Reason.INVALID_FIELD


def test_a_volume_on_a_backing_store_has_its_size_unless_another_is_asked_for() -> None:
    backing = volume_pb2.BackingStore(path="/srv/base", format="qcow2")
    spec = volume_pb2.VolumeSpec(name="v", format="qcow2", backing_store=backing)
    assert volumes.definition_from(spec).capacity_bytes is None
    spec.capacity_bytes = 5
    assert volumes.definition_from(spec).capacity_bytes == 5
    assert volumes.definition_from(volume_pb2.VolumeSpec(name="v")).capacity_bytes == 0
