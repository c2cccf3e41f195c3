"""Each path is looked at by the worker of the mount that it lies on, and by none where that mount is dead."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.mount_workers import MountWorkers
from poolfleet_agent.files.routed import RoutedFiles
from poolfleet_agent.files.routes import Routes
from poolfleet_agent.files.worker import THREADS
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_health import MountHealth
from poolfleet_agent.model.mount_table import MountEntry, MountTable
from poolfleet_agent.model.pool import HealthStatus
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes.child import Children
from tests.unit.agent.files.conftest import Hanging

LIMIT_S = 30.0


class FakeWatch:
    """Folders that are taken for network mounts."""

    def __init__(self) -> None:
        self.entries: list[MountEntry] = []
        self.dead: set[str] = set()

    def add(self, folder: Path) -> MountEntry:
        entry = MountEntry(
            mount_id=len(self.entries) + 1, parent_id=0, device="0:9", root="/", target=str(folder), fs_type="nfs4",
            source="server:/export", options=(), super_options=(),
        )  # fmt: skip
        self.entries.append(entry)
        return entry

    def table(self) -> MountTable:
        return MountTable(tuple(self.entries))

    def holding(self, path: str) -> MountEntry | None:
        return self.table().holding(path)

    def health(self, path: str) -> MountHealth | None:
        status = HealthStatus.UNRESPONSIVE if path in self.dead else HealthStatus.HEALTHY
        return MountHealth(status=status, since_s=0, probed_at_s=0)


@pytest.fixture
def watch() -> FakeWatch:
    return FakeWatch()


@pytest.fixture
async def workers(children: Children) -> AsyncIterator[MountWorkers]:
    workers = MountWorkers(lambda user: Channel(children, user=user))
    yield workers
    await workers.close()


@pytest.fixture
def routed(channel: Channel, workers: MountWorkers, watch: FakeWatch) -> RoutedFiles:
    return RoutedFiles(Routes(channel, workers, watch))  # type: ignore[arg-type]


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    return folder


async def test_a_path_on_a_network_mount_has_a_worker_of_its_own(
    routed: RoutedFiles, channel: Channel, workers: MountWorkers, watch: FakeWatch, share: Path
) -> None:
    entry = watch.add(share)
    assert await routed.head(str(share / "file"), 7) == b"content"
    assert channel.worker_pid is None
    assert workers.of(entry).worker_pid is not None
    assert await routed.stat("/etc") is not None
    assert channel.worker_pid not in {None, workers.of(entry).worker_pid}


async def test_links_do_not_lead_the_local_worker_onto_a_network_mount(
    routed: RoutedFiles, channel: Channel, workers: MountWorkers, watch: FakeWatch, share: Path, tmp_path: Path
) -> None:
    (tmp_path / "near").symlink_to(share.name)
    (tmp_path / "direct").symlink_to(f"/etc/../{tmp_path}/./near/file")
    (tmp_path / "out").symlink_to("share/../outside")
    (tmp_path / "circle").symlink_to("circle")
    entry = watch.add(share)
    paths = [str(tmp_path / name) for name in ("near/file", "direct", "out")]
    assert await routed.head(paths[0], 7) == await routed.head(paths[1], 7) == b"content"
    assert workers.of(entry).worker_pid is not None
    watch.dead.add(str(share))
    for path in paths:
        with pytest.raises(ModelError) as refused:
            await routed.head(path, 7)
        assert refused.value.reason is Reason.POOL_UNRESPONSIVE
    with pytest.raises(ModelError) as refused:
        await routed.stat(str(tmp_path / "circle"))
    assert refused.value.reason is Reason.PATH_NOT_USABLE
    assert await routed.stat(str(tmp_path / "missing" / "below")) is None


async def test_a_dead_mount_is_refused_at_once_and_nobody_is_asked(
    routed: RoutedFiles, channel: Channel, workers: MountWorkers, watch: FakeWatch, share: Path
) -> None:
    entry = watch.add(share)
    watch.dead.add(str(share))
    for question in (routed.stat, routed.names, routed.real_path, routed.file_system):
        with pytest.raises(ModelError) as refused:
            await question(str(share))
        assert refused.value.reason is Reason.POOL_UNRESPONSIVE
        assert refused.value.retry_delay_s is not None
    assert workers.of(entry).worker_pid is None
    assert channel.worker_pid is None


async def test_a_slow_directory_is_not_a_missed_probe(
    routed: RoutedFiles, workers: MountWorkers, watch: FakeWatch, hanging: Hanging, tmp_path: Path
) -> None:
    entry = watch.add(tmp_path)
    slow = [asyncio.create_task(routed.head(hanging.file(), 7, timeout_s=LIMIT_S)) for _ in range(THREADS)]
    async with asyncio.timeout(LIMIT_S):
        assert (await workers.ask_sizes(entry)).reason == ""
    assert not any(task.done() for task in slow)
    hanging.let_go()
    await asyncio.gather(*slow)


async def test_the_worker_of_a_mount_that_is_gone_ends(
    routed: RoutedFiles, workers: MountWorkers, watch: FakeWatch, share: Path
) -> None:
    entry = watch.add(share)
    await routed.stat(str(share))
    pid = workers.of(entry).worker_pid
    workers.keep_only([entry])
    assert workers.of(entry).worker_pid == pid
    workers.keep_only([])
    async with asyncio.timeout(LIMIT_S):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)


async def test_a_probe_tells_of_names_and_misses(
    workers: MountWorkers, watch: FakeWatch, share: Path, tmp_path: Path
) -> None:
    assert (await workers.ask_names(watch.add(share))).reason == ""
    with pytest.raises(ModelError) as missed:
        await workers.ask_sizes(watch.add(tmp_path / "nowhere"))
    assert missed.value.reason is Reason.POOL_UNRESPONSIVE
    assert os.strerror(2) in missed.value.message


if os.geteuid() == 0:

    @pytest.fixture
    def open_folder() -> Iterator[Path]:
        """One that any user can reach, as no folder of pytest's can be."""
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="pf-") as made:
            Path(made).chmod(0o777)
            yield Path(made)

    async def test_on_a_network_mount_somebody_else_may_act_and_local_paths_stay_ours(
        routed: RoutedFiles, watch: FakeWatch, open_folder: Path, tmp_path: Path
    ) -> None:
        share = open_folder
        watch.add(share)
        user = ShareUser(uid=64055, gid=107)
        made = await routed.acting_as(user).make_exclusive(str(share / "theirs"), b"", unless="none")
        assert made is not None
        assert made.uid == user.uid
        assert (share / "theirs").stat().st_gid == user.gid
        (share / "closed").mkdir(mode=0o700)
        with pytest.raises(ModelError) as denied:
            await routed.acting_as(user).names(str(share / "closed"))
        assert denied.value.metadata["errno"] == "EACCES"
        assert not await routed.names(str(share / "closed"))
        local = await routed.acting_as(user).make_exclusive(str(tmp_path / "ours"), b"", unless="none")
        assert local is not None
        assert local.uid == 0
