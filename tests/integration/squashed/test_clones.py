"""Clones on a share that squashes root: made by its user, read by who may read, and gone when they are cut off."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from poolfleet import Cancelled, CloneSpec, FailedPrecondition, PoolSpec
from poolfleet.aio import AgentClient
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.squashed_share import SquashedShare
from tests.integration.squashed.far_share import KVM_GID, LIMIT_S, MIB, QEMU_UID, names, volume
from tests.raw_agent import eventually
from tests.slow_qemu_img import SlowQemuImg
from tests.virsh import tried

DATA = os.urandom(MIB // 2) + bytes(MIB // 2)

if os.geteuid() == 0:

    @pytest.fixture
    async def near(client: AgentClient, host: EmbeddedHost) -> AsyncIterator[Path]:
        """The folder of a local pool `near`."""
        folder = host.pools_dir / "near"
        await client.pools.ensure(PoolSpec.dir("near", target=str(folder)))
        yield folder
        for left in folder.iterdir():
            left.unlink()
        await client.pools.refresh("near")

    def content_of(path: Path, volume_format: str, scratch: Path) -> bytes:
        words = ["convert", "-f", volume_format, "-O", "raw", "--", str(path), str(scratch / "read")]
        subprocess.run(["qemu-img", *words], check=True, timeout=LIMIT_S)
        return (scratch / "read").read_bytes()

    @pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
    async def test_a_clone_on_it_belongs_to_its_user_though_virshs_fails(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare, tmp_path: Path, volume_format: str
    ) -> None:
        await client.volumes.create("far", volume("src"))
        (share.files / "src").write_bytes(DATA)
        beside = tried(host, "vol-clone", "src", "beside", "--pool", "far")
        assert "Permission denied" in beside.stderr
        (share.files / "beside").unlink()  # virsh's failure leaves a file
        spec = CloneSpec("v", format=volume_format)
        assert (await client.volumes.clone("far", "src", spec)).changed
        facts = (share.files / "v").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (QEMU_UID, KVM_GID, 0o600)
        assert names(share) == ["src", "v"]
        assert content_of(share.files / "v", volume_format, tmp_path) == DATA
        assert not (await client.volumes.clone("far", "src", spec)).changed

    async def test_it_is_cloned_to_a_local_pool_and_from_one_whose_files_are_roots_alone(
        client: AgentClient, share: SquashedShare, near: Path
    ) -> None:
        await client.volumes.create("far", volume("src"))
        (share.files / "src").write_bytes(DATA)
        assert (await client.volumes.clone("far", "src", CloneSpec("copy"), target_pool="near")).changed
        facts = (near / "copy").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (0, 0, 0o600)
        assert (near / "copy").read_bytes() == DATA
        assert (await client.volumes.clone("near", "copy", CloneSpec("back"), target_pool="far")).changed
        assert (share.files / "back").stat().st_uid == QEMU_UID
        assert (share.files / "back").read_bytes() == DATA

    async def test_a_linked_clone_on_it_lies_on_a_file_of_it_and_not_on_one_of_this_host_alone(
        client: AgentClient, share: SquashedShare, near: Path
    ) -> None:
        await client.volumes.create("far", volume("src"))
        assert (await client.volumes.clone("far", "src", CloneSpec("v", linked=True))).changed
        assert (share.files / "v").stat().st_uid == QEMU_UID
        await client.volumes.create("near", volume("src"))
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.clone("near", "src", CloneSpec("w", linked=True), target_pool="far")
        assert refused.value.reason == "PATH_NOT_USABLE"
        assert names(share) == ["src", "v"]

    async def test_what_its_user_may_not_read_is_not_cloned(client: AgentClient, share: SquashedShare) -> None:
        await client.volumes.create("far", volume("src"))
        os.chown(share.files / "src", 1234, 1234)
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.clone("far", "src", CloneSpec("v"))
        assert refused.value.reason == "SQUASHED"
        assert str(QEMU_UID) in refused.value.message
        assert names(share) == ["src"]

    async def test_a_clone_that_is_cancelled_or_whose_agent_is_killed_leaves_nothing(
        client: AgentClient, share: SquashedShare, slow_host: tuple[EmbeddedHost, SlowQemuImg]
    ) -> None:
        host, slow = slow_host
        await client.volumes.create("far", volume("src"))
        slow.hold("after", "convert")
        going = await client.volumes.clone("far", "src", CloneSpec("v"), wait=False)
        await asyncio.to_thread(slow.wait_standing)
        assert names(share) == [f".poolfleet-new.{going.id}", ".poolfleet-reserve.v", "src"]
        await client.operations.cancel(going.id)
        with pytest.raises(Cancelled):
            await client.operations.wait(going.id, timeout_s=LIMIT_S)
        assert names(share) == ["src"]

        await asyncio.to_thread(slow.forget_standing)
        await client.volumes.clone("far", "src", CloneSpec("v"), wait=False)
        await asyncio.to_thread(slow.wait_standing)
        await asyncio.to_thread(host.agent.kill9)
        slow.let_go()
        await asyncio.to_thread(host.agent.start)

        async def nothing_is_left() -> bool:
            return names(share) == ["src"]

        await eventually(nothing_is_left, limit_s=LIMIT_S, what="what was left is removed")
        assert (await client.volumes.clone("far", "src", CloneSpec("v"))).changed
