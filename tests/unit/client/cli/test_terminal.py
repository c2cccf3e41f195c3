"""What is different where a person sits at a terminal: questions, colours, widths."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from rich.cells import cell_len
from rich.text import Text

from poolfleet.v1 import operation_pb2, pool_pb2, pool_service_pb2, volume_service_pb2
from tests.unit.client.cli.conftest import Hosts, Terminal
from tests.unit.client.cli.living_agent import LivingAgent
from tests.unit.client.cli.person import Person
from tests.unit.client.stub_agent import Refusal


@pytest.fixture
def person() -> Iterator[Person]:
    at_it = Person()
    yield at_it
    at_it.leaves()


@pytest.mark.parametrize(("answer", "code", "state"), [("y", 0, 1), ("n", 1, 3)])
async def test_a_change_on_several_hosts_waits_for_a_yes(
    hosts: Hosts, person: Person, answer: str, code: int, state: int
) -> None:
    for agent in hosts.agents:
        agent.has_pool("p")
    await person.starts(hosts.poolfleet, "pool", "stop", "p", "-A")
    await person.reads(lambda seen: "Stop pool p on 3 hosts? [y/N]" in seen)
    person.types(f"{answer}\n")
    assert await person.sees_the_end() == code
    assert {agent.pools["p"].state for agent in hosts.agents} == {state}


@pytest.mark.parametrize(("answer", "cancelled"), [("c", True), ("d", False)])
async def test_ctrl_c_asks_whether_to_detach_or_to_cancel(
    agent: LivingAgent, poolfleet: Terminal, person: Person, answer: str, cancelled: bool
) -> None:
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p")
    agent.on("StartPool", pool_service_pb2.StartPoolResponse(operation=running))
    process = await person.starts(poolfleet, "pool", "start", "p")
    await agent.was_called("WatchOperations")
    await person.reads(lambda seen: "ATTEMPT" in seen)
    process.send_signal(signal.SIGINT)
    await person.reads(lambda seen: "[d/c]" in seen)
    person.types(f"{answer}\n")
    assert await person.sees_the_end() == 130
    assert running.id in person.seen
    assert ("CancelOperation" in agent.called) is cancelled


async def test_long_work_shows_how_far_it_is(agent: LivingAgent, poolfleet: Terminal, person: Person) -> None:
    agent.has_pool("p")
    agent.has_volume("p", "v")
    told = operation_pb2.Progress(done_bytes=21, total_bytes=50)
    running = agent.has_operation(operation_pb2.OPERATION_STATE_RUNNING, pool="p", progress=told)
    agent.on("CloneVolume", volume_service_pb2.CloneVolumeResponse(operation=running))
    process = await person.starts(poolfleet, "volume", "clone", "p/v", "w")
    await person.reads(lambda seen: "PROGRESS" in seen and "42%" in seen)
    assert "ATTEMPT" not in person.seen
    process.send_signal(signal.SIGINT)
    await person.reads(lambda seen: "[d/c]" in seen)
    person.types("d\n")
    assert await person.sees_the_end() == 130


async def test_states_have_colours_and_lines_keep_to_the_width(
    agent: LivingAgent, poolfleet: Terminal, person: Person
) -> None:
    agent.has_pool("p", target=pool_pb2.PoolTarget(path="/a/very/long/path/" * 5))
    await person.starts(poolfleet, "pool", "list")
    assert await person.sees_the_end() == 0
    await person.reads(lambda seen: "…" in seen)
    assert "\x1b[32mrunning" in person.seen
    assert all(cell_len(Text.from_ansi(line).plain) <= 90 for line in person.seen.splitlines())


async def test_a_watch_shows_what_changes_until_it_is_interrupted(
    agent: LivingAgent, poolfleet: Terminal, person: Person
) -> None:
    agent.has_pool("first")
    process = await person.starts(poolfleet, "pool", "list", "-w")
    await person.reads(lambda seen: "first" in seen)
    agent.has_pool("second")
    await person.reads(lambda seen: "second" in seen)
    process.send_signal(signal.SIGINT)
    assert await person.sees_the_end() == 130


async def test_an_edit_that_is_refused_can_be_mended(
    agent: LivingAgent, poolfleet: Terminal, person: Person, tmp_path: Path
) -> None:
    agent.has_pool("p")
    refusal = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "the XML is malformed")
    agent.on("UpdatePool", refusal, agent.UpdatePool)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "<!-- again -->" >> "$1"\n')
    editor.chmod(0o755)
    poolfleet.environment["VISUAL"] = str(editor)
    await person.starts(poolfleet, "pool", "edit", "p")
    await person.reads(lambda seen: "Edit it again?" in seen)
    person.types("y\n")
    assert await person.sees_the_end() == 0
    assert agent.sent("UpdatePool")[-1].update.xml.count("again") == 2


async def test_a_secrets_value_is_asked_for_twice_and_does_not_show(
    agent: LivingAgent, poolfleet: Terminal, person: Person
) -> None:
    await person.starts(poolfleet, "secret", "set", "ceph:client.a")
    # What is typed before the last blank of a question is there is thrown away with what was typed ahead.
    await person.reads(lambda seen: "Value: " in seen)
    person.types("hunter2\n")
    await person.reads(lambda seen: "Repeat for confirmation: " in seen)
    person.types("hunter2\n")
    assert await person.sees_the_end() == 0
    assert agent.sent("SetSecret")[0].value == b"hunter2"
    await person.reads(lambda seen: "secret ceph:client.a set" in seen)
    assert "hunter2" not in person.seen
