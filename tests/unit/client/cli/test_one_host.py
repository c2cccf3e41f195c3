"""One host, found by its socket: what each verb asks of the agent, prints, and ends with."""

from __future__ import annotations

import json
from pathlib import Path

import grpc
import pytest
import yaml

from poolfleet.v1 import domain_disk_pb2, operation_pb2, operation_service_pb2, pool_pb2, pool_service_pb2
from tests.unit.client.cli.conftest import Terminal
from tests.unit.client.cli.living_agent import GIB, LivingAgent
from tests.unit.client.stub_agent import Bare, Refusal


async def test_pools_are_listed_in_a_table(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("local")
    agent.has_pool("old\x1b", state=pool_pb2.POOL_STATE_INACTIVE)
    ran = await poolfleet("pool", "list")
    assert ran.code == 0
    assert [" ".join(line.split()) for line in ran.lines] == [
        "NAME TYPE STATE HEALTH AUTOSTART CAPACITY USED% VOLUMES SOURCE AGE",
        "local dir running healthy yes 100.0GiB 25% 0 /srv/local 4s",
        "old\\x1b dir inactive - yes 100.0GiB 25% 0 /srv/old\\x1b 4s",
    ]


async def test_lists_are_filtered(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("a", state=pool_pb2.POOL_STATE_INACTIVE)
    agent.has_pool("b", type="netfs")
    agent.has_pool("c", persistent=False).persistent = False
    assert (await poolfleet("pool", "list", "--inactive", "-o", "name")).lines == ["a"]
    assert (await poolfleet("pool", "list", "--type", "netfs,logical", "-o", "name")).lines == ["b"]
    assert (await poolfleet("pool", "list", "--transient", "-o", "name")).lines == ["c"]


async def test_documents_are_json_and_yaml(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("local")
    as_json = json.loads((await poolfleet("pool", "list", "-o", "json")).out)
    as_yaml = yaml.safe_load((await poolfleet("pool", "list", "-o", "yaml")).out)
    for document in (as_json, as_yaml):
        assert document["complete"] is True
        assert [host["status"] for host in document["hosts"]] == ["ok"]
        assert document["pools"][0]["capacity_bytes"] == 100 * GIB


async def test_flags_are_accepted_before_the_group_before_the_verb_and_after(
    agent: LivingAgent, poolfleet: Terminal
) -> None:
    agent.has_pool("local")
    for words in (["-o", "name", "pool", "list"], ["pool", "-o", "name", "list"], ["pool", "list", "-o", "name"]):
        assert (await poolfleet(*words)).lines == ["local"]
    assert (await poolfleet("-o", "json", "pool", "list", "-o", "name")).lines == ["local"]


async def test_a_pool_is_shown_by_its_name_or_uuid_in_full_or_by_field(agent: LivingAgent, poolfleet: Terminal) -> None:
    pool = agent.has_pool("local")
    assert "Capacity     100.0GiB" in (await poolfleet("pool", "show", "local")).lines
    assert (await poolfleet("pool", "show", "local", "--field", "uuid")).lines == [pool.uuid]
    assert (await poolfleet("pool-name", pool.uuid)).lines == ["local"]
    assert (await poolfleet("pool", "show", "local", "--xml")).out == "<pool type='dir'><name>local</name></pool>\n"


async def test_a_missing_pool_ends_with_4_and_says_what_to_do(poolfleet: Terminal) -> None:
    ran = await poolfleet("pool", "show", "nix")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err.startswith("there is no pool nix; `poolfleet pool list`")


async def test_a_pool_is_defined_started_stopped_and_forgotten(agent: LivingAgent, poolfleet: Terminal) -> None:
    defined = await poolfleet("pool", "define", "p", "--type", "dir", "--target", "/srv/p", "--mode", "0711")
    assert (defined.code, defined.out) == (0, "pool p defined\n")
    assert agent.sent("DefinePool")[-1].spec.target.permissions.mode == 0o711
    again = await poolfleet("pool", "define", "p", "--type", "dir", "--target", "/srv/p")
    assert again.out == "pool p already as asked\n"
    assert (await poolfleet("pool", "start", "p")).out == "pool p started\n"
    assert (await poolfleet("pool", "start", "p")).out == "pool p already active\n"
    assert (await poolfleet("pool", "undefine", "p")).code == 5
    assert (await poolfleet("pool", "restart", "p")).out == "pool p restarted\n"
    assert (await poolfleet("pool", "stop", "p")).out == "pool p stopped\n"
    assert (await poolfleet("pool", "undefine", "p")).out == "pool p undefined\n"
    assert (await poolfleet("pool", "undefine", "p", "--allow-missing")).out == "pool p already absent\n"
    assert not agent.pools


async def test_ensure_says_what_it_had_to_do(agent: LivingAgent, poolfleet: Terminal) -> None:
    share = ("--type", "netfs", "--source-host", "nfs.example.com", "--source-path", "/share", "--target", "/vm_data")
    first = await poolfleet("pool", "ensure", "vm_data", *share)
    assert (first.code, first.out) == (0, "pool vm_data defined, autostart, started\n")
    assert (await poolfleet("pool", "ensure", "vm_data", *share)).out == "pool vm_data unchanged\n"
    assert agent.pools["vm_data"].netfs.host == "nfs.example.com"


async def test_a_stop_by_force_says_so_to_the_agent(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    assert (await poolfleet("pool", "stop", "p", "--force")).out == "pool p stopped\n"
    agent.has_pool("q")
    assert (await poolfleet("pool", "stop", "q")).out == "pool q stopped\n"
    assert [request.force for request in agent.sent("StopPool")] == [True, False]


async def test_a_dry_run_changes_nothing(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    ran = await poolfleet("pool", "stop", "p", "--dry-run")
    assert (ran.code, ran.out) == (0, "pool p would be stopped\n")
    assert agent.pools["p"].state == pool_pb2.POOL_STATE_RUNNING


async def test_what_has_no_typed_form_is_defined_by_xml_with_virshs_options(
    agent: LivingAgent, poolfleet: Terminal
) -> None:
    words = ("s", "--type", "sheepdog", "--source-name", "mysheep", "--source-host", "localhost:7000")
    xml = (await poolfleet("pool", "define", *words, "--print-xml")).out
    assert '<host name="localhost" port="7000" />' in xml
    assert "DefinePool" not in agent.called
    await poolfleet("pool", "define", *words)
    assert agent.sent("DefinePool")[-1].xml.strip() == xml.strip()


async def test_xml_of_a_file_is_passed_on_untouched(agent: LivingAgent, poolfleet: Terminal, tmp_path: Path) -> None:
    xml = "<pool type='rbd'>\n <name>ceph</name>\n</pool>\n"
    (tmp_path / "pool.xml").write_text(xml)
    assert (await poolfleet("pool-define", str(tmp_path / "pool.xml"))).code == 0
    assert agent.sent("DefinePool")[-1].xml == xml


@pytest.mark.parametrize(
    "words",
    [
        ("pool", "define", "p"),
        ("pool", "define", "p", "--type", "dir"),
        ("pool", "define", "--file", "/nowhere.xml"),
        ("pool", "start"),
        ("pool", "fly", "p"),
        ("pool", "list", "--sort", "colour"),
        ("pool", "list", "-H", "nobody"),
        ("volume", "show", "no-slash"),
        ("volume", "create", "p/v"),
        ("volume", "create", "p/v", "-5G"),
        ("pool", "start", "p", "--timeout", "soon"),
        ("pool", "start", "p", "--batch", "0"),
        ("pool", "start", "p", "--parallel", "0"),
        ("pool", "start", "p", "--timeout", "0"),
        ("pool", "update", "p"),
        ("operation", "list", "--state", "flying"),
        ("pool", "delete", "p"),
        ("pool-start",),
    ],
)
async def test_wrong_words_end_with_2_and_ask_for_nothing(
    agent: LivingAgent, poolfleet: Terminal, words: tuple[str, ...]
) -> None:
    agent.has_pool("p")
    ran = await poolfleet(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err
    assert not {"DefinePool", "StartPool", "CreateVolume", "UpdatePool"} & set(agent.called)


async def test_pool_delete_explains_both_meanings(poolfleet: Terminal) -> None:
    ran = await poolfleet("pool", "delete", "p", "--force")
    assert ran.code == 2
    assert "pool undefine" in ran.err
    assert "pool erase" in ran.err


async def test_an_update_sends_only_what_was_said(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    assert (await poolfleet("pool", "update", "p", "--target", "/srv/q", "--supervise")).code == 0
    request = agent.sent("UpdatePool")[-1]
    assert set(request.update_mask.paths) == {"spec.target.path", "supervised"}
    assert (agent.pools["p"].target.path, agent.pools["p"].supervised) == ("/srv/q", True)
    assert (await poolfleet("pool", "autostart", "p", "--off")).out == "autostart of pool p set to off\n"


async def test_volumes_come_and_go(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "base.qcow2", format="qcow2")
    words = ("volume", "create", "p/v.qcow2", "20G", "--format", "qcow2", "--backing", "base.qcow2")
    assert (await poolfleet(*words)).out == "volume p/v.qcow2 created\n"
    spec = agent.sent("CreateVolume")[-1].spec
    assert (spec.capacity_bytes, spec.backing_store.path, spec.backing_store.format) == (
        20 * GIB,
        "/srv/p/base.qcow2",
        "qcow2",
    )
    listed = await poolfleet("volume", "list", "p", "--no-headers")
    assert [line.split()[0] for line in listed.lines] == ["base.qcow2", "v.qcow2"]
    assert (await poolfleet("vol-path", "v.qcow2", "--pool", "p")).lines == ["/srv/p/v.qcow2"]
    assert (await poolfleet("volume", "find", "/srv/p/v.qcow2", "-o", "name")).lines == ["p/v.qcow2"]
    assert (await poolfleet("volume", "delete", "/srv/p/v.qcow2")).code == 0
    assert (await poolfleet("volume", "delete", "p/v.qcow2")).code == 4


async def test_a_volume_is_resized_to_and_by(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "v")
    assert (await poolfleet("volume", "resize", "p/v", "2G", "--allocate")).out == "volume p/v resized\n"
    assert (await poolfleet("volume", "resize", "/srv/p/v", "2G")).out == "volume /srv/p/v already of that size\n"
    assert (await poolfleet("volume", "resize", "p/v", "--by", "-1G", "--allow-shrink")).code == 0
    assert (await poolfleet("vol-resize", "v", "512M", "--delta", "--pool", "p")).code == 0
    assert agent.volumes["p", "v"].capacity_bytes == GIB * 3 // 2
    to, _, shrunk, by = agent.sent("ResizeVolume")
    assert (to.allocate, shrunk.delta_bytes, shrunk.allow_shrink, by.delta_bytes) == (True, -GIB, True, GIB // 2)
    for words in ((), ("1G", "--by", "1G")):
        ran = await poolfleet("volume", "resize", "p/v", *words)
        assert (ran.code, "say how large" in ran.err) == (2, True)


async def test_a_volume_is_wiped(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "v")
    assert (await poolfleet("volume", "wipe", "p/v")).out == "volume p/v wiped\n"
    assert (await poolfleet("vol-wipe", "v", "p", "nnsa")).out == "volume p/v wiped\n"
    assert [request.algorithm for request in agent.sent("WipeVolume")] == ["zero", "nnsa"]
    assert (await poolfleet("volume", "wipe", "p/none")).code == 4


async def test_users_of_a_volume_are_listed(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "v")
    agent.disks.append(
        domain_disk_pb2.DomainDisk(
            domain="web1",
            domain_state=domain_disk_pb2.DomainDisk.DOMAIN_STATE_ACTIVE,
            role=domain_disk_pb2.DomainDisk.ROLE_DISK,
            target="vda",
            path="/srv/p/v",
            pool="p",
            volume="v",
        )
    )
    ran = await poolfleet("volume", "users", "p/v", "--no-headers")
    assert ran.lines[0].split()[0] == "web1"
    assert ran.lines[0].split()[2:] == ["active", "disk", "vda", "/srv/p/v"]
    assert (await poolfleet("volume", "list", "p", "--no-headers")).lines[0].split()[4] == "web1"


async def test_virsh_commands_work_and_tell_the_new_form_once(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    ran = await poolfleet("pool-list", "--all", "--name")
    assert (ran.code, ran.lines) == (0, ["p"])
    assert ran.err == "pool-list is here: poolfleet pool list -o name\n"


async def test_an_agent_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    ran = await Terminal(POOLFLEET_SOCKET=str(tmp_path / "none.sock"))("pool", "list")
    assert (ran.code, ran.out) == (3, "")
    assert "No such file" in ran.err
    assert "poolfleet-agent" in ran.err


async def test_the_program_itself_prints_and_ends_so(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    listed = await poolfleet.as_process("pool", "list", "-o", "name")
    assert (listed.code, listed.out, listed.err) == (0, "p\n", "")
    missing = await poolfleet.as_process("pool", "show", "nix")
    assert (missing.code, missing.out) == (4, "")
    assert "Traceback" not in missing.err


async def test_an_operation_is_waited_for(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("p")
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    ended = operation_pb2.Operation(id=running.id, state=operation_pb2.OPERATION_STATE_SUCCEEDED, changed=True)
    watched = [_change(running), _change(ended)]
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running))
    agent.on("WatchOperations", watched)
    assert (await poolfleet("pool", "start", "p")).out == "pool p started\n"


async def test_an_operation_survives_a_lost_watch(agent: LivingAgent, poolfleet: Terminal) -> None:
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running))

    async def ended(request: object) -> operation_service_pb2.WaitOperationResponse:
        running.state = operation_pb2.OPERATION_STATE_SUCCEEDED
        running.changed = True
        return operation_service_pb2.WaitOperationResponse(operation=running)

    agent.on("WaitOperation", ended)
    agent.on("WatchOperations", [Bare(grpc.StatusCode.UNAVAILABLE)])
    assert (await poolfleet("pool", "start", "p")).out == "pool p started\n"


async def test_warnings_are_told(agent: LivingAgent, poolfleet: Terminal) -> None:
    words = "guest web1 uses the pool and is only defined"
    done = operation_pb2.Operation(
        id="op-1", state=operation_pb2.OPERATION_STATE_SUCCEEDED, changed=True, warnings=[words]
    )
    agent.on("StopPool", pool_service_pb2.StopPoolResponse(operation=done))
    ran = await poolfleet("pool", "stop", "p")
    assert (ran.code, ran.out, ran.err) == (0, "pool p stopped\n", f"{words}\n")
    assert (await poolfleet("pool", "stop", "p", "-q")).err == ""


async def test_no_wait_prints_the_id(agent: LivingAgent, poolfleet: Terminal) -> None:
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running))
    ran = await poolfleet("pool", "start", "p", "--no-wait")
    assert (ran.code, ran.out) == (0, f"{running.id}\n")


async def test_what_still_runs_when_the_time_is_up_ends_with_6_and_its_id(
    agent: LivingAgent, poolfleet: Terminal
) -> None:
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running))
    for words in (("pool", "start", "p"), ("operation", "wait", running.id)):
        ran = await poolfleet(*words, "--timeout", "0.3s")
        assert (ran.code, ran.out) == (6, f"{running.id}\n")
        assert f"poolfleet operation wait {running.id}" in ran.err


async def test_ctrl_c_detaches_where_nobody_can_be_asked(agent: LivingAgent, poolfleet: Terminal) -> None:
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running))
    ran = await poolfleet.interrupted("pool", "start", "p", once=lambda: agent.was_called("WatchOperations"))
    assert (ran.code, ran.out) == (130, f"{running.id}\n")
    assert "CancelOperation" not in agent.called


async def test_a_failed_operation_is_an_error_like_any_other(agent: LivingAgent, poolfleet: Terminal) -> None:
    refusal = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "MOUNT_FAILED", "access denied by server")
    failed = operation_pb2.Operation(id="op-1", state=operation_pb2.OPERATION_STATE_FAILED, error=refusal.status)
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=failed))
    ran = await poolfleet("pool", "start", "p")
    assert ran.code == 5
    assert ran.err.startswith("access denied by server; look at the server")


async def test_operations_are_listed_shown_and_cancelled(agent: LivingAgent, poolfleet: Terminal) -> None:
    attempt = operation_pb2.Attempt(number=3, failure="TIMEOUT", message="Connection timed out")
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p", attempts=[attempt])
    assert "Connection timed out" in (await poolfleet("operation", "list", "--state", "running")).out
    assert "TIMEOUT" in (await poolfleet("op", "show", running.id)).out
    assert (await poolfleet("operation", "cancel", running.id)).out == f"{running.id} cancelled\n"
    assert (await poolfleet("operation", "show", "nix")).code == 4


async def test_the_editor_is_given_the_stored_xml_and_the_etag_guards_it(
    agent: LivingAgent, poolfleet: Terminal, tmp_path: Path
) -> None:
    agent.has_pool("p")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed "s/<pool/<!-- seen --><pool/" "$1" > "$1.new" && mv "$1.new" "$1"\n')
    editor.chmod(0o755)
    poolfleet.environment["EDITOR"] = str(editor)
    assert (await poolfleet("pool", "edit", "p")).out == "pool p edited\n"
    request = agent.sent("UpdatePool")[-1]
    assert request.update.xml == "<!-- seen --><pool type='dir'><name>p</name></pool>"
    assert request.etag == "e1"
    poolfleet.environment["EDITOR"] = "true"
    assert (await poolfleet("pool", "edit", "p")).out == "pool p not changed\n"
    poolfleet.environment["EDITOR"] = "false"
    assert (await poolfleet("pool", "edit", "p")).code == 2


async def test_completion_knows_pools_and_volumes(agent: LivingAgent, poolfleet: Terminal) -> None:
    agent.has_pool("vm_data")
    agent.has_volume("vm_data", "web1")
    assert "complete -o default" in (await poolfleet("completion", "bash")).out
    for words, expected in (("poolfleet pool start v", "vm_data"), ("poolfleet volume show vm_data/w", "vm_data/web1")):
        asked = {"_POOLFLEET_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "3"}
        terminal = Terminal(**{**poolfleet.environment, **asked})
        assert (await terminal.as_process()).lines == [expected]


def _change(operation: operation_pb2.Operation) -> operation_service_pb2.WatchOperationsResponse:
    return operation_service_pb2.WatchOperationsResponse(operation=operation)
