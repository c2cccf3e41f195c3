"""The life of a pool on a real libvirtd, through the agent and the client library."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from poolfleet import Operation, Pool, PoolSpec
from poolfleet.types.pool import Desired, HealthStatus, PoolState
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.virsh import virsh


@pytest.fixture(scope="module")
def module_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    new = EmbeddedHost("pools", short_dir)
    new.libvirtd.learn_emulators_from(libvirtd)
    with new:
        yield new


@pytest.fixture(scope="module")
def agent(module_host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
    with poolfleet.AgentClient(module_host.agent.target) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_left(agent: poolfleet.AgentClient) -> Iterator[None]:
    yield
    for pool in list(agent.pools.list()):
        agent.pools.stop(pool.name)
        with contextlib.suppress(poolfleet.NotFound):  # a transient one is gone
            agent.pools.undefine(pool.name)


def spec(host: EmbeddedHost, name: str) -> PoolSpec:
    return PoolSpec.dir(name, target=str(host.pools_dir / name))


def pool_of(operation: Operation) -> Pool:
    assert isinstance(operation.result, Pool)
    return operation.result


@pytest.mark.cell("dir", "define", "build", "start")
def test_a_pool_is_defined_built_started_stopped_and_forgotten(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    defined = agent.pools.define(spec(module_host, "life"))
    assert defined.changed
    assert pool_of(defined).state is PoolState.INACTIVE
    assert "life" in virsh(module_host, "pool-list", "--all", "--name").split()

    with pytest.raises(poolfleet.FailedPrecondition) as missing:
        agent.pools.start("life")
    assert missing.value.reason == "PATH_NOT_USABLE"
    agent.pools.build("life")
    started = pool_of(agent.pools.start("life"))
    assert started.state is PoolState.RUNNING
    assert started.health
    assert started.health.status is HealthStatus.HEALTHY
    assert (started.capacity_bytes or 0) > (started.available_bytes or 0) > 0
    assert started.desired_state
    assert started.desired_state.desired is Desired.STARTED

    assert pool_of(agent.pools.stop("life")).state is PoolState.INACTIVE
    agent.pools.undefine("life")
    assert "life" not in virsh(module_host, "pool-list", "--all", "--name").split()
    with pytest.raises(poolfleet.NotFound):
        agent.pools.get("life")
    assert (module_host.pools_dir / "life").is_dir()


def test_what_already_is_as_asked_is_not_changed(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    assert set(agent.pools.ensure(spec(module_host, "same")).changes) == {"defined", "built", "started", "autostart"}
    assert agent.pools.ensure(spec(module_host, "same")).changes == ()
    assert not agent.pools.define(spec(module_host, "same")).changed
    assert not agent.pools.start("same").changed
    agent.pools.stop("same")
    assert not agent.pools.stop("same").changed
    agent.pools.undefine("same")
    assert not agent.pools.undefine("same", allow_missing=True).changed
    assert not agent.pools.erase("same", allow_missing=True).changed


def test_a_pool_of_the_name_that_differs_is_refused_with_the_fields(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    agent.pools.define(spec(module_host, "other"))
    with pytest.raises(poolfleet.AlreadyExists) as exists:
        agent.pools.define(PoolSpec.dir("other", target=str(module_host.pools_dir / "elsewhere")))
    assert exists.value.reason == "POOL_EXISTS"
    assert exists.value.metadata["fields"] == "target.path"


def test_typed_and_xml_forms_of_a_pool_give_the_same_pool(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    target = module_host.pools_dir / "twice"
    xml = f"<pool type='dir'><name>twice</name><target><path>{target}//</path></target></pool>"
    agent.pools.define(PoolSpec.from_xml(xml))
    assert not agent.pools.define(PoolSpec.dir("twice", target=str(target))).changed
    assert not agent.pools.define(PoolSpec.from_xml(xml)).changed


@pytest.mark.parametrize("target", ["taken", "taken/below", ""], ids=["the same", "one inside", "one around"])
def test_the_place_of_another_pool_is_refused(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient, target: str
) -> None:
    agent.pools.define(spec(module_host, "taken"))
    with pytest.raises(poolfleet.PoolfleetError) as refused:
        agent.pools.define(PoolSpec.dir("second", target=str(module_host.pools_dir / target)))
    assert refused.value.reason == ("SOURCE_IN_USE" if target == "taken" else "TARGET_IN_USE")
    assert refused.value.metadata["existing_pool"] == "taken"


def test_a_transient_pool_goes_with_its_stop(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    (module_host.pools_dir / "brief").mkdir()
    pool = pool_of(agent.pools.define(spec(module_host, "brief"), transient=True))
    assert pool.state is PoolState.RUNNING
    assert not pool.persistent
    with pytest.raises(poolfleet.FailedPrecondition) as transient:
        agent.pools.undefine("brief")
    assert transient.value.reason == "POOL_TRANSIENT"
    assert agent.pools.stop("brief").result is None
    with pytest.raises(poolfleet.NotFound):
        agent.pools.get("brief")


def test_what_waits_for_the_next_start_is_pending(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    agent.pools.ensure(spec(module_host, "moved"))
    agent.pools.update(
        "moved", spec=PoolSpec.dir("moved", target=str(module_host.pools_dir / "there")), mask=["spec.target.path"]
    )
    pool = agent.pools.get("moved")
    assert pool.pending
    assert pool.pending.fields == ("target.path",)
    assert pool.target
    assert pool.target.path.endswith("/moved")
    agent.pools.stop("moved")
    assert agent.pools.get("moved").pending is None
    moved = agent.pools.get("moved")
    assert moved.target
    assert moved.target.path.endswith("/there")


def test_autostart_is_changed_and_shown(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    agent.pools.define(spec(module_host, "auto"))
    agent.pools.update("auto", autostart=True)
    assert "Autostart:      yes" in virsh(module_host, "pool-info", "auto")
    agent.pools.update("auto", autostart=False)
    assert not agent.pools.get("auto").autostart


def test_an_etag_covers_the_definition_and_not_the_usage(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    before = agent.pools.ensure(spec(module_host, "tagged")).pool
    (module_host.pools_dir / "tagged" / "file").write_bytes(bytes(1 << 20))
    agent.pools.refresh("tagged")
    after = agent.pools.get("tagged")
    assert after.etag == before.etag
    assert after.volume_count == 1
    agent.pools.update("tagged", autostart=False, etag=after.etag)
    with pytest.raises(poolfleet.Aborted) as stale:
        agent.pools.stop("tagged", etag=after.etag)
    assert stale.value.reason == "ETAG_MISMATCH"


def test_what_anybody_does_on_the_host_is_seen(module_host: EmbeddedHost, agent: poolfleet.AgentClient) -> None:
    agent.pools.ensure(spec(module_host, "shared"))
    virsh(module_host, "pool-destroy", "shared")
    assert agent.pools.get("shared", max_staleness_s=0).state is PoolState.INACTIVE
    (module_host.pools_dir / "theirs").mkdir()
    virsh(module_host, "pool-define-as", "theirs", "dir", "--target", str(module_host.pools_dir / "theirs"))
    assert agent.pools.get("theirs").state is PoolState.INACTIVE


@pytest.mark.cell("dir", "erase")
def test_erasing_destroys_an_empty_directory_and_keeps_the_definition(
    module_host: EmbeddedHost, agent: poolfleet.AgentClient
) -> None:
    agent.pools.ensure(spec(module_host, "erased"))
    with pytest.raises(poolfleet.FailedPrecondition) as active:
        agent.pools.erase("erased")
    assert active.value.reason == "POOL_ACTIVE"
    agent.pools.stop("erased")
    agent.pools.erase("erased")
    assert not (module_host.pools_dir / "erased").exists()
    assert agent.pools.get("erased").state is PoolState.INACTIVE
