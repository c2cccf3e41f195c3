"""Lists of volumes at their edges: too many for libvirt, gone meanwhile, names that are not UTF-8."""

from __future__ import annotations

import errno
from typing import Any, cast

import libvirt
import pytest

from poolfleet_agent.hypervisor import volumes
from poolfleet_agent.model.errors import ModelError, Reason


class Pool:
    """Stands for a connection and its only pool of `count` volumes."""

    def __init__(self, count: int) -> None:
        self._count = count

    def storagePoolLookupByName(self, _name: str) -> Pool:  # noqa: N802  libvirt's name
        return self

    def numOfVolumes(self) -> int:  # noqa: N802
        return self._count

    def listAllVolumes(self, _flags: int) -> list[object]:  # noqa: N802
        return [object()] * self._count


class Volume:
    """Stands for a volume whose description is a document, or an error."""

    def __init__(self, answer: str | Exception, name: str = "v") -> None:
        self._answer = answer
        self._name = name

    def name(self) -> str:
        return self._name

    def XMLDesc(self, _flags: int) -> str:  # noqa: N802
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def failed(code: int, words: str = "failed", *, int1: int = -1) -> libvirt.libvirtError:
    error = libvirt.libvirtError(words)
    error.err = (code, libvirt.VIR_FROM_STORAGE, words, libvirt.VIR_ERR_ERROR, "%s", words, None, int1, -1)
    return error


FILE_GONE = failed(
    libvirt.VIR_ERR_SYSTEM_ERROR, "cannot stat file '/p/v': No such file or directory", int1=errno.ENOENT
)


def test_as_many_volumes_as_libvirt_lists() -> None:
    assert len(volumes.listed(cast(Any, Pool(16_384)), "p")) == 16_384


def test_more_volumes_than_libvirt_lists_are_refused_before_it_is_asked() -> None:
    with pytest.raises(ModelError) as refused:
        volumes.listed(cast(Any, Pool(16_385)), "p")
    assert refused.value.reason is Reason.NOT_SUPPORTED_HERE
    assert refused.value.metadata["pool"] == "p"


def test_what_is_gone_is_left_out_and_what_has_no_utf8_name_is_counted() -> None:
    found = [
        Volume("<volume><name>a</name><key>/p/a</key></volume>"),
        Volume(failed(libvirt.VIR_ERR_NO_STORAGE_VOL)),
        Volume(FILE_GONE),
        Volume(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")),
    ]
    facts, unaddressable = volumes.read_some("p", cast(Any, found))
    assert ([volume.name for volume in facts], unaddressable) == (["a"], 1)


def test_the_agents_own_files_are_not_read() -> None:
    reserved = Volume(failed(libvirt.VIR_ERR_INTERNAL_ERROR), ".poolfleet-reserve.v")
    assert volumes.read_some("p", cast(Any, [reserved])) == ([], 0)


def test_any_other_failure_fails_the_list() -> None:
    with pytest.raises(libvirt.libvirtError):
        volumes.read_some("p", cast(Any, [Volume(failed(libvirt.VIR_ERR_SYSTEM_ERROR))]))
