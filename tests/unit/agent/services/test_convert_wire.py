"""Messages that are encoded already are put into another as protobuf itself would."""

from __future__ import annotations

import pytest

from poolfleet.v1.volume_pb2 import Volume
from poolfleet.v1.volume_service_pb2 import ListVolumesResponse
from poolfleet_agent.services.convert.wire import with_repeated


@pytest.mark.parametrize("length", [0, 1, 100, 123, 124, 125, 126, 127, 128, 16_380, 20_000, 3_000_000])
def test_a_repeated_field_is_what_protobuf_makes_of_it(length: int) -> None:
    volumes = [Volume(name="x" * length), Volume(pool="p"), Volume()]
    number = ListVolumesResponse.DESCRIPTOR.fields_by_name["volumes"].number
    rest = ListVolumesResponse(next_page_token="t").SerializeToString()
    encoded = with_repeated(number, [volume.SerializeToString() for volume in volumes], rest)
    assert ListVolumesResponse.FromString(encoded) == ListVolumesResponse(volumes=volumes, next_page_token="t")
    assert with_repeated(number, [], rest) == rest
