"""The kernel's list of mounts, read line by line as proc(5) describes it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.model.mount_table import MountEntry
from poolfleet_agent.mounts.mountinfo import parse_mountinfo, read_mount_table


def test_a_line_with_all_that_it_may_have() -> None:
    line = (
        b"36 35 0:52 /sub /mnt/vm\\040data rw,nosuid,nodev master:1 propagate_from:2 - nfs4"
        b" [fd00::1]:/srv/vm\\134data rw,vers=4.2,addr=fd00::1,retrans=2\n"
    )
    assert parse_mountinfo(line).entries == (
        MountEntry(
            mount_id=36,
            parent_id=35,
            device="0:52",
            root="/sub",
            target="/mnt/vm data",
            fs_type="nfs4",
            source="[fd00::1]:/srv/vm\\data",
            options=("rw", "nosuid", "nodev"),
            super_options=("rw", "vers=4.2", "addr=fd00::1", "retrans=2"),
        ),
    )


def test_a_source_may_be_empty_or_a_dash_and_tags_may_be_missing() -> None:
    first, second = parse_mountinfo(b"1 0 0:1 / / rw - tmpfs  rw\n2 1 0:2 / /- rw - tmpfs - rw\n").entries
    assert (first.source, second.source, second.target) == ("", "-", "/-")


def test_options_are_found_by_name_the_superblocks_first() -> None:
    (entry,) = parse_mountinfo(b"1 0 0:1 / /x rw,noatime - nfs h:/e ro,hard,timeo=600,opt=a=b\n").entries
    assert [entry.option(name) for name in ("timeo", "hard", "noatime", "opt", "soft")] == ["600", "", "", "a=b", None]


@pytest.mark.parametrize("line", [b"nonsense", b"1 0 0:1 / /x rw nfs h:/e rw", b"x 0 0:1 / / rw - t s rw"])
def test_a_line_that_is_none_is_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a line of mountinfo"):
        parse_mountinfo(b"1 0 0:1 / / rw - tmpfs t rw\n" + line + b"\n")


@given(st.binary(min_size=1).filter(lambda path: b"\0" not in path))
def test_every_path_comes_back_as_it_was(path: bytes) -> None:
    escaped = b"".join(b"\\%03o" % byte if byte in b" \t\n\\#" else bytes([byte]) for byte in b"/" + path)
    (entry,) = parse_mountinfo(b"1 0 0:1 / " + escaped + b" rw - tmpfs t rw\n").entries
    assert os.fsencode(entry.target) == b"/" + path


def test_this_process_has_mounts_and_they_are_found_where_they_are() -> None:
    table = read_mount_table()
    proc = table.on("/proc")
    assert proc is not None
    assert proc.fs_type == "proc"
    assert table.holding("/proc/self/status") == proc


if os.geteuid() == 0:

    def test_the_kernels_own_list_of_odd_names(tmp_path: Path) -> None:
        target = tmp_path / "a b\\c\td\ne"
        target.mkdir()
        source = "server:/ex port"
        script = 'mount -t tmpfs "$1" "$2" && mount -t tmpfs second "$2" && cat /proc/self/mountinfo'
        text = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", source, str(target)],
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        table = parse_mountinfo(text)
        assert [entry.source for entry in table.all_on(str(target))] == [source, "second"]
        top = table.on(str(target))
        assert top is not None
        assert top.source == "second"
        assert [entry.source for entry in table.network() if entry.target == str(target)] == [source]


_LINE = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"


@given(begin=st.integers(0, len(_LINE)), length=st.integers(0, 20), piece=st.binary(max_size=20))
def test_a_table_with_anything_in_it_is_understood_or_refused(begin: int, length: int, piece: bytes) -> None:
    with contextlib.suppress(ValueError):
        table = parse_mountinfo(_LINE + _LINE[:begin] + piece + _LINE[begin + length :])
        for entry in table.entries:
            assert (entry.network, entry.address, entry.export, entry.enforces_locks) is not None
            table.holding(entry.target)
