"""Shares that are no NFS: of SMB, which the agent mounts, and of gluster, which libvirt does."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from poolfleet import AgentClient, FailedPrecondition, PoolfleetError, PoolSpec, Unsupported, VolumeSpec
from poolfleet.types.pool import HealthStatus, PoolState
from poolfleet.types.pool_spec import MountOwner
from poolfleet.types.retry import RetryPolicy
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, NOTICED_LIMIT_S, SLOWER, gluster, local, smb, wait_for

pytestmark = pytest.mark.full

FIRST_FAILURE_S = 3.0 * SLOWER
BACK_LIMIT_S = 180.0
BRIEFLY = RetryPolicy(deadline_s=20)


@pytest.fixture
def served(healthy: Lab) -> Iterator[Lab]:
    """The lab with an SMB server."""
    healthy.server.start_smb()
    yield healthy
    healthy.server.heal()


def used(agent: AgentClient, spec: PoolSpec) -> None:
    """Volumes of both formats are made, found, refreshed and deleted."""
    for volume_format in ("raw", "qcow2"):
        volume = VolumeSpec(volume_format, capacity_bytes=MIB, allocation_bytes=0, format=volume_format)
        assert agent.volumes.create(spec.name, volume).changed
        assert not agent.volumes.create(spec.name, volume).changed
    agent.pools.refresh(spec.name)
    listed = {volume.name: volume.capacity_bytes for volume in agent.volumes.list(spec.name, max_staleness_s=0)}
    assert listed == {"raw": MIB, "qcow2": MIB}
    for name in listed:
        agent.volumes.delete(spec.name, name)


def test_a_share_of_smb_is_mounted_used_and_unmounted(served: Lab, host: Host, agent: AgentClient) -> None:
    spec = smb()
    agent.pools.ensure(spec)
    pool = agent.pools.get("smb")
    assert pool.mount is not None
    assert pool.mount.owner is MountOwner.AGENT
    assert pool.storage is not None
    assert pool.storage.id.startswith("cifs:")
    used(agent, spec)
    assert served.server.ssh("ls -A /srv/smb/vm_data") == ""
    agent.pools.stop("smb")
    assert host.mounts() == []


def test_without_nobrl_no_image_can_be_written_and_that_is_said(served: Lab, agent: AgentClient) -> None:
    agent.pools.define(smb(options=("uid=libvirt-qemu",)))
    agent.pools.build("smb")
    assert "nobrl" in agent.pools.start("smb").warnings[0]
    with pytest.raises(FailedPrecondition) as refused:
        agent.volumes.create("smb", VolumeSpec("image", capacity_bytes=MIB, format="qcow2"))
    assert refused.value.reason == "PATH_NOT_USABLE"
    assert "nobrl" in refused.value.message
    assert served.server.ssh("ls -A /srv/smb/vm_data") == ""


def failures(agent: AgentClient, error: PoolfleetError) -> list[str]:
    """The kinds of a failed start's attempts, of which the first failed soon."""
    assert error.operation_id
    attempts = agent.operations.get(error.operation_id).attempts
    assert attempts[0].duration_s is not None
    assert attempts[0].duration_s < FIRST_FAILURE_S
    return [attempt.failure for attempt in attempts]


@pytest.mark.parametrize(
    ("path", "failure"), [("missing", "NO_SUCH_EXPORT"), ("closed", "LOGIN_FAILED")], ids=["missing", "closed"]
)
def test_a_share_of_smb_that_is_refused_says_why(
    served: Lab, host: Host, agent: AgentClient, path: str, failure: str
) -> None:
    agent.pools.define(smb(path=path))
    agent.pools.build("smb")
    with pytest.raises(PoolfleetError) as refused:
        agent.pools.start("smb", retry=BRIEFLY)
    assert failures(agent, refused.value)[-1] == failure
    assert host.mounts() == []


@pytest.mark.parametrize(("way", "failure"), [("refused", "CONNECTION_REFUSED"), ("silent", "TIMED_OUT")])
def test_an_smb_server_that_fails_is_told_by_its_kind(
    served: Lab, host: Host, agent: AgentClient, way: str, failure: str
) -> None:
    agent.pools.define(smb())
    agent.pools.build("smb")
    if way == "refused":
        served.server.refuse()
    else:
        served.server.silent()
    with pytest.raises(PoolfleetError) as refused:
        agent.pools.start("smb", retry=BRIEFLY)
    assert set(failures(agent, refused.value)) == {failure}
    assert host.mounts() == []


def test_a_share_of_smb_that_falls_silent_holds_up_nothing_and_is_back_with_its_server(
    served: Lab, host: Host, agent: AgentClient
) -> None:
    agent.pools.ensure(smb())
    agent.pools.ensure(local())
    served.server.silent()
    wait_for(agent, HealthStatus.UNRESPONSIVE, "smb", limit_s=NOTICED_LIMIT_S)
    assert {pool.name for pool in agent.pools.list()} == {"smb", "local"}
    agent.pools.refresh("local")
    assert "local" in host.virsh("pool-list")
    served.server.heal()
    wait_for(agent, HealthStatus.HEALTHY, "smb", limit_s=BACK_LIMIT_S)
    used(agent, smb())


def test_it_is_got_rid_of_by_force(served: Lab, host: Host, agent: AgentClient) -> None:
    agent.pools.ensure(smb())
    agent.pools.ensure(local())
    served.server.silent()
    host.ssh("setsid virsh pool-refresh smb >/dev/null 2>&1 </dev/null &")
    wait_for(agent, HealthStatus.UNRESPONSIVE, "smb", limit_s=NOTICED_LIMIT_S)
    began_s = time.monotonic()
    agent.pools.stop("smb", force=True)
    assert time.monotonic() - began_s < 30 * SLOWER
    assert host.mounts() == []
    assert "smb" not in host.virsh("pool-list")


@pytest.mark.cell("gluster", "define", "build", "start", "volume", "erase")
def test_a_gluster_volume_is_used_without_a_mount(healthy: Lab, host: Host, agent: AgentClient) -> None:
    healthy.server.start_gluster()
    host.ssh("modprobe fuse")
    # libvirt makes no files by this way: they come by another.
    mounted = gluster("mounted")
    agent.pools.ensure(mounted)
    for name in ("kept", "deleted"):
        agent.volumes.create("mounted", VolumeSpec(name, capacity_bytes=MIB))
    agent.pools.stop("mounted")

    spec = PoolSpec.gluster("direct", hosts=["nfs.lab"], source_name="vm_data")
    agent.pools.define(spec)
    assert "<pool type='gluster'>" in host.virsh("pool-dumpxml", "direct")
    agent.pools.build("direct")
    agent.pools.start("direct")
    assert host.mounts() == []
    assert not agent.pools.define(spec).changed
    listed = {volume.name: volume.capacity_bytes for volume in agent.volumes.list("direct", max_staleness_s=0)}
    assert listed == {"kept": MIB, "deleted": MIB}
    assert agent.volumes.get("direct", "kept").path == "gluster://nfs.lab/vm_data/kept"
    with pytest.raises(Unsupported, match="given by the pool's source"):
        agent.volumes.create("direct", VolumeSpec("new", capacity_bytes=MIB))
    agent.volumes.delete("direct", "deleted")
    assert healthy.server.ssh("ls /srv/gluster/vm_data").split() == ["kept"]
    agent.volumes.delete("direct", "kept")
    agent.pools.stop("direct")
    with pytest.raises(Unsupported):
        agent.pools.erase("direct")


def test_a_gluster_volume_is_mounted_by_libvirt_used_and_unmounted(
    healthy: Lab, host: Host, agent: AgentClient
) -> None:
    healthy.server.start_gluster()
    host.ssh("modprobe fuse")
    spec = gluster()
    agent.pools.ensure(spec)
    pool = agent.pools.get("gluster")
    assert pool.state is PoolState.RUNNING
    assert pool.mount is not None
    assert pool.mount.owner is MountOwner.LIBVIRT
    used(agent, spec)
    agent.pools.stop("gluster")
    assert host.mounts() == []
