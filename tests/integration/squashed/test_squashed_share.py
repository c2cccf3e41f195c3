"""A share whose server takes root for nobody: what libvirt cannot do there, the agent does as the share's user."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from poolfleet import (
    Cancelled,
    FailedPrecondition,
    PoolSpec,
    Secret,
    SecretRef,
    SecretSpec,
    Unsupported,
    Volume,
    VolumeSpec,
)
from poolfleet.aio import AgentClient
from poolfleet.types.operation import OperationState
from poolfleet.types.pool import PoolState
from poolfleet.types.volume import BackingStore, Permissions, VolumeEncryption
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.squashed_share import SquashedShare
from tests.integration.squashed.far_share import KVM_GID, LIMIT_S, MIB, QEMU_UID, names, volume
from tests.raw_agent import eventually
from tests.slow_qemu_img import SlowQemuImg
from tests.virsh import tried

AT_ONCE_S = 10.0
"""Wide for the 3 s that a start may take to say so, on a busy machine."""

if os.geteuid() == 0:

    async def test_a_diagnosis_tells_who_may_what_and_who_acts(client: AgentClient, share: SquashedShare) -> None:
        looked = await client.pools.probe("far")
        assert looked.users is not None
        assert (looked.failure, looked.users.libvirt_can_list) == ("", True)
        # Root may not write: for its squashing or because the export is read-only, which only writing tells.
        assert looked.users.root_squashed is None
        assert (looked.users.worker_uid, looked.users.worker_gid) == (QEMU_UID, KVM_GID)
        written = await client.pools.probe("far", write_test=True)
        assert written.users is not None
        assert (written.failure, written.users.root_squashed) == ("", True)
        assert f"as uid {QEMU_UID}" in next(layer.message for layer in written.layers if layer.layer == "write")
        assert not list(share.files.glob(".poolfleet-probe*"))

        share.give(uid=QEMU_UID, gid=KVM_GID, mode=0o750)
        closed = await client.pools.probe("far", write_test=True)
        assert closed.failure == "SQUASHED"
        assert "o+rx" in closed.advice

        share.give(uid=0, gid=0, mode=0o777)
        opened = await client.pools.probe("far", write_test=True)
        assert opened.users is not None
        assert (opened.failure, opened.users.root_uid) == ("", 65534)

    async def test_it_is_adopted_as_who_may_write_there(client: AgentClient, share: SquashedShare) -> None:
        assert (await client.pools.adopt_storage("far")).changed
        marker = share.files / ".poolfleet/storage-id"
        assert (marker.stat().st_uid, marker.stat().st_gid) == (QEMU_UID, KVM_GID)
        adopted = (await client.pools.get("far")).storage
        assert adopted is not None
        assert adopted.id == marker.read_text().strip()
        assert not (await client.pools.adopt_storage("far")).changed

    @pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
    async def test_what_virsh_cannot_create_and_delete_is_created_and_deleted(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare, volume_format: str
    ) -> None:
        beside = tried(host, "vol-create-as", "far", "beside", "1M", "--format", volume_format)
        assert "Permission denied" in beside.stderr
        made = await client.volumes.create("far", volume(format=volume_format))
        assert made.changed
        facts = (share.files / "v").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (QEMU_UID, KVM_GID, 0o600)
        assert names(share) == ["v"]
        found = await client.volumes.get("far", "v", max_staleness_s=0)
        assert (found.format, found.capacity_bytes) == (volume_format, MIB)
        assert "v" in tried(host, "vol-list", "far").stdout
        assert not (await client.volumes.create("far", volume(format=volume_format))).changed
        await client.volumes.delete("far", "v")
        assert names(share) == []
        assert (await client.volumes.read_all("far", max_staleness_s=0)).volumes == ()

    @pytest.mark.parametrize(
        ("asked", "size_bytes", "allocated_bytes"),
        [
            ({"capacity_bytes": 1500}, 1500, 0),
            ({"capacity_bytes": 4 * MIB, "allocation_bytes": MIB}, 4 * MIB, MIB),
            ({"capacity_bytes": MIB, "allocation_bytes": None}, MIB, MIB),
        ],
        ids=["no whole sectors", "a part allocated", "all allocated"],
    )
    async def test_a_raw_volume_has_the_length_and_the_bytes_that_were_asked_for(
        client: AgentClient, share: SquashedShare, asked: dict[str, Any], size_bytes: int, allocated_bytes: int
    ) -> None:
        await client.volumes.create("far", volume(**asked))
        facts = (share.files / "v").stat()
        assert (facts.st_size, facts.st_blocks * 512) == (size_bytes, allocated_bytes)
        assert not (await client.volumes.create("far", volume(**asked))).changed

    def layout(path: Path) -> dict[str, Any]:
        command = ["qemu-img", "info", "--output=json", str(path)]
        found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return {key: found.get(key) for key in ("format", "virtual-size", "cluster-size", "format-specific")}

    @pytest.mark.parametrize(
        "asked",
        [
            {},
            {"compat": "0.10", "cluster_size_bytes": 4096},
            {"compat": "1.1", "nocow": True},
            {"features": ("lazy_refcounts", "extended_l2"), "cluster_size_bytes": 131072},
        ],
    )
    async def test_an_image_is_laid_out_as_libvirt_does_it(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare, asked: dict[str, Any]
    ) -> None:
        near = host.pools_dir / "near"
        await client.pools.ensure(PoolSpec.dir("near", target=str(near)))
        for pool in ("near", "far"):
            await client.volumes.create(pool, volume(format="qcow2", **asked))
        assert layout(share.files / "v") == layout(near / "v")
        assert not (await client.volumes.create("far", volume(format="qcow2", **asked))).changed
        await client.volumes.delete("near", "v")

    @pytest.mark.parametrize("volume_format", ["qcow", "qed", "vmdk", "vdi", "vpc"])
    async def test_every_format_is_made_there(client: AgentClient, share: SquashedShare, volume_format: str) -> None:
        assert (await client.volumes.create("far", volume(format=volume_format))).changed
        assert layout(share.files / "v")["format"] == volume_format
        assert layout(share.files / "v")["virtual-size"] == MIB
        assert (await client.volumes.get("far", "v", max_staleness_s=0)).format == volume_format
        assert not (await client.volumes.create("far", volume(format=volume_format))).changed

    @pytest.mark.parametrize(
        ("volume_format", "kind"), [("qcow2", "metadata"), ("qcow2", "falloc"), ("raw", "falloc"), ("raw", "full")]
    )
    async def test_a_file_is_preallocated_as_elsewhere(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare, volume_format: str, kind: str
    ) -> None:
        near = host.pools_dir / "near"
        await client.pools.ensure(PoolSpec.dir("near", target=str(near)))
        asked = volume(format=volume_format, allocation_bytes=None)
        for pool in ("near", "far"):
            await client.volumes.create(pool, asked, preallocation=kind)
        facts = (share.files / "v").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (QEMU_UID, KVM_GID, 0o600)
        assert facts.st_blocks * 512 >= (MIB if kind != "metadata" else 200_000)
        assert facts.st_size == (near / "v").stat().st_size
        assert layout(share.files / "v") == layout(near / "v")
        assert not (await client.volumes.create("far", asked)).changed
        await client.volumes.delete("near", "v")

    async def test_a_raw_file_there_cannot_be_without_copy_on_write(client: AgentClient, share: SquashedShare) -> None:
        with pytest.raises(Unsupported, match="btrfs"):
            await client.volumes.create("far", volume(nocow=True))
        assert names(share) == []

    async def secret_for_volumes(client: AgentClient, **stated: Any) -> SecretRef:
        made = (await client.secrets.set(SecretSpec("volume", "far", **stated), "correct horse")).result
        assert isinstance(made, Secret)
        return SecretRef(uuid=made.uuid)

    @pytest.mark.parametrize(("volume_format", "image_format"), [("raw", "luks"), ("qcow2", "qcow2")])
    async def test_an_encrypted_volume_is_made_with_a_secret_that_libvirt_hands_out(
        client: AgentClient, share: SquashedShare, volume_format: str, image_format: str
    ) -> None:
        secret = await secret_for_volumes(client)
        encryption = VolumeEncryption(secret=secret)
        spec = volume(format=volume_format, encryption=encryption, capacity_bytes=1500)
        made = (await client.volumes.create("far", spec)).result
        assert isinstance(made, Volume)
        assert (made.format, made.encryption, made.capacity_bytes) == (volume_format, "luks", 2048)
        facts = (share.files / "v").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (QEMU_UID, KVM_GID, 0o600)
        assert names(share) == ["v"]
        driver, key = image_format, "key-secret" if image_format == "luks" else "encrypt.key-secret"
        options = f"driver={driver},{key}=k,file.filename={share.files / 'v'}"
        command = ["qemu-img", "measure", "-O", "raw", "--object", "secret,id=k,file=/dev/stdin", "--image-opts"]
        for passphrase, status in ((b"correct horse", 0), (b"battery staple", 1)):
            opened = subprocess.run([*command, options], input=passphrase, capture_output=True, timeout=LIMIT_S)
            assert opened.returncode == status, opened.stderr
        assert not (await client.volumes.create("far", spec)).changed
        await client.secrets.delete(secret, allow_in_use=True)

    async def test_what_libvirt_keeps_to_itself_cannot_encrypt_there(client: AgentClient, share: SquashedShare) -> None:
        secret = await secret_for_volumes(client, private=True)
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.create("far", volume(encryption=VolumeEncryption(secret=secret)))
        assert refused.value.reason == "SECRET_NOT_USABLE"
        assert "not private" in refused.value.message
        assert names(share) == []
        await client.secrets.delete(secret)

    async def test_a_value_that_is_no_passphrase_leaves_nothing(client: AgentClient, share: SquashedShare) -> None:
        await client.secrets.set(SecretSpec("volume", "far"), b"\xff")
        secret = SecretRef(usage_type="volume", usage_id="far")
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.create("far", volume(encryption=VolumeEncryption(secret=secret)))
        assert refused.value.reason == "SECRET_NOT_USABLE"
        assert names(share) == []
        await client.secrets.delete(secret)

    async def test_a_qcow2_volume_has_its_backing_store(client: AgentClient, host: EmbeddedHost) -> None:
        await client.volumes.create("far", volume("base", permissions=Permissions(mode=0o644)))
        base = str(host.pools_dir / "far/base")
        await client.volumes.create("far", volume(format="qcow2", backing_store=BackingStore(path=base, format="raw")))
        found = await client.volumes.get("far", "v", max_staleness_s=0)
        assert found.backing_store
        assert (found.backing_store.path, found.backing_store.format) == (base, "raw")

    @pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
    async def test_what_virsh_cannot_resize_is_resized(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare, volume_format: str
    ) -> None:
        await client.volumes.create("far", volume(format=volume_format))
        beside = tried(host, "vol-resize", "v", "2M", "--pool", "far")
        assert "ermission denied" in beside.stderr
        changes: list[tuple[dict[str, Any], int]] = [
            ({"capacity_bytes": 2 * MIB}, 2 * MIB),
            ({"delta_bytes": MIB}, 3 * MIB),
            ({"capacity_bytes": MIB, "allow_shrink": True}, MIB),
            ({"capacity_bytes": 4 * MIB, "allocate": True}, 4 * MIB),
        ]
        for asked, capacity_bytes in changes:
            assert (await client.volumes.resize("far", "v", **asked)).changed
            assert not (await client.volumes.resize("far", "v", capacity_bytes)).changed
            found = await client.volumes.get("far", "v", max_staleness_s=0)
            assert (found.format, found.capacity_bytes) == (volume_format, capacity_bytes)
        facts = (share.files / "v").stat()
        assert (facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode)) == (QEMU_UID, KVM_GID, 0o600)
        assert facts.st_blocks * 512 >= 3 * MIB
        assert names(share) == ["v"]

    async def test_a_file_of_another_owner_cannot_be_changed_and_that_is_said(
        client: AgentClient, share: SquashedShare
    ) -> None:
        await client.volumes.create("far", volume())
        os.chown(share.files / "v", 1234, 1234)
        (share.files / "v").chmod(0o644)
        for allocate in (False, True):
            with pytest.raises(FailedPrecondition) as refused:
                await client.volumes.resize("far", "v", 2 * MIB, allocate=allocate)
            assert refused.value.reason == "SQUASHED"
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.wipe("far", "v")
        assert refused.value.reason == "SQUASHED"
        assert (share.files / "v").stat().st_size == MIB

    @pytest.mark.parametrize("volume_format", ["raw", "qcow2"])
    async def test_what_virsh_cannot_wipe_is_wiped_with_zeros_only(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare, volume_format: str
    ) -> None:
        await client.volumes.create("far", volume(format=volume_format))
        with (share.files / "v").open("r+b") as file:
            file.seek(-7, os.SEEK_END)
            file.write(b"secret!")
        before = (share.files / "v").stat()
        assert "ermission denied" in tried(host, "vol-wipe", "v", "--pool", "far").stderr
        with pytest.raises(Unsupported) as refused:
            await client.volumes.wipe("far", "v", algorithm="nnsa")
        assert refused.value.reason == "NOT_SUPPORTED_HERE"
        assert (await client.volumes.wipe("far", "v")).changed
        after = (share.files / "v").stat()
        assert (share.files / "v").read_bytes() == bytes(before.st_size)
        assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
        assert (await client.volumes.get("far", "v", max_staleness_s=0)).format == "raw"
        assert names(share) == ["v"]

    async def test_mode_is_as_asked_and_an_owner_that_cannot_be_is_refused(
        client: AgentClient, share: SquashedShare
    ) -> None:
        await client.volumes.create("far", volume(permissions=Permissions(mode=0o640, owner=QEMU_UID)))
        assert stat.S_IMODE((share.files / "v").stat().st_mode) == 0o640
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.create("far", volume("other", permissions=Permissions(owner=1234)))
        assert refused.value.reason == "SQUASHED"
        assert names(share) == ["v"]

    async def test_libvirts_own_document_is_libvirts_to_create_and_its_failure_says_why(client: AgentClient) -> None:
        xml = "<volume><name>x</name><capacity>1048576</capacity><allocation>0</allocation></volume>"
        with pytest.raises(FailedPrecondition) as refused:
            await client.volumes.create("far", VolumeSpec.from_xml(xml))
        assert refused.value.reason == "SQUASHED"

    async def test_a_directory_that_is_not_open_to_others_is_told_at_the_start(
        client: AgentClient, host: EmbeddedHost, share: SquashedShare
    ) -> None:
        await client.pools.stop("far")
        share.give(uid=QEMU_UID, gid=KVM_GID, mode=0o750)
        with pytest.raises(FailedPrecondition) as refused:
            async with asyncio.timeout(AT_ONCE_S):
                await client.pools.start("far")
        assert refused.value.reason == "SQUASHED"
        assert "o+rx" in refused.value.message
        assert f"{host.pools_dir}/far" not in Path(f"/proc/{host.libvirtd.pid}/mounts").read_text()
        share.give(uid=QEMU_UID, gid=KVM_GID, mode=0o755)
        await client.pools.start("far")
        assert (await client.pools.get("far", max_staleness_s=0)).state is PoolState.RUNNING

    async def test_a_directory_that_shows_as_nobodys_tells_of_the_id_mapping(
        client: AgentClient, share: SquashedShare
    ) -> None:
        await client.pools.stop("far")
        share.give(uid=65534, gid=65534, mode=0)
        with pytest.raises(FailedPrecondition) as refused:
            await client.pools.start("far")
        assert refused.value.reason == "IDMAP"

    async def test_a_directory_open_to_all_gets_files_of_qemus_user_too(
        client: AgentClient, share: SquashedShare
    ) -> None:
        share.give(uid=0, gid=0, mode=0o777)
        assert (await client.volumes.create("far", volume())).changed
        assert (share.files / "v").stat().st_uid == QEMU_UID

    async def test_one_at_a_time_is_made_the_others_are_pending_and_a_cancelled_one_leaves_nothing(
        client: AgentClient, share: SquashedShare, slow_host: tuple[EmbeddedHost, SlowQemuImg]
    ) -> None:
        _, slow = slow_host
        slow.hold("before")
        first = await client.volumes.create("far", volume("a"), wait=False)
        await asyncio.to_thread(slow.wait_standing)
        second = await client.volumes.create("far", volume("b"), wait=False)

        async def waits() -> bool:
            return (await client.operations.get(second.id)).state is OperationState.PENDING

        await eventually(waits, limit_s=LIMIT_S, what="the second one waits for its turn")
        first = await client.operations.get(first.id)
        assert (first.state, first.cancellable) == (OperationState.RUNNING, True)
        await client.operations.cancel(first.id)
        with pytest.raises(Cancelled):
            await client.operations.wait(first.id, timeout_s=LIMIT_S)
        slow.let_go()
        assert (await client.operations.wait(second.id, timeout_s=LIMIT_S)).state is OperationState.SUCCEEDED
        assert names(share) == ["b"]

    async def test_many_at_once_are_all_made_and_the_pool_lives_through_it(
        client: AgentClient, share: SquashedShare
    ) -> None:
        wanted = [f"v{number:02}" for number in range(20)]
        made = await asyncio.gather(*(client.volumes.create("far", volume(name, format="qcow2")) for name in wanted))
        assert all(operation.changed for operation in made)
        assert names(share) == wanted
        assert [found.name for found in (await client.volumes.read_all("far", max_staleness_s=0)).volumes] == wanted
        assert (await client.pools.get("far", max_staleness_s=0)).state is PoolState.RUNNING

    async def test_an_agent_that_was_killed_leaves_nothing(
        client: AgentClient, share: SquashedShare, slow_host: tuple[EmbeddedHost, SlowQemuImg]
    ) -> None:
        host, slow = slow_host
        slow.hold("after")
        operation = await client.volumes.create("far", volume(format="qcow2"), wait=False)
        await asyncio.to_thread(slow.wait_standing)
        assert names(share) == [f".poolfleet-new.{operation.id}", ".poolfleet-reserve.v"]
        await asyncio.to_thread(host.agent.kill9)
        slow.let_go()
        await asyncio.to_thread(host.agent.start)

        async def nothing_is_left() -> bool:
            return names(share) == []

        await eventually(nothing_is_left, limit_s=LIMIT_S, what="what was left is removed")
        assert (await client.volumes.create("far", volume(format="qcow2"))).changed
