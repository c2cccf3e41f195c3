"""What an administrator mounts by fstab."""

from __future__ import annotations

from pathlib import Path

from poolfleet_agent.mounts.fstab import in_fstab

TEXT = """\
# /mnt/old  is not mounted any more
nfs1:/srv/vm  /mnt/vm/  nfs  defaults 0 0
nfs1:/srv/b\tmnt
  /dev/sdb1 /mnt/with\\040space ext4 noauto
tmpfs
"""


def test_targets_are_found_however_they_are_written(tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(TEXT)
    assert in_fstab("/mnt/vm", fstab)
    assert in_fstab("/mnt//vm/", fstab)
    assert in_fstab("/mnt/with space", fstab)
    assert not in_fstab("/mnt/old", fstab)
    assert not in_fstab("/mnt", fstab)


def test_without_a_file_nothing_is(tmp_path: Path) -> None:
    assert not in_fstab("/mnt/vm", tmp_path / "fstab")
