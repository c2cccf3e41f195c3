"""Where bad input is tried, how such requests are made, and what is hostile about their documents."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from poolfleet.v1.pool_pb2 import DirSource, PoolSpec, PoolTarget
from poolfleet.v1.pool_service_pb2 import (
    DefinePoolRequest,
    PoolUpdate,
    UpdatePoolRequest,
)
from poolfleet.v1.volume_pb2 import BackingStore, CloneSpec, VolumeSpec
from poolfleet.v1.volume_service_pb2 import (
    CloneVolumeRequest,
    CreateVolumeRequest,
    ResizeVolumeRequest,
)
from scripts.embedded.host import EmbeddedHost

USED_ID = str(uuid.uuid4())
MIB = 1 << 20


@dataclass(frozen=True)
class Place:
    """A host with an active pool `images`, an inactive `idle`, and things outside that nobody may reach."""

    host: EmbeddedHost

    @property
    def pools(self) -> Path:
        return self.host.pools_dir

    @property
    def images(self) -> Path:
        return self.pools / "images"

    @property
    def outside(self) -> Path:
        return self.host.root / "outside"

    @property
    def way_out(self) -> Path:
        """A symbolic link in an allowed folder to one that is not."""
        return self.pools / "way_out"


Make = Callable[[Place], Message]


def pool_spec(place: Place, **fields: Any) -> PoolSpec:
    stated: dict[str, Any] = {
        "name": "new",
        "dir": DirSource(),
        "target": PoolTarget(path=str(place.pools / "new")),
    } | fields
    return PoolSpec(**stated)


def define(**fields: Any) -> Make:
    return lambda place: DefinePoolRequest(spec=pool_spec(place, **fields))


def define_at(path: Callable[[Place], Path | str]) -> Make:
    return lambda place: DefinePoolRequest(spec=pool_spec(place, target=PoolTarget(path=str(path(place)))))


def define_xml(xml: str, **more: Any) -> Make:
    def make(place: Place) -> Message:
        text = xml.replace("TARGET", str(place.pools / "new")).replace("OUTSIDE", str(place.outside))
        return DefinePoolRequest(xml=text, **more)

    return make


def create(**fields: Any) -> Make:
    stated: dict[str, Any] = {"name": "new.raw", "capacity_bytes": MIB, **fields}
    return lambda _: CreateVolumeRequest(pool="images", spec=VolumeSpec(**stated))


def create_xml(xml: str) -> Make:
    return lambda place: CreateVolumeRequest(pool="images", xml=xml.replace("OUTSIDE", str(place.outside)))


def clone(spec: CloneSpec | None = None, **fields: Any) -> Make:
    stated: dict[str, Any] = {"pool": "images", "volume": "a.qcow2", "spec": spec or CloneSpec(name="new"), **fields}
    return lambda _: CloneVolumeRequest(**stated)


def overlay_on(path: Callable[[Place], Path | str]) -> Make:
    def make(place: Place) -> Message:
        backing = BackingStore(path=str(path(place)), format="raw")
        spec = VolumeSpec(name="new.qcow2", format="qcow2", capacity_bytes=MIB, backing_store=backing)
        return CreateVolumeRequest(pool="images", spec=spec)

    return make


def resize(volume: str = "b.raw", **fields: Any) -> Make:
    stated = fields if fields.keys() & {"capacity_bytes", "delta_bytes"} else {"capacity_bytes": 2 * MIB, **fields}
    return lambda _: ResizeVolumeRequest(pool="images", volume=volume, **stated)


def update(mask: list[str], **values: Any) -> Make:
    return lambda _: UpdatePoolRequest(pool="images", update=PoolUpdate(**values), update_mask=FieldMask(paths=mask))


def token(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()


BOMB = (
    '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {now} "{f"&{before};" * 10}">' for before, now in zip("abcdefgh", "bcdefghi", strict=True))
    + "]>"
)
ENTITY = '<!DOCTYPE p [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
POOL_XML = "<pool type='dir'><name>{}</name><target><path>{}</path></target></pool>"
VOLUME_XML = "<volume><name>{}</name><capacity>1048576</capacity>{}</volume>"
DEEP = "<a>" * 5000 + "</a>" * 5000
LONG_NAME = "n" * 300

BAD_NEW_NAMES = {
    "empty": "",
    "300 bytes": LONG_NAME,
    "252 bytes in fewer characters": "ä" * 126,
    "dot dot": "..",
    "dot": ".",
    "an option": "-o",
    "a slash": "a/b",
    "a way up": "../up",
    "NUL": "a\0b",
    "a newline": "a\nb",
    "an escape": "a\x1b[2Jb",
    "DEL": "a\x7fb",
    "a line separator": "a\u2028b",
}
