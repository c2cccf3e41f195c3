"""Pools on devices that only a kernel of one's own has: volume groups, iSCSI targets, SCSI adapters, multipath devices.

What each of them comes to is asked of the host itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from poolfleet import (
    AgentClient,
    AlreadyExists,
    CloneSpec,
    FailedPrecondition,
    InvalidArgument,
    PoolfleetError,
    PoolSpec,
    SecretSpec,
    SecretWithValue,
    SourceAuth,
    Unsupported,
    VolumeSpec,
)
from poolfleet.types.pool import PoolState
from poolfleet.types.pool_source import LogicalSource
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from scripts.virtual_lab.server import (
    ISCSI_GUARDED_TARGET,
    ISCSI_PASSWORD,
    ISCSI_TARGET,
    ISCSI_UNIT_BYTES,
    ISCSI_UNITS,
    ISCSI_USER,
)
from tests.lab.devices import SCSI_BYTES, initiate, loop_device, multipath, scsi_adapters, sizes
from tests.lab.shares import MIB

INITIATOR = "iqn.2026-01.lab.host1:poolfleet"


@pytest.fixture
def device(host: Host, agent: AgentClient) -> Iterator[str]:
    with loop_device(host, agent) as made:
        yield made


@pytest.fixture
def served(healthy: Lab) -> Lab:
    """The lab with an iSCSI server."""
    healthy.server.start_iscsi()
    return healthy


def groups(host: Host) -> list[str]:
    return host.ssh("vgs --noheadings --options vg_name").split()


def logical_volumes(host: Host, group: str) -> dict[str, int]:
    told = host.ssh(f"lvs --noheadings --nosuffix --units b --options lv_name,lv_size {group}").split()
    return {name: int(size) for name, size in zip(told[::2], told[1::2], strict=True)}


@pytest.mark.cell("logical", "define", "build", "start", "erase")
def test_a_volume_group_is_made_started_and_erased(host: Host, agent: AgentClient, device: str) -> None:
    spec = PoolSpec.logical("vms", devices=[device])
    agent.pools.define(spec)
    assert f"<device path='{device}'/>" in host.virsh("pool-dumpxml", "vms")
    with pytest.raises(FailedPrecondition) as unbuilt:
        agent.pools.start("vms")
    assert unbuilt.value.reason == "PATH_NOT_USABLE"
    agent.pools.stop("vms")  # or it would be started as soon as it is built
    agent.pools.build("vms", no_overwrite=True)
    assert groups(host) == ["vms"]
    with pytest.raises(FailedPrecondition) as built:
        agent.pools.build("vms", no_overwrite=True)
    assert built.value.reason == "POOL_ALREADY_BUILT"
    agent.pools.start("vms")
    pool = agent.pools.get("vms")
    assert pool.source == LogicalSource(name="vms", devices=(device,), format="lvm2")
    assert pool.target and pool.target.path == "/dev/vms"
    extents_bytes = int(host.ssh("vgs --noheadings --nosuffix --units b --options vg_size vms"))
    assert pool.capacity_bytes == pool.available_bytes == extents_bytes
    assert not agent.pools.define(spec).changed
    agent.pools.stop("vms")
    agent.pools.erase("vms")
    assert groups(host) == []


@pytest.mark.cell("logical", "volume")
def test_logical_volumes_are_made_found_wiped_cloned_and_deleted(host: Host, agent: AgentClient, device: str) -> None:
    agent.pools.define(PoolSpec.logical("vms", devices=[device]))
    agent.pools.build("vms")
    agent.pools.start("vms")
    for name, capacity_bytes in (("data", 8 * MIB), ("odd", 5 * MIB)):
        spec = VolumeSpec(name, capacity_bytes=capacity_bytes)
        assert agent.volumes.create("vms", spec).changed
        assert not agent.volumes.create("vms", spec).changed
    # Two extents of LVM's each.
    assert logical_volumes(host, "vms") == {"data": 8 * MIB, "odd": 8 * MIB}
    assert {volume.name: volume.capacity_bytes for volume in agent.volumes.list("vms", max_staleness_s=0)} == {
        "data": 8 * MIB,
        "odd": 8 * MIB,
    }
    with pytest.raises(AlreadyExists):
        agent.volumes.create("vms", VolumeSpec("odd", capacity_bytes=4 * MIB))
    with pytest.raises(InvalidArgument) as misnamed:
        agent.volumes.create("vms", VolumeSpec("two words", capacity_bytes=4 * MIB))
    assert misnamed.value.reason == "INVALID_FIELD"
    volume = agent.volumes.get("vms", "data")
    assert (volume.path, volume.type) == ("/dev/vms/data", "block")
    assert agent.volumes.lookup(path="/dev/vms/data").name == "data"

    written = host.ssh("dd if=/dev/urandom bs=1M count=1 status=none | tee /dev/vms/data | md5sum")
    agent.volumes.clone("vms", "data", CloneSpec("copy"))
    assert host.ssh(f"head -c {MIB} /dev/vms/copy | md5sum") == written
    agent.volumes.wipe("vms", "data")
    host.ssh(f"cmp -n {8 * MIB} /dev/vms/data /dev/zero")
    for name in ("data", "odd"):
        agent.volumes.delete("vms", name)
    assert logical_volumes(host, "vms") == {"copy": 8 * MIB}


def given(agent: AgentClient, pool: str) -> None:
    """A pool whose volumes are its source's: it makes and deletes none, and destroys nothing."""
    name = next(volume.name for volume in agent.volumes.list(pool))
    with pytest.raises(Unsupported, match="given by the pool's source"):
        agent.volumes.create(pool, VolumeSpec("new", capacity_bytes=MIB))
    with pytest.raises(Unsupported, match="given by the pool's source"):
        agent.volumes.clone(pool, name, CloneSpec("new"))
    with pytest.raises(Unsupported):
        agent.volumes.delete(pool, name)
    agent.pools.stop(pool)
    with pytest.raises(Unsupported) as erased:
        agent.pools.erase(pool)
    assert erased.value.reason == "NOT_SUPPORTED_HERE"
    assert agent.pools.get(pool, max_staleness_s=0).state is PoolState.INACTIVE


@pytest.mark.cell("iscsi", "define", "build", "start", "volume", "erase")
def test_an_iscsi_target_is_logged_in_to_its_units_are_used_and_kept(
    served: Lab, host: Host, agent: AgentClient
) -> None:
    initiate(host)
    found = agent.pools.discover("iscsi", host="nfs.lab").sources
    assert {device for source in found for device in source.devices} == {ISCSI_TARGET, ISCSI_GUARDED_TARGET}
    spec = PoolSpec.iscsi("san", host="nfs.lab", device=ISCSI_TARGET)
    agent.pools.define(spec)
    assert ISCSI_TARGET in host.virsh("pool-dumpxml", "san")
    agent.pools.build("san")
    agent.pools.start("san")
    assert ISCSI_TARGET in host.ssh("iscsiadm --mode session")
    assert not agent.pools.define(spec).changed
    volumes = list(agent.volumes.list("san", max_staleness_s=0))
    assert [volume.name for volume in volumes] == [f"unit:0:0:{number}" for number in ISCSI_UNITS]
    assert sizes(host, *(volume.path for volume in volumes)) == [ISCSI_UNIT_BYTES] * 2
    assert {volume.capacity_bytes for volume in volumes} == {ISCSI_UNIT_BYTES}
    served.server.ssh("dd if=/dev/urandom of=/srv/iscsi/unit1 bs=1M count=1 conv=notrunc status=none")
    agent.volumes.wipe("san", volumes[0].name)
    served.server.ssh(f"cmp -n {ISCSI_UNIT_BYTES} /srv/iscsi/unit1 /dev/zero")
    given(agent, "san")
    assert host.ssh_any("iscsiadm --mode session").out == ""


@pytest.mark.full
def test_a_target_that_asks_who_logs_in_is_used_with_a_secret_that_was_set_through_us(
    served: Lab, host: Host, agent: AgentClient
) -> None:
    initiate(host)
    auth = SourceAuth(username=ISCSI_USER, secret_usage="san")
    spec = PoolSpec.iscsi("guarded", host="nfs.lab", device=ISCSI_GUARDED_TARGET, auth=auth)
    agent.pools.define(spec)
    with pytest.raises(FailedPrecondition) as unknown:
        agent.pools.start("guarded")
    assert unknown.value.reason == "SECRET_NOT_USABLE"
    named = SecretSpec("iscsi", "san")
    agent.secrets.set(named, "not the password")
    with pytest.raises(PoolfleetError):
        agent.pools.start("guarded")
    assert host.ssh_any("iscsiadm --mode session").out == ""
    assert agent.pools.ensure(spec, secret=SecretWithValue(named, ISCSI_PASSWORD)).changes == ("autostart", "started")
    assert ISCSI_GUARDED_TARGET in host.ssh("iscsiadm --mode session")
    (volume,) = agent.volumes.list("guarded", max_staleness_s=0)
    assert sizes(host, volume.path) == [volume.capacity_bytes] == [ISCSI_UNIT_BYTES]
    agent.pools.stop("guarded")
    assert ISCSI_PASSWORD not in host.agent_log()
    host.ssh(f"! grep --recursive --quiet --fixed-strings {ISCSI_PASSWORD} /var/lib/poolfleet-agent")


@pytest.mark.full
@pytest.mark.cell("iscsi-direct", "define", "build", "start", "volume", "erase")
def test_an_iscsi_target_is_used_without_the_kernel(served: Lab, host: Host, agent: AgentClient) -> None:
    spec = PoolSpec.iscsi_direct("direct", host="nfs.lab", device=ISCSI_TARGET, initiator=INITIATOR)
    agent.pools.define(spec)
    assert INITIATOR in host.virsh("pool-dumpxml", "direct")
    agent.pools.build("direct")
    agent.pools.start("direct")
    assert "running" in host.virsh("pool-info", "direct")
    assert not agent.pools.define(spec).changed
    volumes = {volume.name: volume for volume in agent.volumes.list("direct", max_staleness_s=0)}
    # Unit 0 is the target's own.
    assert set(volumes) == {f"unit:0:0:{number}" for number in (0, *ISCSI_UNITS)}
    unit = volumes["unit:0:0:1"]
    assert unit.type == "network"
    assert 0 <= ISCSI_UNIT_BYTES - (unit.capacity_bytes or 0) <= 512  # libvirt takes the number of the last block
    given(agent, "direct")


@pytest.mark.full
@pytest.mark.cell("scsi", "define", "build", "start", "volume", "erase")
def test_the_disk_behind_a_scsi_adapter_is_a_volume(host: Host, agent: AgentClient) -> None:
    with scsi_adapters(host, agent, 1) as (adapter,):
        spec = PoolSpec.scsi("hba", adapter=adapter, target="/dev/disk/by-id")
        agent.pools.define(spec)
        assert adapter in host.virsh("pool-dumpxml", "hba")
        agent.pools.build("hba")
        agent.pools.start("hba")
        assert not agent.pools.define(spec).changed
        (volume,) = agent.volumes.list("hba", max_staleness_s=0)
        assert volume.path.startswith("/dev/disk/by-id/")
        assert sizes(host, volume.path) == [volume.capacity_bytes] == [SCSI_BYTES]
        host.ssh(f"dd if=/dev/urandom of={volume.path} bs=1M count=1 conv=fsync status=none")
        agent.volumes.wipe("hba", volume.name)
        host.ssh(f"cmp -n {SCSI_BYTES} {volume.path} /dev/zero")
        given(agent, "hba")


@pytest.mark.full
@pytest.mark.cell("mpath", "define", "build", "start", "volume", "erase")
def test_what_two_paths_lead_to_is_one_volume(host: Host, agent: AgentClient) -> None:
    with multipath(host, agent) as name:
        agent.pools.define(PoolSpec.mpath("paths"))
        assert "<pool type='mpath'>" in host.virsh("pool-dumpxml", "paths")
        agent.pools.build("paths")
        agent.pools.start("paths")
        assert not agent.pools.define(PoolSpec.mpath("paths")).changed
        (volume,) = agent.volumes.list("paths", max_staleness_s=0)
        assert volume.path == f"/dev/mapper/{name}"
        assert sizes(host, volume.path) == [volume.capacity_bytes] == [SCSI_BYTES]
        given(agent, "paths")
