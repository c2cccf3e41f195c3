"""Which new volumes there can be, and of which formats, by the type of their pool."""

from __future__ import annotations

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.volume_formats import FILE_FORMATS, PARTITION_TYPES, check_makes_volumes, format_in_pool


@pytest.mark.parametrize(
    ("pool_type", "stated", "fitting"),
    [
        ("dir", None, "raw"),
        ("netfs", "qcow2", "qcow2"),
        *(("fs", volume_format, volume_format) for volume_format in FILE_FORMATS),
        ("disk", None, None),
        ("disk", "", None),
        *(("disk", partition, partition) for partition in PARTITION_TYPES),
        ("logical", None, None),
        ("logical", "raw", None),
        ("iscsi", "raw", None),
        ("rbd", None, None),
        ("rbd", "raw", "raw"),
        ("a type of tomorrow", "foo", "foo"),
    ],
)
def test_a_format_fits_the_pool(pool_type: str, stated: str | None, fitting: str | None) -> None:
    assert format_in_pool(pool_type, stated) == fitting


@pytest.mark.parametrize(
    ("pool_type", "stated"),
    [("dir", "iso"), ("dir", "cow"), ("dir", "linux"), ("disk", "raw"), ("disk", "qcow2"), ("logical", "qcow2")],
)
def test_a_format_that_cannot_be_made_there_is_refused(pool_type: str, stated: str) -> None:
    with pytest.raises(ModelError) as refused:
        format_in_pool(pool_type, stated)
    assert refused.value.reason is Reason.NOT_SUPPORTED_HERE
    assert repr(stated) in refused.value.message


@pytest.mark.parametrize("pool_type", ["iscsi", "iscsi-direct", "scsi", "mpath", "gluster"])
def test_where_volumes_are_given_none_is_made(pool_type: str) -> None:
    with pytest.raises(ModelError, match="given by the pool's source") as refused:
        check_makes_volumes(pool_type)
    assert refused.value.reason is Reason.NOT_SUPPORTED_HERE


@pytest.mark.parametrize("pool_type", ["dir", "fs", "netfs", "logical", "disk", "rbd", "zfs", "a type of tomorrow"])
def test_elsewhere_they_are(pool_type: str) -> None:
    check_makes_volumes(pool_type)
