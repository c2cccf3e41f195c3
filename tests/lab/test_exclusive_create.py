"""Two hosts create volumes of the same names on one share: each is one host's, and nobody's file is overwritten."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from poolfleet import AgentClient, AlreadyExists, CloneSpec, VolumeSpec
from scripts.virtual_lab.host import Host
from scripts.virtual_lab.lab import Lab
from tests.lab.shares import MIB, share

FOLDER = "/srv/nfs/vm_data"
CREATE_LIMIT_S = 240.0
# What each host asks for: so the file tells whose it is.
CAPACITY_BYTES = {"host1": 3 * MIB, "host2": 5 * MIB}


@pytest.fixture
def agents(healthy: Lab) -> Iterator[dict[str, AgentClient]]:
    """Both hosts' agents, with the share as a started pool."""
    clients = {host.name: host.agent(timeout_s=CREATE_LIMIT_S) for host in healthy.hosts}
    try:
        for client in clients.values():
            client.pools.ensure(share())
        yield clients
    finally:
        for client in clients.values():
            client.close()


def files(lab: Lab) -> dict[str, int]:
    """What the server has in the share's folder: the capacity of each image, by its name."""
    program = f"cd {FOLDER} && for file in $(ls -A); do qemu-img info -U --output json $file | tr -d '\\n'; echo; done"
    images = [json.loads(line) for line in lab.server.ssh(program, timeout_s=CREATE_LIMIT_S).splitlines()]
    return {image["filename"]: image["virtual-size"] for image in images}


def create(client: AgentClient, name: str, volume_format: str, capacity_bytes: int) -> bool:
    """Whether the volume is this client's; else it is another's, which was neither changed nor taken for its own."""
    spec = VolumeSpec(name, capacity_bytes=capacity_bytes, allocation_bytes=0, format=volume_format)
    try:
        return client.volumes.create("vm_data", spec).changed
    except AlreadyExists as error:
        if error.reason != "VOLUME_EXISTS":
            raise
        return False


def race(agents: dict[str, AgentClient], names: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Have all hosts create each of the names, of these formats, at the same moment; who says that it did, by name."""
    together = threading.Barrier(len(agents))

    def run(host: str) -> list[bool]:
        made = []
        for name, volume_format in names:
            together.wait(timeout=CREATE_LIMIT_S)
            made.append(create(agents[host], name, volume_format, CAPACITY_BYTES[host]))
        return made

    with ThreadPoolExecutor(len(agents)) as pool:
        answers = dict(zip(agents, pool.map(run, agents), strict=True))
    return {name: [host for host, made in answers.items() if made[number]] for number, (name, _) in enumerate(names)}


def check_that_each_name_is_one_hosts(lab: Lab, agents: dict[str, AgentClient], count: int) -> None:
    names = [(f"v{number:02}", ("qcow2", "raw")[number % 2]) for number in range(count)]
    winners = race(agents, names)
    assert {name: len(hosts) for name, hosts in winners.items()} == dict.fromkeys(winners, 1)
    assert files(lab) == {name: CAPACITY_BYTES[host] for name, [host] in winners.items()}


def test_of_20_names_each_is_made_by_one_host_and_no_reservation_stays(
    healthy: Lab, agents: dict[str, AgentClient]
) -> None:
    check_that_each_name_is_one_hosts(healthy, agents, 20)


@pytest.mark.full
def test_of_50_names_each_is_made_by_one_host(healthy: Lab, agents: dict[str, AgentClient]) -> None:
    check_that_each_name_is_one_hosts(healthy, agents, 50)


def look_for_it_in_vain(host: Host, name: str) -> None:
    """What a host has looked up, it believes not to be there for as long as its cache of the folder holds."""
    assert host.ssh_any(f"stat /srv/pools/vm_data/{shlex.quote(name)}").status != 0


@pytest.mark.full
def test_a_host_that_believes_the_name_free_does_not_overwrite_it(healthy: Lab, agents: dict[str, AgentClient]) -> None:
    one, other = healthy.hosts
    look_for_it_in_vain(one, "late.qcow2")
    assert create(agents[other.name], "late.qcow2", "qcow2", CAPACITY_BYTES[other.name])
    assert not create(agents[one.name], "late.qcow2", "qcow2", CAPACITY_BYTES[one.name])
    assert files(healthy) == {"late.qcow2": CAPACITY_BYTES[other.name]}


@pytest.mark.full
def test_virsh_alone_loses_the_other_hosts_volume(healthy: Lab, agents: dict[str, AgentClient]) -> None:
    """The control of the test above: what it shows to be safe is lost without it."""
    one, other = healthy.hosts
    look_for_it_in_vain(one, "lost.qcow2")
    for host in (other, one):
        size = f"{CAPACITY_BYTES[host.name]}B"
        host.virsh("vol-create-as", "vm_data", "lost.qcow2", size, "--format", "qcow2", timeout_s=CREATE_LIMIT_S)
    assert files(healthy) == {"lost.qcow2": CAPACITY_BYTES[one.name]}


def sources(lab: Lab, agents: dict[str, AgentClient]) -> None:
    """A raw volume for each host to clone, of its own size."""
    for host, capacity_bytes in CAPACITY_BYTES.items():
        assert create(agents[host], f"from-{host}", "raw", capacity_bytes)
    for client in agents.values():
        client.pools.refresh("vm_data")


def clone(client: AgentClient, host: str, name: str) -> bool:
    """Whether the clone is this client's; else it is another's, which was not touched."""
    try:
        return client.volumes.clone("vm_data", f"from-{host}", CloneSpec(name)).changed
    except AlreadyExists as error:
        if error.reason != "VOLUME_EXISTS":
            raise
        return False


def server_digest(lab: Lab, name: str) -> str:
    return lab.server.ssh(f"sha256sum {FOLDER}/{shlex.quote(name)}", timeout_s=CREATE_LIMIT_S).split()[0]


@pytest.mark.full
def test_a_host_that_believes_the_name_free_neither_overwrites_nor_deletes_a_clone(
    healthy: Lab, agents: dict[str, AgentClient]
) -> None:
    one, other = healthy.hosts
    sources(healthy, agents)
    healthy.server.ssh(f"head -c 1M /dev/urandom | dd of={FOLDER}/from-{other.name} conv=notrunc status=none")
    look_for_it_in_vain(one, "late.raw")
    assert clone(agents[other.name], other.name, "late.raw")
    assert server_digest(healthy, "late.raw") == server_digest(healthy, f"from-{other.name}")
    assert not clone(agents[one.name], one.name, "late.raw")
    assert server_digest(healthy, "late.raw") == server_digest(healthy, f"from-{other.name}")
    assert set(files(healthy)) == {"late.raw", f"from-{one.name}", f"from-{other.name}"}


@pytest.mark.full
def test_virsh_alone_deletes_the_other_hosts_clone(healthy: Lab, agents: dict[str, AgentClient]) -> None:
    """The control of the test above: "File exists", and libvirt's clean-up takes the neighbour's file for its own."""
    one, other = healthy.hosts
    sources(healthy, agents)
    look_for_it_in_vain(one, "lost.raw")
    for host in (other, one):
        words = f"virsh vol-clone from-{host.name} lost.raw --pool vm_data"
        assert (host.ssh_any(words, timeout_s=CREATE_LIMIT_S).status == 0) is (host is other)
    assert "lost.raw" not in files(healthy)
