"""Volumes on a real libvirtd get another capacity: beside virsh where that can do it, and beyond where it cannot."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

import poolfleet
from poolfleet import Operation, Volume, VolumeSpec
from poolfleet.types.volume import BackingStore
from scripts.embedded.host import EmbeddedHost
from tests.virsh import tried

MIB = 1 << 20


def create(agent: poolfleet.AgentClient, name: str, volume_format: str = "raw", **differing: Any) -> None:
    stated: dict[str, Any] = {"capacity_bytes": 2 * MIB, "allocation_bytes": 0, "format": volume_format}
    agent.volumes.create("vms", VolumeSpec(name, **stated | differing))


def sizes(operation: Operation) -> tuple[int | None, int | None]:
    assert isinstance(operation.result, Volume)
    return operation.result.capacity_bytes, operation.result.allocation_bytes


def content(path: Path, volume_format: str) -> bytes:
    """What a guest would read of it."""
    command = ["qemu-img", "convert", "-f", volume_format, "-O", "raw", str(path), str(path.with_name("read"))]
    subprocess.run(command, check=True, timeout=60)
    read = path.with_name("read").read_bytes()
    path.with_name("read").unlink()
    return read


def write(path: Path, volume_format: str, offset: int, length: int) -> None:
    command = ["qemu-io", "-f", volume_format, "-c", f"write -P 0x2a {offset} {length}", str(path)]
    subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["4M"], {"capacity_bytes": 4 * MIB}),
        (["3M", "--delta"], {"delta_bytes": 3 * MIB}),
        (["1M", "--shrink"], {"capacity_bytes": MIB, "allow_shrink": True}),
        (["512k", "--delta", "--shrink"], {"delta_bytes": -MIB // 2, "allow_shrink": True}),
        (["1000000", "--shrink"], {"capacity_bytes": 1_000_000, "allow_shrink": True}),
    ],
    ids=["to", "by", "shrink to", "shrink by", "no whole sectors"],
)
def test_it_becomes_what_virsh_would_make_of_it(
    module_host: EmbeddedHost,
    agent: poolfleet.AgentClient,
    folder: Path,
    volume_format: str,
    words: list[str],
    asked: dict[str, Any],
) -> None:
    for name in ("ours", "theirs"):
        create(agent, name, volume_format)
    beside = tried(module_host, "vol-resize", "theirs", *words, "--pool", "vms")
    assert beside.returncode == 0, beside.stderr
    resized = agent.volumes.resize("vms", "ours", **asked)
    assert resized.changed
    assert sizes(resized)[0] == agent.volumes.get("vms", "theirs", max_staleness_s=0).capacity_bytes
    assert agent.volumes.get("vms", "ours").capacity_bytes == sizes(resized)[0]
    ours, theirs = (
        tried(module_host, "vol-info", name, "--pool", "vms", "--bytes").stdout for name in ("ours", "theirs")
    )
    assert ours.splitlines()[1:] == theirs.splitlines()[1:]


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_what_a_guest_wrote_stays_as_far_as_the_volume_reaches(
    agent: poolfleet.AgentClient, folder: Path, volume_format: str
) -> None:
    create(agent, "v", volume_format)
    write(folder / "v", volume_format, MIB // 2, MIB)
    written = bytes(MIB // 2) + b"\x2a" * MIB
    agent.volumes.resize("vms", "v", 3 * MIB)
    assert content(folder / "v", volume_format) == written.ljust(3 * MIB, b"\0")
    agent.volumes.resize("vms", "v", MIB, allow_shrink=True)
    agent.volumes.resize("vms", "v", 2 * MIB, allocate=True)
    assert content(folder / "v", volume_format) == written[:MIB].ljust(2 * MIB, b"\0")


def test_a_raw_volume_whose_bytes_are_all_taken_shrinks_where_libvirt_refuses(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "v", allocation_bytes=None)
    assert "existing allocation" in tried(module_host, "vol-resize", "v", "1M", "--pool", "vms", "--shrink").stderr
    assert sizes(agent.volumes.resize("vms", "v", MIB, allow_shrink=True)) == (MIB, MIB)
    assert (folder / "v").stat().st_size == MIB


@pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
def test_smaller_it_becomes_with_leave_only(agent: poolfleet.AgentClient, folder: Path, volume_format: str) -> None:
    create(agent, "v", volume_format)
    smaller: list[dict[str, Any]] = [{"capacity_bytes": MIB}, {"delta_bytes": -1024}]
    for asked in smaller:
        with pytest.raises(poolfleet.FailedPrecondition) as refused:
            agent.volumes.resize("vms", "v", **asked)
        assert refused.value.reason == "WOULD_SHRINK"
        assert refused.value.metadata["capacity_bytes"] == str(2 * MIB)
    assert agent.volumes.get("vms", "v", max_staleness_s=0).capacity_bytes == 2 * MIB


def test_all_bytes_of_a_raw_volume_are_allocated_as_virsh_does_it_with_progress(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    for name in ("ours", "theirs"):
        create(agent, name)
    assert tried(module_host, "vol-resize", "theirs", "4M", "--pool", "vms", "--allocate").returncode == 0
    resized = agent.volumes.resize("vms", "ours", 4 * MIB, allocate=True)
    theirs = agent.volumes.get("vms", "theirs", max_staleness_s=0)
    assert sizes(resized) == (theirs.capacity_bytes, theirs.allocation_bytes) == (4 * MIB, 4 * MIB)
    assert resized.progress is not None
    assert (resized.progress.done_bytes, resized.progress.total_bytes) == (4 * MIB, 4 * MIB)
    assert not agent.volumes.resize("vms", "ours", 4 * MIB, allocate=True).changed


def test_what_is_added_to_a_qcow2_volume_is_allocated_where_libvirt_cannot(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "v", "qcow2")
    refused = tried(module_host, "vol-resize", "v", "4M", "--pool", "vms", "--allocate")
    assert "only supported for raw" in refused.stderr
    capacity_bytes, allocation_bytes = sizes(agent.volumes.resize("vms", "v", 4 * MIB, allocate=True))
    assert capacity_bytes == 4 * MIB
    assert (allocation_bytes or 0) >= 2 * MIB
    checked = subprocess.run(["qemu-img", "check", "-q", str(folder / "v")], timeout=60)
    assert checked.returncode == 0


def test_a_capacity_may_be_asked_for_again_and_a_delta_with_its_request_id_only(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "v")
    assert agent.volumes.resize("vms", "v", 3 * MIB).changed
    assert not agent.volumes.resize("vms", "v", 3 * MIB).changed
    request_id = str(uuid.uuid4())
    first, again = (agent.volumes.resize("vms", "v", delta_bytes=MIB, request_id=request_id) for _ in range(2))
    assert (first.id, sizes(again)) == (again.id, (4 * MIB, 0))
    assert sizes(agent.volumes.resize("vms", "v", delta_bytes=MIB)) == (5 * MIB, 0)


def test_only_what_was_seen_is_resized_where_its_etag_is_sent(agent: poolfleet.AgentClient, folder: Path) -> None:
    create(agent, "v")
    seen = agent.volumes.get("vms", "v")
    assert agent.volumes.resize("vms", "v", 3 * MIB, etag=seen.etag).changed
    with pytest.raises(poolfleet.Aborted) as refused:
        agent.volumes.resize("vms", "v", 4 * MIB, etag=seen.etag)
    assert refused.value.reason == "ETAG_MISMATCH"


def test_a_base_grows_and_shrinks_only_with_leave_to_break_what_lies_on_it(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "base", "qcow2")
    create(agent, "top", "qcow2", backing_store=BackingStore(path=str(folder / "base"), format="qcow2"))
    assert agent.volumes.resize("vms", "base", 3 * MIB).changed
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        agent.volumes.resize("vms", "base", MIB, allow_shrink=True)
    assert used.value.reason == "VOLUME_IN_USE"
    assert "vms/top" in used.value.metadata["users"]
    assert agent.volumes.resize("vms", "base", MIB, allow_shrink=True, allow_in_use=True).changed


def test_what_somebody_holds_open_in_a_qemu_is_not_resized_behind_its_back(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    create(agent, "v", "qcow2")
    holding = ["qemu-io", "-f", "qcow2", str(folder / "v")]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as qemu:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        qemu.stdin.write("length\n")
        qemu.stdin.flush()
        assert "2 MiB" in qemu.stdout.readline()
        for capacity_bytes in (3 * MIB, MIB):
            with pytest.raises(poolfleet.FailedPrecondition) as used:
                agent.volumes.resize("vms", "v", capacity_bytes, allow_shrink=True)
            assert used.value.reason == "VOLUME_IN_USE"
        qemu.stdin.close()
        qemu.wait(timeout=60)
    assert agent.volumes.resize("vms", "v", 3 * MIB).changed


def test_a_symbolic_link_to_another_volume_is_none_itself(agent: poolfleet.AgentClient, folder: Path) -> None:
    create(agent, "v")
    (folder / "link").symlink_to(folder / "v")
    agent.pools.refresh("vms")
    with pytest.raises(poolfleet.FailedPrecondition) as refused:
        agent.volumes.resize("vms", "link", 3 * MIB)
    assert refused.value.reason == "NOT_A_VOLUME"
    assert (folder / "v").stat().st_size == 2 * MIB


def test_a_format_that_cannot_be_resized_says_so(agent: poolfleet.AgentClient, folder: Path) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", str(folder / "v"), "1M"], check=True, timeout=60)
    agent.pools.refresh("vms")
    for allocate in (False, True):
        with pytest.raises(poolfleet.Unsupported) as refused:
            agent.volumes.resize("vms", "v", 2 * MIB, allocate=allocate)
        assert refused.value.reason == "NOT_SUPPORTED_HERE"


def test_it_grows_beyond_what_a_file_system_can_hold_never(agent: poolfleet.AgentClient, folder: Path) -> None:
    for volume_format in ("raw", "qcow2"):
        create(agent, volume_format, volume_format)
        with pytest.raises(poolfleet.InvalidArgument) as refused:
            agent.volumes.resize("vms", volume_format, 1 << 62)
        assert (refused.value.code, refused.value.reason) == ("OUT_OF_RANGE", "TOO_LARGE")
        with pytest.raises(poolfleet.ResourceExhausted) as full:
            agent.volumes.resize("vms", volume_format, 1 << 50, allocate=True)
        assert full.value.reason == "NO_SPACE"
        assert agent.volumes.get("vms", volume_format, max_staleness_s=0).capacity_bytes == 2 * MIB


def test_checking_only_changes_nothing(agent: poolfleet.AgentClient, folder: Path) -> None:
    create(agent, "v")
    checked = agent.volumes.resize("vms", "v", MIB, allow_shrink=True, validate_only=True)
    assert (checked.id, checked.changed) == ("", True)
    assert (folder / "v").stat().st_size == 2 * MIB
