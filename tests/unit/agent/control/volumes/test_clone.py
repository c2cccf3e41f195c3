"""Clones: what is refused for who writes to the source, for space and for dead shares; who reads, and who owns."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from poolfleet_agent.control.left_overs import LeftOvers
from poolfleet_agent.control.mutation import Caller
from poolfleet_agent.control.volumes.clone import CloneVolume
from poolfleet_agent.control.volumes.space import Promises
from poolfleet_agent.model.domain_disk import DiskRole, DomainReading, DomainReference, DomainState
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image_options import ImageOptions
from poolfleet_agent.model.operation import Operation, OperationState
from poolfleet_agent.model.pool import HealthStatus, Permissions
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import Rights
from poolfleet_agent.model.secret import SecretDefinition, SecretRef, SecretValue
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.model.volume import VolumeDefinition, VolumeEncryption
from tests.unit.agent.fake_host import MIB, QEMU_USER, FakeHost, operations, pool_facts, use_case_host

CALLER = Caller(name="unix", rpc="CloneVolume")
OWNER = ShareUser(uid=1000, gid=100)
SQUASHED = Rights(read=True, write=False, search=True)
SOURCE = "/pools/p/src"


@pytest.fixture
async def fake(fake: FakeHost) -> FakeHost:
    """The local pools `p`, which has the volume `src`, and `q`."""
    fake.hypervisor.add(pool_facts("p"), "src")
    fake.hypervisor.add(pool_facts("q"))
    fake.files.kept[SOURCE] = b"content"
    await fake.looker.all_pools()
    return fake


async def share(fake: FakeHost, pool: str, **rights: Any) -> None:
    """Put a pool on a share whose directory is OWNER's."""
    facts = fake.hypervisor.pools[pool]
    definition = replace(facts.definition, type="netfs", source=NetfsSource(host="server", path=f"/{pool}"))
    fake.watch.mount(f"/pools/{pool}", f"server:/{pool}")
    fake.hypervisor.pools[pool] = replace(facts, definition=definition, stored_definition=definition)
    fake.files.folders[f"/pools/{pool}"] = OWNER
    await fake.looker.all_pools()


def mutation(fake: FakeHost, **asked: Any) -> CloneVolume:
    stated: dict[str, Any] = {"pool": "q", "definition": VolumeDefinition(name="new")} | asked
    return CloneVolume(host=use_case_host(fake), promises=Promises(), source_pool="p", source_volume="src", **stated)


async def clone(fake: FakeHost, **asked: Any) -> Operation:
    return await operations().submit(mutation(fake, **asked), CALLER)


def used_by(fake: FakeHost, state: DomainState, *, read_only: bool = False) -> None:
    reference = DomainReference(
        domain="web", domain_uuid="1", domain_state=state, role=DiskRole.DISK, target="vda", source_kind="file",
        path=SOURCE, format="raw", read_only=read_only,
    )  # fmt: skip
    fake.hypervisor.domains = DomainReading(references=(reference,))


async def test_what_a_running_guest_writes_to_is_refused_unless_that_is_allowed(fake: FakeHost) -> None:
    used_by(fake, DomainState.ACTIVE)
    with pytest.raises(ModelError) as refused:
        await clone(fake)
    assert refused.value.reason is Reason.VOLUME_IN_USE
    assert "web" in refused.value.metadata["users"]
    assert (await clone(fake, allow_in_use=True)).changed
    assert fake.images.copied[0][0].forced


@pytest.mark.parametrize(("state", "read_only"), [(DomainState.INACTIVE, False), (DomainState.ACTIVE, True)])
async def test_what_nobody_writes_to_now_is_copied(fake: FakeHost, state: DomainState, read_only: bool) -> None:
    used_by(fake, state, read_only=read_only)
    done = await clone(fake)
    assert (done.changed, done.warnings) == (True, ())
    assert not fake.images.copied[0][0].forced


async def test_a_linked_clone_is_warned_of_guests_that_would_spoil_it(fake: FakeHost) -> None:
    used_by(fake, DomainState.INACTIVE)
    said = await operations().submit(mutation(fake, linked=True), CALLER, validate_only=True)
    assert "web" in said.warnings[0]


async def test_who_cannot_tell_whether_guests_write_to_it_copies_nothing(fake: FakeHost) -> None:
    fake.hypervisor.domains = DomainReading(references=(), missing=("qemu:///system: away",))
    with pytest.raises(ModelError) as refused:
        await clone(fake)
    assert refused.value.reason is Reason.LIBVIRT_UNAVAILABLE


async def test_what_was_measured_not_to_fit_is_refused_before_anything_is_made(fake: FakeHost) -> None:
    fake.images.measured_bytes = fake.files.holds_bytes = 1001 * MIB
    before = dict(fake.files.kept)
    for volume_format in ("raw", "qcow2"):
        failure = (await clone(fake, definition=VolumeDefinition(name="new", format=volume_format))).failure
        assert failure is not None
        assert failure.reason is Reason.NO_SPACE
    assert fake.images.made == []
    assert fake.files.kept == before


async def test_a_raw_file_in_too_many_pieces_is_measured_by_a_program(fake: FakeHost) -> None:
    fake.files.holds_bytes, fake.images.measured_bytes = None, 1001 * MIB
    failure = (await clone(fake)).failure
    assert failure is not None
    assert failure.reason is Reason.NO_SPACE


async def test_a_raw_copy_takes_one_program_and_any_other_is_made_by_one_too(fake: FakeHost) -> None:
    assert (await clone(fake)).changed
    assert fake.images.made == []
    assert (await clone(fake, definition=VolumeDefinition(name="other", format="qcow2"))).changed
    assert [image.format for image, _ in fake.images.made] == ["qcow2"]
    assert len(fake.images.copied) == 2


async def test_a_copy_that_is_cancelled_while_its_file_is_made_leaves_none(fake: FakeHost) -> None:
    """The file may come after whoever asked for it has gone: who removes it waits for that."""
    making, begun, made = fake.files.make_empty, asyncio.Event(), asyncio.Event()

    async def make_late(*what: Any, **how: Any) -> None:
        begun.set()
        await made.wait()
        await making(*what, **how)

    fake.files.make_empty = make_late
    running, before = operations(), dict(fake.files.kept)
    asked = asyncio.create_task(running.submit(mutation(fake), CALLER))
    await begun.wait()
    (going,) = running.journal.newest_first()
    cancelling = asyncio.create_task(running.cancel(going.id))
    await asyncio.sleep(0)
    made.set()
    assert (await cancelling).state is OperationState.CANCELLED
    await asked
    assert fake.files.kept == before


async def test_copies_at_once_are_not_all_promised_the_last_free_bytes(fake: FakeHost) -> None:
    promises = Promises()
    first = replace(mutation(fake), promises=promises)
    fake.files.holds_bytes = 600 * MIB
    seen: list[int] = []
    copying = fake.images.copy

    async def copy(*what: Any, **how: Any) -> None:
        seen.append(promises.of("q").at_once_bytes)
        await copying(*what, **how)

    fake.images.copy = copy  # type: ignore[method-assign]
    await operations().submit(first, CALLER)
    assert seen == [600 * MIB]
    assert promises.of("q").at_once_bytes == 0


@pytest.mark.parametrize("dead", ["p", "q"])
async def test_neither_from_a_dead_share_nor_onto_one_is_anything_copied(fake: FakeHost, dead: str) -> None:
    await share(fake, dead)
    fake.watch.become(f"/pools/{dead}", HealthStatus.UNRESPONSIVE)
    with pytest.raises(ModelError) as refused:
        await clone(fake)
    assert refused.value.reason is Reason.POOL_UNRESPONSIVE


async def test_below_an_unmounted_share_nothing_is_made(fake: FakeHost) -> None:
    await share(fake, "q")
    fake.watch.become("/pools/q", HealthStatus.FAULTY, Reason.UNMOUNTED)
    with pytest.raises(ModelError) as refused:
        await clone(fake)
    assert refused.value.reason is Reason.UNMOUNTED


@pytest.mark.parametrize(
    ("on_shares", "reader"), [((), ROOT), (("q",), OWNER), (("p",), OWNER)], ids=["local", "onto", "from"]
)
async def test_who_may_do_both_copies(fake: FakeHost, on_shares: tuple[str, ...], reader: ShareUser) -> None:
    fake.files.root_may = SQUASHED
    for pool in on_shares:
        await share(fake, pool)
    assert (await clone(fake)).changed
    assert [user for _, user in fake.images.copied] == [reader]
    assert fake.files.kept["/pools/q/new"] == b"content"


async def test_what_is_copied_as_another_becomes_roots_again_before_it_has_its_name(fake: FakeHost) -> None:
    fake.files.root_may = SQUASHED
    await share(fake, "p")
    owners: list[ShareUser] = []
    lstat, give = fake.files.lstat, fake.files.give

    async def lstat_as_given(path: str, **how: Any) -> Any:
        facts, owner = await lstat(path, **how), fake.files.given.get(path)
        return replace(facts, uid=owner.uid, gid=owner.gid) if facts and owner else facts

    async def noted(path: str, *, inode: int, user: ShareUser, **how: Any) -> bool:
        assert ".poolfleet-new." in path
        owners.append(user)
        given: bool = await give(path, inode=inode, user=user)
        return given

    fake.files.lstat, fake.files.give = lstat_as_given, noted
    assert (await clone(fake)).changed
    assert owners == [OWNER, ROOT]


async def test_on_a_share_that_knows_root_it_becomes_qemus_users(fake: FakeHost) -> None:
    await share(fake, "q")
    assert (await clone(fake)).changed
    assert fake.files.given == {"/pools/q/new": QEMU_USER}
    stated = VolumeDefinition(name="other", permissions=Permissions(owner=7, group=8))
    assert (await clone(fake, definition=stated)).changed
    assert "/pools/q/other" not in fake.files.given
    assert ShareUser(uid=7, gid=8) in fake.files.given.values()


async def test_what_is_outside_the_pools_folders_is_not_read(fake: FakeHost) -> None:
    facts = fake.hypervisor.volumes["p"]["src"]
    fake.hypervisor.volumes["p"]["src"] = replace(facts, path="/etc/shadow")
    with pytest.raises(ModelError) as refused:
        await clone(fake)
    assert refused.value.reason is Reason.PATH_NOT_ALLOWED


async def test_what_is_encrypted_is_opened_by_its_secret_and_so_is_the_copy(fake: FakeHost) -> None:
    facts = fake.hypervisor.volumes["p"]["src"]
    fake.hypervisor.volumes["p"]["src"] = replace(facts, encryption="luks")
    fake.files.kept[SOURCE] = b"LUKS\xba\xbe and the rest"
    with pytest.raises(ModelError) as refused:
        await clone(fake)
    assert (refused.value.reason, refused.value.metadata["secret"]) == (Reason.SECRET_NOT_FOUND, f"volume:{SOURCE}")
    value = SecretValue(b"hunter2")
    await fake.hypervisor.secrets.set(SecretDefinition(usage_type="volume", usage_id=SOURCE), value)
    assert (await clone(fake)).changed
    [(read, _)], [(made, _)] = fake.images.copied, fake.images.made
    assert [(layer.format, layer.passphrase) for layer in read.layers] == [("luks", value)]
    assert (made.format, made.passphrase) == ("luks", value)


async def test_how_much_a_luks_container_takes_does_not_hang_on_what_is_empty_in_the_source(fake: FakeHost) -> None:
    secret = SecretRef(usage_type="volume", usage_id="k")
    await fake.hypervisor.secrets.set(SecretDefinition(usage_type="volume", usage_id="k"), SecretValue(b"x"))
    encryption = VolumeEncryption(format="luks", secret=secret)
    large = VolumeDefinition(name="new", capacity_bytes=1001 * MIB, encryption=encryption)
    failure = (await clone(fake, definition=large)).failure
    assert failure is not None
    assert failure.reason is Reason.NO_SPACE
    assert (await clone(fake, definition=replace(large, encryption=None))).changed


async def test_a_qcow2_copy_is_laid_out_as_its_source_is(fake: FakeHost) -> None:
    facts = fake.hypervisor.volumes["p"]["src"]
    fake.hypervisor.volumes["p"]["src"] = replace(
        facts, format="qcow2", compat="1.1", features=("lazy_refcounts", "later"), cluster_size_bytes=4096
    )
    fake.files.kept[SOURCE] = b"QFI\xfb\0\0\0\3".ljust(512, b"\0")
    await clone(fake)
    layout = ImageOptions(compat="1.1", features=("lazy_refcounts",), cluster_size_bytes=4096)
    assert fake.images.made[0][0].options == layout
    await clone(fake, definition=VolumeDefinition(name="other", format="qed"))
    assert fake.images.made[1][0].options == ImageOptions()


async def test_what_is_no_file_is_cloned_by_libvirt_and_cannot_be_cancelled(fake: FakeHost) -> None:
    facts = fake.hypervisor.pools["q"]
    logical = replace(facts.definition, type="logical")
    fake.hypervisor.pools["q"] = replace(facts, definition=logical, stored_definition=logical)
    await fake.looker.all_pools()
    done = await clone(fake)
    assert done.changed
    assert "clone_volume q new p/src" in fake.hypervisor.called
    assert fake.images.made == []


async def test_what_a_share_that_died_keeps_of_a_copy_is_removed_when_it_is_back(fake: FakeHost) -> None:
    await share(fake, "q")
    removing, running = fake.files.unlink_if, operations()

    async def copy(*what: Any, **how: Any) -> None:
        fake.files.unlink_if = not_removed
        raise ModelError(Reason.POOL_UNRESPONSIVE, "no answer")

    async def not_removed(path: str, **how: Any) -> bool:
        if ".poolfleet-new." in path:
            raise ModelError(Reason.POOL_UNRESPONSIVE, "no answer")
        removed: bool = await removing(path, **how)
        return removed

    fake.images.copy = copy  # type: ignore[method-assign]
    operation = await running.submit(mutation(fake), CALLER)
    assert operation.failure is not None
    assert sorted(fake.files.kept) == [SOURCE, f"/pools/q/.poolfleet-new.{operation.id}"]
    fake.files.unlink_if = removing
    await LeftOvers(host=use_case_host(fake), journal=running.journal).sweep()
    assert list(fake.files.kept) == [SOURCE]


async def test_a_clone_that_others_may_see_already_is_not_told_as_cancelled(
    fake: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, published, seen = fake.files.publish, asyncio.Event(), asyncio.Event()

    async def slow_publish(*arguments: Any, **more: Any) -> Any:
        inode = await publish(*arguments, **more)
        published.set()
        await seen.wait()
        return inode

    monkeypatch.setattr(fake.files, "publish", slow_publish)
    under_way = operations()
    cloning = asyncio.ensure_future(under_way.submit(mutation(fake), CALLER))
    await published.wait()
    (running,) = under_way.journal.newest_first()
    with pytest.raises(ModelError) as refused:
        await under_way.cancel(running.id)
    assert refused.value.reason is Reason.NOT_CANCELLABLE
    seen.set()
    assert (await cloning).changed
