"""Volumes that come in: converted when they are read, and no other for that."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict, fields, replace
from datetime import UTC, datetime
from threading import Barrier

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
    cluster_size_bytes=65536, encryption="luks", content_id="luks:u", etag="e", xml="<volume/>",
)  # fmt: skip


def message() -> VolumeMessage:
    made = VolumeMessage(
        pool="p", name="v", key="k", path="/p/v", type="file", format="qcow2", capacity_bytes=3, allocation_bytes=2,
        physical_bytes=1, backing_store=BackingStoreMessage(path="/p/b", format="raw"), compat="1.1",
        features=["extended_l2"], cluster_size_bytes=65536, encryption="luks", content_id="luks:u", etag="e",
        xml="<volume/>", permissions=PermissionsMessage(mode=0o600, owner=0, group=107, label="l"),
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
    with pytest.raises(FrozenInstanceError):
        made.name = "other"  # type: ignore[misc]
    assert all(hasattr(made, field.name) for field in fields(Volume))
    with pytest.raises(FrozenInstanceError):
        made.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", [field.name for field in fields(Volume)])
def test_whichever_field_is_read_first_is_right_and_so_are_the_others_then(name: str) -> None:
    made = volume(message())
    assert getattr(made, name) == getattr(WHOLE, name)
    assert made == WHOLE


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(hash, id="hash"),
        pytest.param(repr, id="repr"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(replace, id="replace"),
        pytest.param(asdict, id="asdict"),
        pytest.param(lambda made: pickle.loads(pickle.dumps(made)), id="pickle"),  # noqa: S301 - just written
        pytest.param(lambda made: made in {WHOLE}, id="in a set"),
        pytest.param(lambda made: made == WHOLE, id="equal, left"),
        pytest.param(lambda made: made == volume(message()), id="equal, both unread"),
        pytest.param(lambda made: WHOLE == made, id="equal, right"),
    ],
)
def test_one_that_nobody_has_read_yet_is_as_good_as_any(use: Callable[[Volume], object]) -> None:
    assert use(volume(message())) == use(WHOLE)


@pytest.mark.parametrize("made", [volume(message()), WHOLE], ids=["unread", "made by its class"])
def test_what_is_no_field_is_an_attribute_error(made: Volume) -> None:
    for _ in range(2):
        with pytest.raises(AttributeError, match="'Volume' object has no attribute 'size'"):
            made.size  # type: ignore[attr-defined]  # noqa: B018
        assert made == WHOLE


def test_what_is_read_lets_go_of_its_message() -> None:
    made = volume(message())
    assert made._unfilled is not None
    assert made.etag == "e"
    assert made._unfilled is None


@pytest.fixture
def threads_take_turns_often() -> Iterator[None]:
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("threads_take_turns_often")
def test_threads_that_read_the_same_volumes_at_once_find_the_same() -> None:
    threads = 4
    made = [volume(message()) for _ in range(2000)]
    begin = Barrier(threads)

    def read(_: int) -> bool:
        begin.wait(timeout=60)
        return all(one == WHOLE for one in made)

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(read, range(threads)))


@pytest.mark.parametrize("size", ["capacity_bytes", "allocation_bytes", "physical_bytes", "cluster_size_bytes"])
def test_a_size_of_nothing_is_not_an_unknown_one(size: str) -> None:
    stated = VolumeMessage()
    setattr(stated, size, 0)
    assert getattr(volume(stated), size) == 0
    assert getattr(volume(VolumeMessage()), size) is None
