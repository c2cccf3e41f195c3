"""Who we are on a share: asked once for each mount, and again after a denial."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.volumes.create import CreateVolume
from poolfleet_agent.control.volumes.delete import DeleteVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.pool import HealthStatus, Permissions
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import Rights
from poolfleet_agent.model.reservation import Holder
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.model.volume import VolumeDefinition
from tests.unit.agent.fake_host import MIB, QEMU_USER, FakeHost, operations, pool_facts, until, use_case_host

OWNER = ShareUser(uid=1000, gid=100)
DENIED = ModelError(Reason.PATH_NOT_USABLE, "Permission denied", metadata={"errno": "EACCES"})
SQUASHED = Rights(read=True, write=False, search=True)
CLOSED = Rights(read=False, write=False, search=False)


@pytest.fixture
async def fake() -> AsyncIterator[FakeHost]:
    """A host with the pool `p` on a share whose directory is OWNER's."""
    fake = FakeHost()
    facts = pool_facts("p")
    definition = replace(facts.definition, type="netfs", source=NetfsSource(host="server", path="/export"))
    fake.watch.mount("/pools/p", "server:/export")
    fake.hypervisor.add(replace(facts, definition=definition, stored_definition=definition))
    fake.files.folders["/pools/p"] = OWNER
    await fake.looker.all_pools()
    yield fake
    await fake.looker.close()


def entry(fake: FakeHost) -> Any:
    return fake.registry.snapshot.entry("p")


def creation(fake: FakeHost, *, xml: str = "", **stated: Any) -> CreateVolume:
    asked: dict[str, Any] = {"name": "v", "format": "raw", "capacity_bytes": MIB, "allocation_bytes": 0} | stated
    host = use_case_host(fake)
    return CreateVolume(host=host, promises=Promises(), pool="p", definition=VolumeDefinition(**asked), xml=xml)


async def create(fake: FakeHost, **asked: Any) -> Operation:
    return await operations().submit(creation(fake, **asked), Caller(name="unix", rpc="CreateVolume"))


async def test_a_share_that_lets_root_write_is_roots(fake: FakeHost) -> None:
    acting = await fake.actors.acting(entry(fake))
    assert (acting.user, acting.squashed) == (ROOT, False)


async def test_where_root_may_not_write_the_directorys_owner_acts(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    acting = await fake.actors.acting(entry(fake))
    assert (acting.user, acting.squashed) == (OWNER, True)
    assert fake.files.acted == [OWNER]


async def test_a_local_pool_and_an_agent_that_is_not_root_are_never_asked_about(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    fake.actors.may_switch = False
    assert not (await fake.actors.acting(entry(fake))).squashed
    fake.actors.may_switch = True
    fake.watch.unmount("/pools/p")
    assert not (await fake.actors.acting(entry(fake))).squashed


async def test_the_server_is_asked_once_for_a_mount_and_again_for_the_next(
    fake: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def rights(path: str, *, timeout_s: float = 5.0) -> Rights:
        asked.append(path)
        return SQUASHED

    monkeypatch.setattr(fake.files, "rights", rights)
    for _ in range(3):
        await fake.actors.acting(entry(fake))
    assert asked == ["/pools/p"]
    fake.watch.unmount("/pools/p")
    fake.watch.mount("/pools/p", "server:/export")
    await fake.actors.acting(entry(fake))
    assert len(asked) == 2


@pytest.mark.parametrize("known_first", [True, False])
async def test_a_share_that_was_read_only_is_not_taken_for_squashed_afterwards(
    fake: FakeHost, known_first: bool
) -> None:
    fake.files.root_may = SQUASHED
    if not known_first:
        await fake.actors.acting(entry(fake))
    fake.watch.become("/pools/p", HealthStatus.FAULTY, Reason.READ_ONLY)
    await fake.actors.acting(entry(fake))
    fake.watch.become("/pools/p", HealthStatus.HEALTHY)
    fake.files.root_may = Rights(read=True, write=True, search=True)
    assert not (await fake.actors.acting(entry(fake))).squashed


@pytest.mark.parametrize(("owner", "reason"), [(OWNER, "SQUASHED"), (ShareUser(uid=65534, gid=65534), "IDMAP")])
async def test_a_share_that_root_cannot_list_is_not_started(fake: FakeHost, owner: ShareUser, reason: str) -> None:
    definition = entry(fake).pool.definition
    await fake.actors.check_listable(definition)
    fake.files.root_may, fake.files.folders["/pools/p"] = CLOSED, owner
    with pytest.raises(ModelError) as refused:
        await fake.actors.check_listable(definition)
    assert refused.value.reason == reason
    fake.files.root_may = SQUASHED
    await fake.actors.check_listable(definition)


async def test_a_reservation_that_only_the_owner_may_read_is_known_for_our_own(fake: FakeHost) -> None:
    path = "/pools/p/.poolfleet-reserve.v"
    fake.files.root_may = SQUASHED
    fake.files.kept[path] = Holder(agent_id="agent", operation_id="ours", host="here", created=1.0).content()
    fake.files.private[path] = OWNER
    assert (await create(fake)).changed
    assert list(fake.files.kept) == ["/pools/p/v"]


async def test_a_volume_is_made_as_the_owner_and_then_seen_by_one_refresh(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    operation = await create(fake, format="qcow2")
    assert operation.changed
    ((image, user),) = fake.images.made
    assert (user, image.format, image.size_bytes) == (OWNER, "qcow2", MIB)
    assert image.path == f"/pools/p/.poolfleet-new.{operation.id}"
    assert list(fake.files.kept) == ["/pools/p/v"]
    assert fake.hypervisor.called.count("refresh_pool p") == 1
    assert "create_volume p v" not in fake.hypervisor.called


async def test_volumes_that_are_made_at_once_are_seen_by_two_refreshes_at_most(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    refreshing = fake.hypervisor.hold("refresh_pool p")
    running = operations()
    asked = [
        asyncio.create_task(running.submit(creation(fake, name=name), Caller(name="unix", rpc="CreateVolume")))
        for name in "abcdef"
    ]
    await until(lambda: len(fake.images.made) == len(asked) and len(fake.files.kept) == len(asked))
    refreshing.set()
    assert all(operation.changed for operation in await asyncio.gather(*asked))
    assert fake.hypervisor.called.count("refresh_pool p") <= 2


async def test_a_share_open_to_all_is_found_out_by_whose_the_reservation_is(fake: FakeHost) -> None:
    fake.files.makes_as, fake.files.folders["/pools/p"] = 65534, ROOT
    assert (await create(fake)).changed
    assert [user for _, user in fake.images.made] == [QEMU_USER]


async def test_on_a_share_that_knows_root_libvirt_creates_and_qemus_user_gets_it(fake: FakeHost) -> None:
    made = fake.hypervisor.create_volume

    async def create_volume(pool: str, xml: str, **how: Any) -> Any:
        fake.files.kept["/pools/p/v"] = b""
        return await made(pool, xml, **how)

    fake.hypervisor.create_volume = create_volume
    assert (await create(fake)).changed
    assert fake.images.made == []
    assert fake.files.given == {"/pools/p/v": QEMU_USER}


@pytest.mark.parametrize("stated", [{"permissions": Permissions(owner=7)}, {"xml": "<volume><name>v</name></volume>"}])
async def test_what_states_an_owner_and_a_document_of_the_callers_own_stay_as_they_are(
    fake: FakeHost, stated: Any
) -> None:
    assert (await create(fake, **stated)).changed
    assert fake.files.given == {}


async def test_an_owner_that_no_file_there_can_be_given_is_refused_before_work_begins(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    with pytest.raises(ModelError) as refused:
        await create(fake, permissions=Permissions(owner=7))
    assert refused.value.reason is Reason.SQUASHED
    assert (await create(fake, permissions=Permissions(owner=OWNER.uid, mode=0o640))).changed


async def test_a_file_that_came_meanwhile_is_compared_and_stays(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    making = fake.images.create

    async def make(*arguments: Any, **more: Any) -> None:
        await making(*arguments, **more)
        fake.files.kept["/pools/p/v"] = b"a neighbour's"

    fake.images.create = make  # type: ignore[method-assign]
    operation = await create(fake)
    assert operation.state is OperationState.SUCCEEDED
    assert not operation.changed
    assert fake.files.kept == {"/pools/p/v": b"a neighbour's"}


async def test_a_failure_leaves_nothing_and_a_denial_is_asked_about_anew(fake: FakeHost) -> None:
    fake.files.root_may, fake.images.failing = SQUASHED, DENIED
    failure = (await create(fake)).failure
    assert failure is not None
    assert failure.reason is Reason.SQUASHED
    assert fake.files.kept == {}
    fake.files.root_may, fake.images.failing = Rights(read=True, write=True, search=True), None
    assert (await create(fake)).changed
    assert len(fake.images.made) == 1


async def test_what_smb_denies_may_be_qemus_own_lock(fake: FakeHost) -> None:
    fake.watch.unmount("/pools/p")
    fake.watch.mount("/pools/p", "//server/export", fs_type="cifs")
    fake.files.root_may, fake.images.failing = SQUASHED, DENIED
    failure = (await create(fake)).failure
    assert failure is not None
    assert failure.reason is Reason.PATH_NOT_USABLE
    assert "nobrl" in failure.message


async def test_a_creation_that_is_cancelled_leaves_nothing(fake: FakeHost) -> None:
    fake.files.root_may, fake.images.held = SQUASHED, asyncio.Event()
    running = operations()
    asked = asyncio.create_task(running.submit(creation(fake), Caller(name="unix", rpc="CreateVolume")))
    await until(lambda: fake.images.made)
    (operation,) = running.journal.newest_first()
    assert (await running.cancel(operation.id)).state is OperationState.CANCELLED
    assert (await asked).state is OperationState.CANCELLED
    assert fake.files.kept == {}


@pytest.mark.parametrize("root_may", [SQUASHED, Rights(read=True, write=True, search=True)])
async def test_what_libvirt_may_not_delete_who_acts_there_does(fake: FakeHost, root_may: Rights) -> None:
    """As the owner, where root is squashed; as root, where libvirt would unlink as the file's owner and may not."""
    fake.files.root_may = root_may
    assert (await create(fake)).changed
    fake.files.kept["/pools/p/v"] = b""
    fake.hypervisor.failing["delete_volume p v"] = ModelError(Reason.SQUASHED, "Permission denied")
    deletion = DeleteVolume(host=use_case_host(fake), pool="p", volume="v", allow_in_use=True)
    await operations().submit(deletion, Caller(name="unix", rpc="DeleteVolume"))
    assert fake.files.kept == {}


async def test_nothing_is_removed_where_the_folder_is_on_another_device_than_the_share(fake: FakeHost) -> None:
    assert (await create(fake)).changed
    fake.files.kept["/pools/p/v"] = b"below the share"
    fake.files.lies_on = "8:1"
    fake.hypervisor.failing["delete_volume p v"] = ModelError(Reason.SQUASHED, "Permission denied")
    deletion = DeleteVolume(host=use_case_host(fake), pool="p", volume="v", allow_in_use=True)
    failure = (await operations().submit(deletion, Caller(name="unix", rpc="DeleteVolume"))).failure
    assert failure is not None
    assert failure.reason is Reason.UNMOUNTED
    assert list(fake.files.kept) == ["/pools/p/v"]


@pytest.mark.parametrize("cancelled", [False, True])
async def test_how_a_creation_ended_is_told_where_what_it_began_cannot_be_removed(
    fake: FakeHost, cancelled: bool
) -> None:
    async def unlink_if(path: str, **how: Any) -> bool:
        raise ModelError(Reason.POOL_UNRESPONSIVE, "no answer")

    fake.files.root_may, fake.files.unlink_if = SQUASHED, unlink_if
    fake.images.held, fake.images.failing = asyncio.Event(), ModelError(Reason.FULL, "no space")
    running = operations()
    asked = asyncio.create_task(running.submit(creation(fake), Caller(name="unix", rpc="CreateVolume")))
    await until(lambda: fake.images.made)
    (operation,) = running.journal.newest_first()
    if cancelled:
        assert (await running.cancel(operation.id)).state is OperationState.CANCELLED
    fake.images.held.set()
    ended = await asked
    assert ended.failure is not None
    assert ended.failure.reason is (Reason.OPERATION_CANCELLED if cancelled else Reason.FULL)
