"""Partitions are removed from the kernel and from the table, or from neither: on a loop device, which needs root."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.parted import Parted
from tests.loop_device import LIMIT_S, loop_device, told_by

if os.geteuid() == 0:

    @pytest.fixture
    def disk(tmp_path: Path) -> Iterator[str]:
        """A disk with the partitions 1 and 2."""
        with loop_device(tmp_path / "image") as disk:
            parted = ("parted", "--script", "--", disk)
            told_by(*parted, "mklabel", "gpt", "mkpart", "a", "1MiB", "9MiB", "mkpart", "b", "9MiB", "17MiB")
            yield disk
            # Who gets this device next would find it as it was left.
            told_by("blockdev", "--setrw", disk)

    def in_kernel(disk: str) -> set[str]:
        (found,) = json.loads(told_by("lsblk", "--json", "--output", "NAME", disk))["blockdevices"]
        return {child["name"].removeprefix(f"{Path(disk).name}p") for child in found.get("children", [])}

    def in_table(disk: str) -> set[str]:
        lines = told_by("parted", "--script", "--machine", "--", disk, "print").splitlines()
        return {line.partition(":")[0] for line in lines[2:]}

    async def test_one_that_the_kernel_has_lost_already_is_removed_from_the_table(
        children: Children, disk: str
    ) -> None:
        told_by("delpart", disk, "1")
        await Parted(children).remove(disk, 1, timeout_s=LIMIT_S)
        assert in_table(disk) == in_kernel(disk) == {"2"}

    async def test_one_whose_table_cannot_be_written_stays_in_the_kernel_too(children: Children, disk: str) -> None:
        told_by("blockdev", "--setro", disk)
        with pytest.raises(ModelError) as failed:
            await Parted(children).remove(disk, 1, timeout_s=LIMIT_S)
        assert failed.value.reason is Reason.PATH_NOT_USABLE
        assert in_table(disk) == in_kernel(disk) == {"1", "2"}
