"""Getting rid of a mount: as umount does, by force, and what is said where it stays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry, MountTable, Proof, prove
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports.mounts import MountRequest
from poolfleet_agent.mounts.detach import UMOUNT, Unmounter
from poolfleet_agent.mounts.mount import Mounter
from poolfleet_agent.mounts.mountinfo import parse_mountinfo
from poolfleet_agent.processes.child import Children

HANGING = ("sh", "-c", "sleep 1000")
TARGET = "/nowhere/vm_data"

SHARE = MountEntry(
    mount_id=5,
    parent_id=1,
    device="0:50",
    root="/",
    target=TARGET,
    fs_type="nfs4",
    source="nfs1:/export",
    options=(),
    super_options=(),
)


def mounted() -> MountTable:
    return MountTable((SHARE,))


def gone_the_second_time() -> Callable[[], MountTable]:
    tables = iter([mounted(), MountTable(())])
    return lambda: next(tables)


async def test_nothing_is_done_where_nothing_is_mounted(children: Children) -> None:
    unmounter = Unmounter(children, lambda: MountTable(()), program=("/nowhere",))
    await unmounter.unmount(TARGET, timeout_s=1)
    async with unmounter.forced_off(TARGET):
        pass


async def test_one_that_hangs_is_left_with_its_limit(children: Children) -> None:
    unmounter = Unmounter(children, mounted, program=HANGING, force_timeout_s=0.2)
    with pytest.raises(ModelError) as stuck:
        await unmounter.unmount(TARGET, timeout_s=0.2)
    assert stuck.value.reason is Reason.POOL_UNRESPONSIVE
    with pytest.raises(ModelError, match="no answer") as stuck:
        await forced_off(unmounter)
    assert stuck.value.reason is Reason.POOL_UNRESPONSIVE
    assert stuck.value.metadata["path"] == TARGET


async def forced_off(unmounter: Unmounter) -> None:
    async with unmounter.forced_off(TARGET):
        pytest.fail("the mount stays")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("detach 16", Reason.POOL_UNRESPONSIVE),
        ("copy 28", Reason.POOL_UNRESPONSIVE),
        ("copy 1", Reason.AGENT_NOT_AUTHORIZED),
    ],
)
async def test_what_stays_by_force_is_said_with_the_step_that_failed(
    children: Children, step: str, reason: Reason
) -> None:
    with pytest.raises(ModelError) as failed:
        await forced_off(Unmounter(children, mounted, program=("sh", "-c", f"echo {step}")))
    assert failed.value.reason is reason


async def test_the_call_may_hang_while_the_mount_is_gone(children: Children) -> None:
    unmounter = Unmounter(children, gone_the_second_time(), program=HANGING, force_timeout_s=0.2)
    async with unmounter.forced_off(TARGET):
        pass


async def test_it_goes_on_until_the_body_ends(children: Children, tmp_path: Path) -> None:
    left = tmp_path / "left"
    program = ("sh", "-c", f"echo detach 0; cat; echo left > {left}")
    async with Unmounter(children, gone_the_second_time(), program=program).forced_off(TARGET):
        assert not left.exists()
    assert left.exists()


async def test_a_program_that_fails_is_no_answer(children: Children) -> None:
    with pytest.raises(ModelError) as failed:
        await Unmounter(children, mounted, program=("sh", "-c", "echo ordinary 0; exit 1")).unmount(
            TARGET, timeout_s=60
        )
    assert failed.value.reason is Reason.INTERNAL


def mounted_on(target: Path) -> Callable[[], MountTable]:
    return partial(MountTable, (replace(SHARE, target=str(target)),))


async def test_a_target_that_went_away_meanwhile_is_as_it_should_be(children: Children, tmp_path: Path) -> None:
    target = tmp_path / "missing"
    await Unmounter(children, mounted_on(target)).unmount(str(target), timeout_s=60)


async def test_a_target_that_was_unmounted_meanwhile_too_but_an_ordinary_user_may_not_ask(
    children: Children, tmp_path: Path
) -> None:
    unmounting = Unmounter(children, mounted_on(tmp_path)).unmount(str(tmp_path), timeout_s=60)
    if os.geteuid() == 0:
        await unmounting
    else:
        with pytest.raises(ModelError) as refused:
            await unmounting
        assert refused.value.reason is Reason.AGENT_NOT_AUTHORIZED


if os.geteuid() == 0:
    from scripts.embedded.namespace import MountNamespace

    SOURCE = NetfsSource(host="nfs1", path="/export", format="nfs")

    # As mount, but a tmpfs with the share's name.
    STAND_IN = 'while [ "$1" != -- ]; do shift; done; exec mount -t tmpfs "$2" "$3"'

    class Inside:
        """A mount namespace, and what works in it."""

        def __init__(self, namespace: MountNamespace, children: Children, target: Path) -> None:
            self.command = namespace.command
            self.target = str(target)
            self.mounter = Mounter(children, program=namespace.command(["sh", "-c", STAND_IN, "sh"]))
            self.unmounter = Unmounter(children, self.table, program=namespace.command(UMOUNT))

        def table(self) -> MountTable:
            argv = self.command(["cat", "/proc/self/mountinfo"])
            return parse_mountinfo(subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout)

        def proof(self, source: NetfsSource = SOURCE) -> Proof:
            return prove(self.table(), self.target, source, ())

        async def mount(self, source: NetfsSource = SOURCE) -> None:
            await self.mounter.mount(MountRequest(source=source, target=self.target), timeout_s=60)

        def user(self) -> subprocess.Popen[bytes]:
            """A process that is in the share's folder."""
            argv = self.command(["sh", "-c", 'cd "$1" && echo there && exec sleep 1000', "sh", self.target])
            process = subprocess.Popen(argv, stdout=subprocess.PIPE)
            assert process.stdout is not None
            assert process.stdout.readline() == b"there\n"
            return process

    @pytest.fixture
    def inside(tmp_path: Path, children: Children) -> Iterator[Inside]:
        namespace = MountNamespace(tmp_path)
        namespace.start([])
        target = tmp_path / "vm data"
        target.mkdir()
        yield Inside(namespace, children, target)
        namespace.stop()

    async def test_a_share_is_mounted_proven_and_unmounted(inside: Inside) -> None:
        assert inside.proof() is Proof.UNMOUNTED
        await inside.mount()
        assert inside.proof() is Proof.RIGHT
        assert inside.proof(NetfsSource(host="nfs1", path="/other")) is Proof.WRONG_SHARE
        await inside.unmounter.unmount(inside.target, timeout_s=60)
        assert inside.proof() is Proof.UNMOUNTED

    async def test_what_is_in_use_stays_but_not_by_force(inside: Inside) -> None:
        await inside.mount()
        with inside.user() as process:
            with pytest.raises(ModelError) as busy:
                await inside.unmounter.unmount(inside.target, timeout_s=60)
            assert busy.value.reason is Reason.RESOURCE_BUSY
            assert inside.proof() is Proof.RIGHT
            async with inside.unmounter.forced_off(inside.target):
                assert inside.proof() is Proof.UNMOUNTED
            process.kill()
        assert inside.proof() is Proof.UNMOUNTED

    async def test_of_two_on_one_target_the_top_one_goes(inside: Inside) -> None:
        other = NetfsSource(host="nfs1", path="/other")
        await inside.mount(other)
        await inside.mount()
        assert inside.proof() is Proof.RIGHT
        async with inside.unmounter.forced_off(inside.target):
            assert inside.proof(other) is Proof.RIGHT
        assert inside.proof(other) is Proof.RIGHT
