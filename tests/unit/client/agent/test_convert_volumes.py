"""Volumes that come in: filled faster than their class would, and no other for that."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime

import pytest

from poolfleet.agent.convert.volumes import volume
from poolfleet.types import BackingStore, Permissions, Volume
from poolfleet.v1.snapshot_pb2 import Permissions as PermissionsMessage
from poolfleet.v1.volume_pb2 import BackingStore as BackingStoreMessage
from poolfleet.v1.volume_pb2 import Volume as VolumeMessage

WHOLE = Volume(
    pool="p", name="v", key="k", path="/p/v", type="file", format="qcow2", capacity_bytes=3, allocation_bytes=2,
    physical_bytes=1, backing_store=BackingStore(path="/p/b", format="raw"), compat="1.1", features=("extended_l2",),
    permissions=Permissions(mode=0o600, owner=0, group=107, label="l"), modified_at=datetime.fromtimestamp(7, UTC),
    cluster_size_bytes=65536, encryption="luks", etag="e", xml="<volume/>",
)  # fmt: skip


def message() -> VolumeMessage:
    made = VolumeMessage(
        pool="p", name="v", key="k", path="/p/v", type="file", format="qcow2", capacity_bytes=3, allocation_bytes=2,
        physical_bytes=1, backing_store=BackingStoreMessage(path="/p/b", format="raw"), compat="1.1",
        features=["extended_l2"], cluster_size_bytes=65536, encryption="luks", etag="e", xml="<volume/>",
        permissions=PermissionsMessage(mode=0o600, owner=0, group=107, label="l"),
    )  # fmt: skip
    made.modified_at.seconds = 7
    return made


def test_it_is_the_volume_that_its_class_would_make() -> None:
    now = datetime.now(UTC)
    assert volume(message()) == WHOLE
    assert volume(message(), as_of=now, age_s=1.5) == replace(WHOLE, as_of=now, age_s=1.5)
    assert volume(VolumeMessage()) == Volume(pool="", name="", key="", path="", type="")


def test_every_field_is_filled_and_none_can_be_changed() -> None:
    made = volume(VolumeMessage())
    assert type(made) is Volume
    assert all(hasattr(made, field.name) for field in fields(Volume))
    with pytest.raises(FrozenInstanceError):
        made.name = "other"  # type: ignore[misc]
    assert hash(made) == hash(replace(made))
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 - what we have just written


@pytest.mark.parametrize("size", ["capacity_bytes", "allocation_bytes", "physical_bytes", "cluster_size_bytes"])
def test_a_size_of_nothing_is_not_an_unknown_one(size: str) -> None:
    stated = VolumeMessage()
    setattr(stated, size, 0)
    assert getattr(volume(stated), size) == 0
    assert getattr(volume(VolumeMessage()), size) is None
