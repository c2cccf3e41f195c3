"""Volumes on a real libvirtd are wiped: with zeros as virsh does it, with progress and an end; otherwise by libvirt."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.protobuf.message import Message

import poolfleet
from poolfleet import Operation, OperationState, VolumeSpec
from poolfleet.types.volume import BackingStore
from poolfleet.v1.volume_service_pb2 import DeleteVolumeRequest, WipeVolumeRequest
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.process import wait_until
from tests.own_program import OwnProgram
from tests.raw_agent import Refused, raw_agent
from tests.virsh import virsh

MIB = 1 << 20
LONG = 256 * MIB
"""What takes so long that a wipe of it is caught at work."""
LIMIT_S = 60.0
CANCELLED_WITHIN_S = 10.0
"""Wide for the 2 s that it may take, on a busy machine."""


_SCRUB = """\
#!/bin/sh
# Notes what it is asked, and writes into the file, as far as it is long.
echo "$@" >> {told}
for file; do :; done
yes scrubbed | dd of="$file" conv=notrunc,fsync iflag=fullblock bs=1 count=$(stat -c %s "$file") 2>/dev/null
"""


@pytest.fixture(scope="module")
def scrub(short_dir: Path) -> Path:
    """Stands in for the program that libvirt runs for algorithms other than zero; it is there while a test wants it."""
    return short_dir / "wiped-programs/scrub"


@pytest.fixture(scope="module")
def module_host(short_dir: Path, libvirtd: EmbeddedLibvirtd, scrub: Path) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost("wiped", short_dir, settings={"limits": {"max_jobs": 1}})
    new.libvirtd.learn_emulators_from(libvirtd)
    scrub.parent.mkdir()
    env = new.libvirtd.surroundings.env
    env["PATH"] = f"{scrub.parent}:{env.get('PATH', os.defpath)}"
    with new:
        yield new


def written(agent: poolfleet.AgentClient, path: Path, size_bytes: int = MIB) -> Path:
    """A raw volume that holds something everywhere."""
    path.write_bytes(b"secret! " * (size_bytes // 8))
    agent.pools.refresh(path.parent.name)
    return path


def stopped_wipe(host: EmbeddedHost, agent: poolfleet.AgentClient, volume: str) -> tuple[Operation, OwnProgram]:
    """Begin to wipe a volume that is LONG; the program is stopped before its end."""
    program = OwnProgram(host, "wipe")
    with ThreadPoolExecutor() as threads:
        # The answer waits for a second, whether the work is done by then.
        asked = threads.submit(agent.volumes.wipe, "vms", volume, wait=False)
        program.stop()
        return asked.result(), program


def refusal_of(host: EmbeddedHost, request: Message) -> Refused:
    """How the agent refuses, at once: the library would wait for whoever holds the object."""

    async def ask() -> Refused:
        async with raw_agent(host.agent.target) as raw:
            return await raw.refusal(request)

    return asyncio.run(ask())


def end_of(path: Path) -> bytes:
    """What a wipe would come to last."""
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)
        return file.read()


def test_a_raw_volume_is_zeros_afterwards_and_tells_how_far_it_was(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    ours, theirs = written(agent, folder / "ours"), written(agent, folder / "theirs")
    virsh(module_host, "vol-wipe", "theirs", "--pool", "vms")
    wiped = agent.volumes.wipe("vms", "ours")
    assert wiped.changed
    assert ours.read_bytes() == theirs.read_bytes() == bytes(MIB)
    assert ours.stat().st_blocks == theirs.stat().st_blocks
    assert wiped.progress is not None
    assert (wiped.progress.done_bytes, wiped.progress.total_bytes) == (MIB, MIB)


def test_a_qcow2_volume_loses_its_header_too_and_is_raw_zeros(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    for name in ("ours", "theirs"):
        agent.volumes.create("vms", VolumeSpec(name, capacity_bytes=8 * MIB, format="qcow2"))
        write = ["qemu-io", "-f", "qcow2", "-c", "write -P 0x2a 1M 2M", str(folder / name)]
        subprocess.run(write, check=True, timeout=60, stdout=subprocess.DEVNULL)
    length = (folder / "ours").stat().st_size
    virsh(module_host, "vol-wipe", "theirs", "--pool", "vms")
    agent.volumes.wipe("vms", "ours")
    assert (folder / "ours").read_bytes() == (folder / "theirs").read_bytes() == bytes(length)
    ours, theirs = (agent.volumes.get("vms", name, max_staleness_s=0) for name in ("ours", "theirs"))
    assert (ours.format, ours.capacity_bytes) == (theirs.format, theirs.capacity_bytes) == ("raw", length)


def test_holes_stay_holes(agent: poolfleet.AgentClient, folder: Path) -> None:
    agent.volumes.create("vms", VolumeSpec("v", capacity_bytes=64 * MIB, allocation_bytes=0))
    with (folder / "v").open("r+b") as file:
        file.seek(9 * MIB)
        file.write(b"secret!")
    before = (folder / "v").stat()
    agent.volumes.wipe("vms", "v")
    assert (folder / "v").read_bytes() == bytes(64 * MIB)
    assert (folder / "v").stat().st_blocks == before.st_blocks


def test_one_at_a_time_is_at_work_and_a_cancelled_one_ends_at_once(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    first_file, second_file = written(agent, folder / "a", LONG), written(agent, folder / "b")
    first, program = stopped_wipe(module_host, agent, "a")
    second = agent.volumes.wipe("vms", "b", wait=False)
    wait_until(
        lambda: agent.operations.get(second.id).state is OperationState.PENDING,
        limit_s=LIMIT_S,
        what="the second one waits for its turn",
    )
    assert agent.operations.get(second.id).cancellable
    first = agent.operations.get(first.id)
    assert (first.state, first.cancellable) == (OperationState.RUNNING, True)
    for asked in (
        DeleteVolumeRequest(pool="vms", volume="a", etag="other"),
        WipeVolumeRequest(pool="vms", volume="a", etag="other"),
    ):
        assert refusal_of(module_host, asked).reason == "OPERATION_IN_PROGRESS"
    began_s = time.monotonic()
    agent.operations.cancel(first.id)
    with pytest.raises(poolfleet.Cancelled):
        agent.operations.wait(first.id)
    assert time.monotonic() - began_s < CANCELLED_WITHIN_S
    program.wait_gone()
    assert agent.operations.wait(second.id).state is OperationState.SUCCEEDED
    assert (end_of(first_file), second_file.read_bytes()) == (b"secret! ", bytes(MIB))


def test_with_its_agent_a_wipe_ends_and_the_next_agent_says_so(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path
) -> None:
    file = written(agent, folder / "v", LONG)
    operation, program = stopped_wipe(module_host, agent, "v")
    module_host.agent.kill9()
    program.go_on()
    program.wait_gone()
    assert end_of(file) == b"secret! "
    module_host.agent.start()
    module_host.agent.wait_looked()
    with pytest.raises(poolfleet.Unavailable) as cut_off:
        agent.operations.wait(operation.id)
    assert cut_off.value.reason == "AGENT_RESTARTED"
    assert agent.volumes.wipe("vms", "v").changed


def test_other_algorithms_are_libvirts_with_its_program(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, folder: Path, scrub: Path
) -> None:
    file, told = written(agent, folder / "v", 4096), scrub.with_name("told")
    scrub.write_text(_SCRUB.format(told=told))
    scrub.chmod(0o755)
    try:
        for algorithm in ("nnsa", "dod", "bsi", "gutmann", "schneier", "pfitzner7", "pfitzner33", "random"):
            wiped = agent.volumes.wipe("vms", "v", algorithm=algorithm)
            assert (wiped.changed, wiped.cancellable) == (True, False)
    finally:
        scrub.unlink()
    asked = [line.split() for line in told.read_text().splitlines()]
    assert [words[2] for words in asked][:2] == ["nnsa", "dod"]
    assert {tuple(words[:2]) for words in asked} == {("-f", "-p")}
    assert file.read_bytes().startswith(b"scrubbed\nscrubbed")
    assert file.stat().st_size == 4096


if shutil.which("scrub") is None:

    def test_where_that_program_is_not_installed_it_says_what_to_install(
        agent: poolfleet.AgentClient, folder: Path
    ) -> None:
        file = written(agent, folder / "v")
        with pytest.raises(poolfleet.Unsupported) as missing:
            agent.volumes.wipe("vms", "v", algorithm="nnsa")
        assert missing.value.reason == "NOT_SUPPORTED_HERE"
        assert "install the package scrub" in missing.value.message
        assert end_of(file) == b"secret! "


def test_what_no_algorithm_is_or_none_for_files_is_refused(agent: poolfleet.AgentClient, folder: Path) -> None:
    file = written(agent, folder / "v")
    with pytest.raises(poolfleet.InvalidArgument) as unknown:
        agent.volumes.wipe("vms", "v", algorithm="shred")
    assert (unknown.value.reason, unknown.value.metadata["value"]) == ("INVALID_FIELD", "shred")
    with pytest.raises(poolfleet.Unsupported) as not_here:
        agent.volumes.wipe("vms", "v", algorithm="trim")
    assert not_here.value.reason == "NOT_SUPPORTED_HERE"
    assert end_of(file) == b"secret! "


def test_only_what_was_seen_is_wiped_and_no_link_and_nothing_that_others_lie_on(
    agent: poolfleet.AgentClient, folder: Path
) -> None:
    agent.volumes.create("vms", VolumeSpec("base", capacity_bytes=MIB, format="qcow2"))
    backing = BackingStore(path=str(folder / "base"), format="qcow2")
    agent.volumes.create("vms", VolumeSpec("top", capacity_bytes=MIB, format="qcow2", backing_store=backing))
    (folder / "link").symlink_to(folder / "top")
    agent.pools.refresh("vms")
    before = (folder / "base").read_bytes()
    with pytest.raises(poolfleet.Aborted):
        agent.volumes.wipe("vms", "top", etag="another")
    with pytest.raises(poolfleet.FailedPrecondition) as link:
        agent.volumes.wipe("vms", "link")
    assert link.value.reason == "NOT_A_VOLUME"
    with pytest.raises(poolfleet.FailedPrecondition) as used:
        agent.volumes.wipe("vms", "base")
    assert used.value.reason == "VOLUME_IN_USE"
    assert agent.volumes.wipe("vms", "base", allow_in_use=True, validate_only=True).changed
    assert (folder / "base").read_bytes() == before
    assert agent.volumes.wipe("vms", "base", allow_in_use=True).changed
    assert not any((folder / "base").read_bytes())
