"""Several hosts, from a fleet file: who is asked, how answers are put together, and what the codes say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc

from poolfleet.v1 import domain_disk_pb2, operation_pb2, pool_pb2, snapshot_pb2
from tests.unit.client.cli.conftest import Hosts, Ran, Terminal
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.stub_agent import Refusal

SHARE = "nfs:nfs.example.com/share"


def table(ran: Ran) -> list[list[str]]:
    return [line.split() for line in ran.lines]


def share_a_volume(agents: Sequence[LivingAgent]) -> None:
    for agent in agents:
        storage = snapshot_pb2.Storage(id=SHARE, source=snapshot_pb2.Storage.SOURCE_CONFIGURED)
        agent.has_pool("vm_data", storage=storage)
        agent.has_volume("vm_data", "web1.qcow2", format="qcow2")


async def test_alike_pools_stand_in_one_line_and_bad_ones_first_with_their_reason(hosts: Hosts) -> None:
    for agent in hosts.agents:
        agent.has_pool("a")
        agent.has_pool("vm_data")
    bad = hosts.agents[2].pools["vm_data"].health
    bad.status, bad.reason = pool_pb2.PoolHealth.STATUS_UNRESPONSIVE, "POOL_UNRESPONSIVE"
    bad.message = "it does not answer"
    lines = table(await hosts.poolfleet("pool", "list"))
    assert [line[:5] for line in lines[1:4]] == [
        ["vm_data", "dir", "1/3", "running", "unresponsive"],
        ["a", "dir", "3/3", "running", "healthy"],
        ["vm_data", "dir", "2/3", "running", "healthy"],
    ]
    assert lines[-1] == ["kvm3", "POOL_UNRESPONSIVE", "-", "it", "does", "not", "answer"]


async def test_by_host_each_host_has_its_line(hosts: Hosts) -> None:
    for agent in hosts.agents:
        agent.has_pool("a")
    lines = table(await hosts.poolfleet("pool", "list", "--by-host", "--no-headers"))
    assert [line[:2] for line in lines] == [["kvm1", "a"], ["kvm2", "a"], ["kvm3", "a"]]


async def test_hosts_are_chosen_by_glob_and_label(hosts: Hosts) -> None:
    hosts.agents[0].has_pool("one")
    hosts.agents[2].has_pool("three")
    assert (await hosts.poolfleet("pool", "list", "-o", "name", "-H", "kvm*", "-H", "!kvm1")).lines == ["three"]
    assert (await hosts.poolfleet("pool", "list", "-o", "name", "-l", "rack=r1")).lines == ["one"]


async def test_a_change_names_its_hosts(hosts: Hosts) -> None:
    for agent in hosts.agents:
        agent.has_pool("p")
    unnamed = await hosts.poolfleet("pool", "stop", "p")
    assert unnamed.code == 2
    assert "--all-hosts" in unnamed.err
    assert not any("StopPool" in agent.called for agent in hosts.agents)


async def test_a_change_on_several_hosts_is_asked_about_and_without_a_terminal_refused(hosts: Hosts) -> None:
    for agent in hosts.agents:
        agent.has_pool("p")
    unanswered = await hosts.poolfleet("pool", "stop", "p", "-A")
    assert unanswered.code == 2
    assert "Stop pool p on 3 hosts?" in unanswered.err
    one = await hosts.poolfleet("pool", "stop", "p", "-H", "kvm2")
    assert (one.code, one.out) == (0, "pool p stopped\n")
    agreed = await hosts.poolfleet("pool", "stop", "p", "-A", "--yes")
    assert (agreed.code, agreed.out) == (0, "2 stopped, 1 already inactive\n")


async def test_failures_are_told_by_host_and_batches_stop_after_the_first(hosts: Hosts) -> None:
    for agent in hosts.agents:
        agent.has_pool("p", state=pool_pb2.POOL_STATE_INACTIVE)
    refusal = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "MOUNT_FAILED", "access denied by server")
    hosts.agents[0].on("StartPool", refusal)
    ran = await hosts.poolfleet("pool", "start", "p", "-A", "-y", "--batch", "1")
    assert (ran.code, ran.out) == (1, "1 failed, 2 skipped\n")
    assert ran.err.startswith("kvm1: access denied by server;")
    at_once = await hosts.poolfleet("pool", "start", "p", "-A", "-y", "-o", "json")
    statuses = [host["status"] for host in json.loads(at_once.out)["hosts"]]
    assert statuses == ["failed", "changed", "changed"]


async def test_an_unreachable_host_leaves_a_read_whole_and_its_lack_is_told(hosts: Hosts) -> None:
    hosts.agents[0].has_pool("p")
    await hosts.agents[2].stop()
    ran = await hosts.poolfleet("pool", "list", "-o", "json")
    document = json.loads(ran.out)
    assert ran.code == 0
    assert document["complete"] is False
    assert [host["status"] for host in document["hosts"]] == ["ok", "ok", "unreachable"]
    assert ran.err.startswith("kvm3: ")
    assert (await hosts.poolfleet("pool", "list", "--require-complete")).code == 1
    for agent in hosts.agents:
        await agent.stop()
    assert (await hosts.poolfleet("pool", "list")).code == 3


async def test_a_pool_that_only_some_hosts_have_is_found_there(hosts: Hosts) -> None:
    hosts.agents[1].has_pool("p")
    ran = await hosts.poolfleet("pool", "show", "p", "-o", "json")
    assert (ran.code, ran.err) == (0, "")
    assert [pool["host"] for pool in json.loads(ran.out)["pools"]] == ["kvm2"]
    assert (await hosts.poolfleet("pool", "show", "nix")).code == 4


async def test_a_volume_of_a_shared_storage_is_listed_once_and_named_on_one_host(hosts: Hosts) -> None:
    share_a_volume(hosts.agents)
    disk = domain_disk_pb2.DomainDisk(domain="web1", pool="vm_data", volume="web1.qcow2")
    hosts.agents[1].disks.append(disk)
    [row] = table(await hosts.poolfleet("volume", "list", "vm_data", "--no-headers"))
    assert (row[0], row[4]) == ("web1.qcow2", "web1")
    assert (await hosts.poolfleet("volume", "show", "kvm2:vm_data/web1.qcow2", "--field", "path")).lines == [
        "/srv/vm_data/web1.qcow2"
    ]
    refused = await hosts.poolfleet("volume", "delete", "kvm3:vm_data/web1.qcow2")
    assert (refused.code, "used by domain web1 on kvm2" in refused.err) == (5, True)
    hosts.agents[1].disks.clear()
    assert (await hosts.poolfleet("volume", "delete", "kvm3:vm_data/web1.qcow2")).code == 0
    assert [len(agent.volumes) for agent in hosts.agents] == [1, 1, 0]


def asked(hosts: Hosts, rpc: str) -> list[int]:
    return [len(agent.sent(rpc)) for agent in hosts.agents]


async def test_a_volume_of_one_storage_is_changed_by_one_host_and_none_need_be_named(hosts: Hosts) -> None:
    share_a_volume(hosts.agents)
    assert (await hosts.poolfleet("volume", "resize", "vm_data/web1.qcow2", "2G")).out == (
        "volume vm_data/web1.qcow2 resized\n"
    )
    assert (await hosts.poolfleet("volume", "create", "vm_data/web2.qcow2", "1G")).code == 0
    # No question is asked: it is one change, whoever is named.
    assert (await hosts.poolfleet("volume", "wipe", "/srv/vm_data/web1.qcow2", "--all-hosts")).code == 0
    assert (await hosts.poolfleet("volume", "delete", "vm_data/web1.qcow2", "--host", "kvm*")).code == 0
    for rpc in ("ResizeVolume", "CreateVolume", "WipeVolume", "DeleteVolume"):
        assert sorted(asked(hosts, rpc)) == [0, 0, 1], rpc


async def test_volumes_of_each_host_s_own_are_changed_on_the_hosts_that_are_named(hosts: Hosts) -> None:
    for number, agent in enumerate(hosts.agents, 1):
        source = snapshot_pb2.Storage.SOURCE_DERIVED
        agent.has_pool("local", storage=snapshot_pb2.Storage(id=f"host:agent-{number}:fs:/local", source=source))
        agent.has_volume("local", "v")
    ran = await hosts.poolfleet("volume", "delete", "local/v")
    assert (ran.code, "which of the 3 hosts?" in ran.err) == (2, True)
    await hosts.agents[2].stop()
    ran = await hosts.poolfleet("volume", "delete", "local/v", "--all-hosts", "--yes")
    assert (ran.code, ran.out) == (1, "2 deleted, 1 failed\n")
    assert asked(hosts, "DeleteVolume") == [1, 1, 0]
    # Nobody but the host itself can use such a volume.
    assert asked(hosts, "ListDomainDisks") == [0, 0, 0]


async def test_while_a_host_is_away_a_shared_volume_is_not_deleted_unless_that_is_said(hosts: Hosts) -> None:
    share_a_volume(hosts.agents)
    await hosts.agents[2].stop()
    ran = await hosts.poolfleet("volume", "delete", "vm_data/web1.qcow2")
    assert ran.code == 5
    assert "whether volume vm_data/web1.qcow2 is in use cannot be told: kvm3: unreachable" in ran.err
    assert "--allow-in-use passes over it" in ran.err
    assert asked(hosts, "DeleteVolume") == [0, 0, 0]
    assert (await hosts.poolfleet("volume", "delete", "vm_data/web1.qcow2", "--allow-in-use")).code == 0


async def test_a_host_that_does_not_tell_what_it_has_is_sent_nothing(hosts: Hosts) -> None:
    share_a_volume(hosts.agents)
    for agent in hosts.agents[1:]:
        refusal = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "POOL_UNRESPONSIVE", "it does not answer now")
        agent.on("GetPool", refusal, agent.GetPool)
    ran = await hosts.poolfleet("volume", "resize", "vm_data/web1.qcow2", "--by", "1G", "--all-hosts", "--yes")
    assert (ran.code, ran.out) == (1, "1 resized, 2 failed\n")
    assert "kvm2: it does not answer now" in ran.err
    assert asked(hosts, "ResizeVolume") == [1, 0, 0]


async def test_where_no_host_tells_what_it_has_each_is_told_of_with_its_reason(hosts: Hosts) -> None:
    share_a_volume(hosts.agents)
    for agent in hosts.agents:
        await agent.stop()
    ran = await hosts.poolfleet("volume", "delete", "vm_data/web1.qcow2", "--all-hosts", "-o", "json")
    assert [host["status"] for host in json.loads(ran.out)["hosts"]] == ["unreachable"] * 3
    assert ran.code == 3


async def test_the_inventory_has_each_storage_once(hosts: Hosts) -> None:
    share_a_volume(hosts.agents)
    hosts.agents[0].has_pool("local")
    ran = await hosts.poolfleet("inventory")
    assert ran.lines[0] == "complete: 3 hosts, 2 storages, 1 volume, oldest 4 s"
    assert " ".join(ran.lines[2].split()) == "STORAGE TYPE HOSTS VOLUMES CAPACITY USED% ORPHANS AS-OF"
    assert [SHARE, "dir", "3", "1", "100.0GiB", "25%", "-", "4s"] in table(ran)
    document = json.loads((await hosts.poolfleet("inventory", "show", "-o", "json")).out)
    assert list(document) == ["complete", "missing", "hosts", "storages", "volumes", "unmanaged"]
    [volume] = document["volumes"]
    assert [place["host"] for place in volume["hosts"]] == ["kvm1", "kvm2", "kvm3"]
    await hosts.agents[1].stop()
    partial = await hosts.poolfleet("inventory", "--require-complete")
    assert partial.code == 1
    assert partial.lines[0].startswith("INCOMPLETE: 2 of 3 hosts")


async def test_a_share_is_counted_once_and_found_however_its_server_is_spelt(hosts: Hosts) -> None:
    for agent, server in zip(hosts.agents, ("10.0.0.5", "10.0.0.6", "10.0.0.5"), strict=True):
        aliases = ["nfs:filer/vm", "nfs:10.0.0.5/vm", "nfs:10.0.0.6/vm"]
        source = snapshot_pb2.Storage.SOURCE_DERIVED
        agent.has_pool("vm", storage=snapshot_pb2.Storage(id=f"nfs:{server}/vm", source=source, aliases=aliases))
        agent.has_volume("vm", "web1.qcow2", format="qcow2")
    assert (await hosts.poolfleet("inventory")).lines[0].startswith("complete: 3 hosts, 1 storage, 1 volume,")
    [row] = table(await hosts.poolfleet("pool", "list", "--no-headers"))
    assert row[:6] == ["vm", "dir", "3/3", "running", "healthy", "100.0GiB"]
    assert len(table(await hosts.poolfleet("volume", "list", "vm", "--no-headers"))) == 1
    for spelling in ("nfs:10.0.0.5/vm", "nfs:10.0.0.6/vm", "nfs:filer/vm"):
        ran = await hosts.poolfleet("storage", "show", spelling)
        assert (ran.code, ran.err) == (0, "")
        assert [line[:2] for line in table(ran)[1:2]] == [["nfs:10.0.0.5/vm", "dir"]]
        assert ran.lines[-2:] == ["nfs:10.0.0.6/vm", "nfs:filer/vm"]


async def test_a_storage_whose_id_is_not_to_be_trusted_is_told(hosts: Hosts) -> None:
    for agent, root_inode in zip(hosts.agents, (2, 2, 128), strict=True):
        storage = snapshot_pb2.Storage(id="nfs:10.0.0.5/vm", source=snapshot_pb2.Storage.SOURCE_DERIVED)
        storage.fingerprint.root_inode = root_inode
        agent.has_pool("vm", storage=storage)
    ran = await hosts.poolfleet("inventory", "-o", "json")
    document = json.loads(ran.out)
    assert document["complete"] is False
    assert [storage["identity_conflict"] for storage in document["storages"]] == [True]
    assert "identity conflict: kvm1:vm and kvm3:vm have different root directories" in ran.err
    assert (await hosts.poolfleet("storage", "list", "--require-complete")).code == 1


async def test_duplicates_say_what_they_have_in_common(hosts: Hosts) -> None:
    content_id = "luks:00112233-4455-6677-8899-aabbccddeeff"
    named = (("web", content_id), ("old-web", content_id), ("web", ""))
    for number, (agent, (name, its_id)) in enumerate(zip(hosts.agents, named, strict=True)):
        agent.has_pool(
            "vm", storage=snapshot_pb2.Storage(id=f"s{number}", source=snapshot_pb2.Storage.SOURCE_CONFIGURED)
        )
        agent.has_volume("vm", name, content_id=its_id)
    ran = await hosts.poolfleet("inventory", "duplicates", "-o", "wide")
    assert ran.code == 0
    assert " ".join(ran.lines[0].split()) == "NAME STORAGE SAME FORMAT CAPACITY ALLOCATED USED-BY CONTENT-ID"
    assert [(row[0], row[1], row[2], row[-1]) for row in table(ran)[1:]] == [
        ("web", "s0", "name", content_id),
        ("web", "s2", "name", "-"),
        ("web", "s0", "content", content_id),
        ("old-web", "s1", "content", content_id),
    ]
    told = json.loads((await hosts.poolfleet("inventory", "duplicates", "-o", "json")).out)["duplicates"]
    assert [(one["name"], one["content_id"], len(one["volumes"])) for one in told] == [
        ("web", "", 2),
        ("", content_id, 2),
    ]


async def test_a_storage_is_adopted_by_one_host_that_sees_it(hosts: Hosts) -> None:
    for agent in hosts.agents:
        agent.has_pool("vm_data", storage=snapshot_pb2.Storage(id=SHARE, source=snapshot_pb2.Storage.SOURCE_DERIVED))
    adopt = ("storage", "adopt", "vm_data")
    assert (await hosts.poolfleet(*adopt)).code == 2
    for words in (["-H", "kvm1", "--dry-run"], ["-H", "kvm1"]):
        ran = await hosts.poolfleet(*adopt, *words)
        said = "would be adopted" if "--dry-run" in words else "adopted"
        assert ran.lines == [f"the storage of pool vm_data {said}"]
    assert (await hosts.poolfleet(*adopt, "-H", "kvm1")).lines == ["the storage of pool vm_data already adopted"]
    assert (await hosts.poolfleet("storage", "adopt", "nix", "-H", "kvm1")).code == 4


async def test_hosts_are_listed_and_checked(hosts: Hosts) -> None:
    hosts.agents[0].has_pool("p")
    lines = table(await hosts.poolfleet("host", "list"))
    assert " ".join(lines[0]) == "HOST STATUS LIBVIRT POOLS UNHEALTHY OPS AGENT LAST-SEEN"
    assert lines[1] == ["kvm1", "ok", "9.0.0", "1", "0", "0", "0.1.0", "4s"]
    assert (await hosts.poolfleet("host", "check")).code == 0
    hosts.agents[0].agent.agent_id = hosts.agents[1].agent.agent_id
    hosts.agents[2].clock_offset_s = 90
    hosts.agents[2].agent.libvirt_connected = False
    ran = await hosts.poolfleet("host", "check", "-o", "json")
    problems = {host["name"]: " ".join(host["problems"]) for host in json.loads(ran.out)["hosts"]}
    assert ran.code == 1
    assert "the same agent as kvm2" in problems["kvm1"]
    assert "s ahead" in problems["kvm3"]
    assert "libvirt does not answer" in problems["kvm3"]


async def test_an_operation_is_found_on_whichever_host_has_it(hosts: Hosts) -> None:
    running = hosts.agents[1].has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    assert (await hosts.poolfleet("operation", "cancel", running.id)).code == 0
    assert "CancelOperation" in hosts.agents[1].called
    assert (await hosts.poolfleet("operation", "cancel", "nix")).code == 4


async def test_a_fleet_file_is_shown_and_validated(hosts: Hosts, tmp_path: Path) -> None:
    assert [row[0] for row in table(await hosts.poolfleet("config", "show", "--no-headers"))] == [
        "kvm1",
        "kvm2",
        "kvm3",
    ]
    assert (await hosts.poolfleet("config", "validate")).code == 0
    bad = tmp_path / "bad.toml"
    bad.write_text('[[host]]\nname = "a"\ntarget = "a:1"\ncolour = "red"\n')
    ran = await Terminal()("config", "validate", str(bad))
    assert ran.code == 2
    assert "colour" in ran.err
    bad.write_text('[defaults]\ntls = { ca = "ca", cert = "c", key = "k" }\n[[host]]\nname = "a"\ntarget = "a:1"\n')
    assert "cannot read" in (await Terminal()("config", "validate", str(bad))).err


async def test_an_inventory_waits_for_no_host_longer_than_it_was_told(hosts: Hosts) -> None:
    async def never(request: object) -> Any:
        await asyncio.Event().wait()

    hosts.agents[0].has_pool("p")
    hosts.agents[2].on("ListVolumes", never)
    ran = await hosts.poolfleet("inventory", "--timeout", "0.5s", "-o", "json")
    assert [host["status"] for host in json.loads(ran.out)["hosts"]] == ["ok", "ok", "failed"]
