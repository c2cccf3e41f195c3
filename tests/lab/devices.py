"""Devices that a host of the lab is given for one test, and what the host itself says of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from poolfleet import AgentClient
from scripts.embedded.process import wait_until
from scripts.virtual_lab.host import Host

READY_LIMIT_S = 120.0
DISK_BYTES = 64 << 20
SCSI_BYTES = 8 << 20
_IMAGE = "/var/lib/poolfleet-lab.image"


@contextmanager
def loop_device(host: Host, agent: AgentClient) -> Iterator[str]:
    """A disk on a file; no pool is started afterwards, and no volume group is left on it."""
    host.ssh("modprobe loop && modprobe dm_mod")
    device = host.ssh(f"truncate -s {DISK_BYTES} {_IMAGE} && losetup --find --show {_IMAGE}").strip()
    try:
        yield device
    finally:
        stop_pools(agent)
        host.ssh(f"vgchange --quiet --activate n && losetup --detach {device} && rm {_IMAGE}")


@contextmanager
def scsi_adapters(host: Host, agent: AgentClient, count: int) -> Iterator[list[str]]:
    """Names of SCSI adapters of the kernel's that lead to one and the same disk; no pool is started afterwards."""
    host.ssh("modprobe sd_mod")
    host.ssh(f"modprobe scsi_debug add_host={count} vpd_use_hostno=0 dev_size_mb={SCSI_BYTES >> 20} && udevadm settle")
    try:
        yield host.ssh("cd /sys/class/scsi_host && grep -l scsi_debug */proc_name | xargs dirname").split()
    finally:
        stop_pools(agent)
        host.ssh("modprobe --remove scsi_debug")


@contextmanager
def multipath(host: Host, agent: AgentClient) -> Iterator[str]:
    """The name of a device that two paths lead to."""
    with scsi_adapters(host, agent, 2):
        host.ssh("modprobe dm_service_time && multipathd")
        try:
            wait_until(lambda: maps(host) != [], limit_s=READY_LIMIT_S, what="multipathd joins the paths")
            (name,) = maps(host)
            yield name
        finally:
            stop_pools(agent)
            host.ssh("multipathd shutdown")
            wait_until(lambda: unmapped(host), limit_s=READY_LIMIT_S, what="the paths are alone again")


def maps(host: Host) -> list[str]:
    """The multipath devices that its kernel has."""
    lines = host.ssh("dmsetup ls --target multipath").splitlines()
    return [line.split()[0] for line in lines if "\t" in line]


def unmapped(host: Host) -> bool:
    """Take its multipath devices apart; whether it has none any more."""
    host.ssh_any("multipath -F")
    return maps(host) == []


def initiate(host: Host) -> None:
    """Have it speak iSCSI."""
    host.ssh("modprobe iscsi_tcp && { pidof -q iscsid || iscsid; }")


def sizes(host: Host, *devices: str) -> list[int]:
    """Bytes of block devices, as its kernel has them."""
    return [int(line) for line in host.ssh(f"blockdev --getsize64 {shlex.join(devices)}").split()]


def stop_pools(agent: AgentClient) -> None:
    """Stop whatever pools it has, before their devices go."""
    for pool in list(agent.pools.list()):
        agent.pools.stop(pool.name)
