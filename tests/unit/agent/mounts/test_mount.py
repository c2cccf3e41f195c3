"""One attempt to mount: libvirt's options, mount's own words, an end in time with nothing left."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports.mounts import MountRequest
from poolfleet_agent.mounts.mount import Mounter, mount_arguments
from poolfleet_agent.processes.child import Children

LONG_S = 60


def request(
    *options: str, host: str = "nfs1", path: str = "/export", version: str = "", source_format: str | None = "nfs"
) -> MountRequest:
    source = NetfsSource(host=host, path=path, format=source_format)
    return MountRequest(source=source, target="/mnt/vm data", options=options, protocol_version=version)


@pytest.mark.parametrize(
    ("asked", "kind", "options", "share"),
    [
        (request(), "nfs", "nodev,nosuid,noexec,retry=0", "nfs1:/export"),
        (request(source_format=None), "nfs", "nodev,nosuid,noexec,retry=0", "nfs1:/export"),
        (request(source_format="auto"), "nfs", "nodev,nosuid,noexec,retry=0", "nfs1:/export"),
        (
            request("noatime", "timeo=50", host="[fd00::1]", version="4.2"),
            "nfs",
            "nodev,nosuid,noexec,nfsvers=4.2,noatime,timeo=50,retry=0",
            "[fd00::1]:/export",
        ),
        (request("retry=3"), "nfs", "nodev,nosuid,noexec,retry=3", "nfs1:/export"),
        (request("soft,retry=1"), "nfs", "nodev,nosuid,noexec,soft,retry=1", "nfs1:/export"),
        (
            request("credentials=/etc/cifs", path="images", source_format="cifs"),
            "cifs",
            "nodev,nosuid,noexec,guest,credentials=/etc/cifs",
            "//nfs1/images",
        ),
    ],
)
def test_the_options_are_libvirts_in_its_order(asked: MountRequest, kind: str, options: str, share: str) -> None:
    assert mount_arguments(asked) == ["-t", kind, "-o", options, "--", share, "/mnt/vm data"]


@pytest.mark.parametrize("option", ["bg", "suid", "exec", "dev", "noatime,suid"])
def test_harmful_options_of_a_pool_that_somebody_else_defined(option: str) -> None:
    with pytest.raises(MountError, match="does not allow") as refused:
        mount_arguments(request(option))
    assert refused.value.failure is MountFailure.BAD_OPTION
    assert option in mount_arguments(request(option), ["bg", "suid", "exec", "dev"])[3]


def test_glusterfs_is_libvirts() -> None:
    with pytest.raises(MountError) as refused:
        mount_arguments(request(source_format="glusterfs"))
    assert refused.value.failure is MountFailure.NOT_SUPPORTED


def mounter(children: Children, folder: Path, script: str) -> Mounter:
    """One whose mount is a script."""
    program = folder / "mount"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Mounter(children, program=(str(program),))


async def test_mount_gets_these_words_and_no_others(children: Children, tmp_path: Path) -> None:
    said = tmp_path / "said"
    await mounter(children, tmp_path, f'printf "%s|" "$LC_ALL" "$@" >{said}').mount(request(), timeout_s=LONG_S)
    assert said.read_text() == "C.UTF-8|-t|nfs|-o|nodev,nosuid,noexec,retry=0|--|nfs1:/export|/mnt/vm data|"


async def test_a_failure_has_mounts_own_words(children: Children, tmp_path: Path) -> None:
    script = "echo 'mount.nfs: portmap query failed: RPC: Timed out' >&2; echo '  twice' >&2; exit 32"
    with pytest.raises(MountError) as failed:
        await mounter(children, tmp_path, script).mount(request(), timeout_s=LONG_S)
    assert failed.value.failure is MountFailure.TIMED_OUT
    assert failed.value.message == "mount.nfs: portmap query failed: RPC: Timed out twice"
    assert failed.value.layer == "mount"


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo the moon is full >&2; exit 32", "the moon is full"), ("exit 16", "mount ended with status 16")],
)
async def test_what_nobody_knows_is_logged(children: Children, tmp_path: Path, script: str, message: str) -> None:
    with capture_logs() as logs, pytest.raises(MountError) as failed:
        await mounter(children, tmp_path, script).mount(request(), timeout_s=LONG_S)
    assert (failed.value.failure, failed.value.message) == (MountFailure.UNKNOWN, message)
    assert [log["log_level"] for log in logs] == ["warning"]


async def test_a_host_without_mount(children: Children) -> None:
    with pytest.raises(MountError) as failed:
        await Mounter(children, program=("/nowhere/mount",)).mount(request(), timeout_s=LONG_S)
    assert failed.value.failure is MountFailure.HELPER_MISSING


async def test_one_that_hangs_is_killed_with_its_helper(children: Children, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; echo $$ >{pids}; sh -c 'echo $$ >>{pids}; trap \"\" TERM; while :; do sleep 1000; done'; :"
    started_s = time.monotonic()
    with pytest.raises(MountError) as failed:
        await mounter(children, tmp_path, script).mount(request(), timeout_s=3)  # in which both have to begin
    assert time.monotonic() - started_s < LONG_S / 2
    assert failed.value.failure is MountFailure.TIMED_OUT
    program, helper = map(int, pids.read_text().split())
    async with asyncio.timeout(LONG_S):
        while alive(program) or alive(helper):
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


if os.geteuid() != 0:

    async def test_an_ordinary_user_may_not_mount(children: Children, tmp_path: Path) -> None:
        # The target is there: some releases of mount look for it before they look at who asks.
        with pytest.raises(MountError) as failed:
            await Mounter(children).mount(replace(request(), target=str(tmp_path)), timeout_s=LONG_S)
        assert failed.value.failure is MountFailure.NOT_PRIVILEGED
