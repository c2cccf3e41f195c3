"""A pool's diagnosis: which layer fails, what is skipped and why, what is never touched, and what a test leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.pools.probe import ProbePool
from poolfleet_agent.model.diagnosis import Diagnosis, Layer, Outcome
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_failure import MountFailure
from poolfleet_agent.model.pool import HealthStatus, Permissions, PoolFacts
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import (
    Account,
    FileFacts,
    FileKind,
    LayerResult,
    MadeFile,
    MountRequest,
    Rights,
    ServerProbe,
)
from poolfleet_agent.model.share_user import ShareUser
from tests.unit.agent.fake_files import FakeFiles
from tests.unit.agent.fake_host import FakeHost, pool_facts, until, use_case_host

SOON_S = 30.0
LAYERS = [str(layer) for layer in Layer]
SERVER = ["dns", "tcp", "rpc", "export"]
SHARE = "/pools/share"


def netfs(name: str, *, active: bool = True, **definition: Any) -> PoolFacts:
    facts = pool_facts(name, active=active)
    source = NetfsSource(host="192.0.2.1", path=f"/export/{name}", format="nfs")
    defined = replace(facts.definition, type="netfs", source=source, **definition)
    return replace(facts, definition=defined, stored_definition=defined)


class Folders(FakeFiles):
    """Directories of one owner; `rights` is what root has there, `made_by` whom the server takes root for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.written: list[str] = []
        self.root = Rights(read=True, write=True, search=True)
        self.owner = FileFacts(
            kind=FileKind.DIRECTORY, device=1, inode=1, size_bytes=0, allocated_bytes=0, mode=0o755, uid=64055,
            gid=64055, modified_at_s=0.0,
        )  # fmt: skip
        self.made_by = 65534
        self.others_may = False
        self.missing: set[str] = set()
        self.failing: ModelError | None = None

    def acting_as(self, user: ShareUser) -> Folders:
        """The same folders, of somebody who may write in them where `others_may`."""
        self.acted.append(user)
        others = copy(self)
        others.root = replace(self.root, write=self.others_may)
        return others

    async def stat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        self.asked.append(path)
        if self.failing is not None:
            raise self.failing
        return None if path in self.missing else self.owner

    async def lstat(self, path: str, *, timeout_s: float = 5.0) -> FileFacts | None:
        facts = await super().lstat(path)
        return replace(facts, uid=self.made_by) if facts is not None else None

    async def rights(self, path: str, *, timeout_s: float = 5.0) -> Rights:
        return self.root

    async def first_name(self, path: str, *, timeout_s: float = 5.0) -> bytes | None:
        return None

    async def make_exclusive(
        self, path: str, content: bytes, *, unless: str, device: str = "", timeout_s: float = 30.0
    ) -> MadeFile | None:
        if not self.root.write:
            message = f"{path}: Permission denied"
            raise ModelError(Reason.PATH_NOT_USABLE, message, metadata={"path": path, "errno": "EACCES"})
        self.written.append(path)
        return await super().make_exclusive(path, content, unless=unless, device=device)


class Servers:
    """The mounts' port, as far as it is asked: `failure` is the layer that fails, and how."""

    def __init__(self) -> None:
        self.requests: list[MountRequest] = []
        self.failure: tuple[str, MountFailure] | None = None
        self.last = "rpc"
        self.qemu: Account | None = Account(name="libvirt-qemu", uid=64055, gids=(64055,))

    async def probe_server(self, request: MountRequest) -> ServerProbe:
        self.requests.append(request)
        layers = []
        for layer in SERVER[: SERVER.index(self.last) + 1]:
            failure = self.failure[1] if self.failure is not None and self.failure[0] == layer else ""
            layers.append(LayerResult(layer=layer, duration_s=0.001, failure=failure, message=failure))
            if failure:
                break
        return ServerProbe(layers=tuple(layers), addresses=(request.source.host,))

    async def qemu_user(self, uid: int | None) -> Account | None:
        return self.qemu


@pytest.fixture
async def fake() -> AsyncIterator[Any]:
    fake: Any = FakeHost(files=Folders())
    fake.mounts = Servers()
    fake.hypervisor.add(netfs("share"))
    fake.hypervisor.add(netfs("off", active=False))
    fake.hypervisor.add(pool_facts("local"))
    fake.hypervisor.add(pool_facts("on_share", target="/srv/nfs/pool"))
    fake.watch.mount(SHARE, "192.0.2.1:/export/share")
    fake.watch.mount(
        "/srv/nfs", "filer:/vol", super_options=("rw", "vers=3", "port=20490", "mountproto=udp", "addr=192.0.2.2")
    )
    await fake.looker.all_pools()
    fake.files.asked.clear()
    yield fake
    await fake.looker.close()


async def probed(fake: Any, pool: str, *, write_test: bool = False, **rules: Any) -> Diagnosis:
    async with asyncio.timeout(SOON_S):
        return await ProbePool(host=use_case_host(fake, **rules), pool=pool, write_test=write_test).run()


def outcomes(diagnosis: Diagnosis) -> dict[str, str]:
    """What came of each layer: `ok`, `-` for skipped, or its failure."""
    assert [report.layer for report in diagnosis.layers] == list(Layer)
    words = {Outcome.OK: "ok", Outcome.SKIPPED: "-"}
    for report in diagnosis.layers:
        assert (report.duration_s is None) == (report.outcome is Outcome.SKIPPED)
        assert report.message or report.outcome is Outcome.OK
    return {str(report.layer): words.get(report.outcome, report.failure) for report in diagnosis.layers}


def message_of(diagnosis: Diagnosis, layer: Layer) -> str:
    return next(report.message for report in diagnosis.layers if report.layer is layer)


async def test_a_pool_that_is_well_is_well_in_every_layer(fake: Any) -> None:
    found = await probed(fake, "share")
    assert outcomes(found) == {
        **dict.fromkeys(["dns", "tcp", "rpc"], "ok"),
        "export": "-",
        **dict.fromkeys(["mount", "squash", "read"], "ok"),
        "write": "-",
    }
    assert (found.failed, found.advice) == (None, "")
    assert found.verdict == "all that was looked at is well"
    assert "write_test" in message_of(found, Layer.WRITE)
    assert not fake.files.written


async def test_a_stopped_pool_s_server_is_asked_all_the_same(fake: Any) -> None:
    found = await probed(fake, "off")
    assert outcomes(found) == {**dict.fromkeys(SERVER[:3], "ok"), **dict.fromkeys(LAYERS[3:], "-")}
    assert {message_of(found, layer) for layer in (Layer.MOUNT, Layer.READ, Layer.WRITE)} == {"not mounted"}
    assert found.verdict == "the server answers; the pool is not started"
    assert not fake.files.asked


async def test_the_first_layer_that_fails_is_told_of_with_what_to_do_and_those_above_it_say_so(fake: Any) -> None:
    fake.mounts.failure = ("tcp", MountFailure.CONNECTION_REFUSED)
    found = await probed(fake, "off")
    assert outcomes(found)["tcp"] == "CONNECTION_REFUSED"
    assert message_of(found, Layer.RPC) == "tcp failed"
    assert found.verdict.startswith("tcp failed: ")
    assert "server runs" in found.advice


async def test_a_share_that_is_read_though_its_server_refuses_is_told_so(fake: Any) -> None:
    fake.mounts.failure, fake.mounts.last = ("export", MountFailure.TIMED_OUT), "export"
    found = await probed(fake, "share")
    assert outcomes(found)["read"] == "ok"
    assert found.verdict.endswith("what is mounted answers all the same")


async def test_a_dead_mount_is_not_touched(fake: Any) -> None:
    fake.watch.become(SHARE, HealthStatus.UNRESPONSIVE)
    fake.mounts.failure = ("tcp", MountFailure.TIMED_OUT)
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["mount"] == "POOL_UNRESPONSIVE"
    assert message_of(found, Layer.READ) == "mount failed"
    assert not fake.files.asked
    assert not fake.files.written
    assert found.verdict.startswith("tcp failed")


async def test_nothing_is_written_where_the_folder_is_on_another_device_than_the_share(fake: Any) -> None:
    fake.files.lies_on = "8:1"
    assert outcomes(await probed(fake, "share", write_test=True))["write"] == "UNMOUNTED"


@pytest.mark.parametrize("known", [HealthStatus.SUSPECT, None])
async def test_the_next_probe_of_a_suspect_mount_is_waited_for_and_the_first_of_a_new_one(
    fake: Any, known: HealthStatus | None
) -> None:
    if known is not None:
        fake.watch.become(SHARE, known)
    else:
        del fake.watch.known[SHARE]
    asked = asyncio.create_task(probed(fake, "share"))
    await until(lambda: fake.mounts.requests)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asked.done()
    assert not fake.files.asked
    fake.watch.become(SHARE, HealthStatus.HEALTHY)
    assert outcomes(await asked)["read"] == "ok"


async def test_a_share_that_stops_answering_meanwhile_is_asked_once(fake: Any) -> None:
    fake.files.failing = ModelError(Reason.POOL_UNRESPONSIVE, "no answer within 2 s")
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["read"] == "POOL_UNRESPONSIVE"
    assert fake.files.asked == [SHARE]
    fake.mounts.failure = ("rpc", MountFailure.TIMED_OUT)
    assert (await probed(fake, "share")).verdict == "rpc failed: TIMED_OUT (TIMED_OUT)"
    assert not fake.files.written


@pytest.mark.parametrize(("reason", "layer"), [("STALE", "mount"), ("READ_ONLY", "write"), ("FULL", "write")])
async def test_what_the_watch_knows_is_a_failure_of_its_layer(fake: Any, reason: str, layer: str) -> None:
    fake.watch.become(SHARE, HealthStatus.FAULTY, reason)
    for write_test in (False, True):
        found = await probed(fake, "share", write_test=write_test)
        assert outcomes(found)[layer] == reason
        assert found.advice
        assert not fake.files.written


async def test_a_pool_that_lost_its_share_is_not_looked_at_nor_written_below(fake: Any) -> None:
    fake.watch.unmount(SHARE)
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["mount"] == "UNMOUNTED"
    assert not fake.files.asked
    assert not fake.files.written


async def test_another_share_on_the_target_is_not_written_to(fake: Any) -> None:
    fake.watch.unmount(SHARE)
    fake.watch.mount(SHARE, "192.0.2.1:/export/other")
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["mount"] == "WRONG_SHARE"
    assert not fake.files.written


async def test_a_directory_that_root_cannot_list_is_squashed(fake: Any) -> None:
    fake.files.root = Rights(read=False, write=False, search=False)
    fake.files.owner = replace(fake.files.owner, mode=0o750)
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["squash"] == "SQUASHED"
    assert (outcomes(found)["read"], outcomes(found)["write"]) == ("-", "-")
    assert "mode 0750, owner 64055:64055" in message_of(found, Layer.SQUASH)
    assert "o+rx" in found.advice
    assert found.users is not None
    assert (found.users.libvirt_can_list, found.users.root_squashed) == (False, True)


async def test_an_owner_that_shows_as_nobody_is_a_matter_of_id_mapping(fake: Any) -> None:
    fake.hypervisor.add(netfs("share", target_permissions=Permissions(owner=64055)))
    await fake.looker.pool("share")
    fake.files.owner = replace(fake.files.owner, uid=65534)
    assert outcomes(await probed(fake, "share"))["squash"] == "IDMAP"


async def test_a_write_test_tells_whom_root_is_taken_for_and_leaves_nothing(fake: Any) -> None:
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["write"] == "ok"
    assert found.users is not None
    assert (found.users.root_squashed, found.users.root_uid) == (True, 65534)
    assert "root is taken for uid 65534" in message_of(found, Layer.SQUASH)
    (written,) = fake.files.written
    assert written.startswith(f"{SHARE}/.poolfleet-probe.")
    assert not fake.files.kept


async def test_a_directory_in_which_root_may_not_write_is_squashed_for_writing(fake: Any) -> None:
    fake.files.root = Rights(read=True, write=False, search=True)
    found = await probed(fake, "share", write_test=True)
    assert outcomes(found)["squash"] == "ok"
    assert outcomes(found)["write"] == "SQUASHED"


async def test_where_root_may_not_write_the_shares_user_does(fake: Any) -> None:
    fake.files.root = Rights(read=True, write=False, search=True)
    fake.files.others_may = True
    found = await probed(fake, "share", write_test=True)
    assert (found.failed, outcomes(found)["write"]) == (None, "ok")
    assert "as uid 64055" in message_of(found, Layer.WRITE)
    assert set(fake.files.acted) == {ShareUser(uid=64055, gid=64055)}
    assert found.users is not None
    assert (found.users.root_squashed, found.users.root_uid) == (True, None)
    assert not fake.files.kept


async def test_an_agent_that_observes_makes_no_file_and_looks_at_all_else(fake: Any) -> None:
    with pytest.raises(ModelError) as refused:
        await probed(fake, "share", write_test=True, observe_only=True)
    assert refused.value.reason is Reason.OBSERVE_ONLY
    assert (await probed(fake, "share", observe_only=True)).failed is None


async def test_a_local_directory_is_read_and_written_and_there_is_no_server(fake: Any) -> None:
    found = await probed(fake, "local", write_test=True)
    assert outcomes(found) == {**dict.fromkeys([*SERVER, "mount", "squash"], "-"), "read": "ok", "write": "ok"}
    assert not fake.mounts.requests
    assert not fake.files.kept
    fake.files.missing.add("/pools/local")
    found = await probed(fake, "local", write_test=True)
    assert outcomes(found)["read"] == "PATH_NOT_USABLE"
    assert "BuildPool" in found.advice


async def test_a_stopped_local_pool_is_not_written_to(fake: Any) -> None:
    fake.hypervisor.add(pool_facts("local", active=False))
    await fake.looker.pool("local")
    found = await probed(fake, "local", write_test=True)
    assert (outcomes(found)["read"], outcomes(found)["write"]) == ("ok", "-")
    assert not fake.files.written


async def test_a_directory_on_somebodys_mount_has_the_server_of_that_mount(fake: Any) -> None:
    fake.mounts.last = "export"
    found = await probed(fake, "on_share")
    assert outcomes(found) == {**dict.fromkeys(LAYERS[:-1], "ok"), "write": "-"}
    (request,) = fake.mounts.requests
    assert (request.source.host, request.source.path, request.source.format) == ("192.0.2.2", "/vol", "nfs")
    assert request.options == ("vers=3", "port=20490")


async def test_a_pool_without_a_directory_of_files_has_no_layers_to_look_at(fake: Any) -> None:
    facts = pool_facts("local")
    fake.hypervisor.add(replace(facts, definition=replace(facts.definition, type="logical", source=None)))
    await fake.looker.pool("local")
    found = await probed(fake, "local", write_test=True)
    assert set(outcomes(found).values()) == {"-"}
    assert found.verdict.startswith("not looked at")
    assert not fake.files.written
