"""A copy of an image on another storage is found by the id in its header, whatever it is called there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from poolfleet import Fleet
from tests.image_corpus import create
from tests.integration.acting.conftest import POOLS, STORAGE, Hosts


@pytest.fixture
def copied(fleet: Fleet, hosts: Hosts) -> Path:
    """The folder of another storage, which has a copy of an image, one converted from it, and one of another's name."""
    local = hosts["three"].pools_dir / "local"
    for name in ("web.vdi", "other.vdi"):
        create(hosts.shared, "vdi", name)
    shutil.copyfile(hosts.shared / "web.vdi", local / "left-over.vdi")
    convert = ["qemu-img", "convert", "-f", "vdi", "-O", "vdi", str(hosts.shared / "web.vdi"), str(local / "new.vdi")]
    subprocess.run(convert, check=True, timeout=60)
    create(local, "vdi", "other.vdi")
    for host, pool in {**POOLS, "three": "local"}.items():
        fleet.client(host).pools.refresh(pool)
    return local


def test_copies_are_told_by_what_they_have_in_common(fleet: Fleet, copied: Path) -> None:
    by_name, by_content = fleet.inventory().duplicates
    assert (by_name.name, by_name.content_id, [volume.name for volume in by_name.volumes]) == (
        "other.vdi",
        "",
        ["other.vdi", "other.vdi"],
    )
    assert by_content.name == ""
    assert by_content.content_id.startswith("vdi:")
    storages = {volume.name: volume.storage_id for volume in by_content.volumes}
    assert storages.keys() == {"left-over.vdi", "web.vdi"}
    assert storages["web.vdi"] == STORAGE != storages["left-over.vdi"]
