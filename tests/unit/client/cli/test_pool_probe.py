"""`pool probe`: hosts under layers, what failed below, and the code that a script sees."""

from __future__ import annotations

import json

from google.protobuf.duration_pb2 import Duration

from poolfleet.v1 import diagnosis_pb2, pool_service_pb2
from tests.unit.client.cli.conftest import Hosts, Terminal
from tests.unit.client.cli.living_agent import LivingAgent

PB = diagnosis_pb2.ProbeLayer
LAYERS = ("dns", "tcp", "rpc", "export", "mount", "squash", "read", "write")


def layer(name: str, outcome: str, length_ms: float = 0.0, failure: str = "", message: str = "") -> PB:
    made = PB(layer=name, outcome=PB.Outcome.Value(f"OUTCOME_{outcome}"), failure=failure, message=message)
    if outcome != "SKIPPED":
        made.duration.CopyFrom(Duration(nanos=int(length_ms * 1e6)))
    return made


def well() -> pool_service_pb2.ProbePoolResponse:
    layers = [layer(name, "OK", 0.4) for name in LAYERS[:-1]]
    layers[5].message = "root is squashed\x1b"
    return pool_service_pb2.ProbePoolResponse(layers=[*layers, layer("write", "SKIPPED")], verdict="all is well")


def silent() -> pool_service_pb2.ProbePoolResponse:
    return pool_service_pb2.ProbePoolResponse(
        layers=[
            layer("dns", "OK", 12.3),
            layer("tcp", "FAILED", 2003, "TIMED_OUT", "no answer"),
            *(layer(name, "SKIPPED", message="tcp failed") for name in LAYERS[2:]),
        ],
        failure="TIMED_OUT",
        verdict="tcp failed: no answer",
        advice="see whether the server is up",
    )


async def test_one_host_has_its_layers_and_what_is_worth_knowing_of_them(
    agent: LivingAgent, poolfleet: Terminal
) -> None:
    agent.has_pool("vm_data")
    agent.on("ProbePool", well())
    ran = await poolfleet("pool", "probe", "vm_data", "--write-test")
    assert agent.sent("ProbePool")[-1].write_test
    assert ran.code == 0
    titles, values = (line.split()[1:] for line in ran.lines[:2])
    assert titles == [*(name.upper() for name in LAYERS), "VERDICT"]
    assert values == [*["0.4ms"] * 7, "-", "ok"]
    assert ran.lines[-2:] == ["all is well", "squash: root is squashed\\x1b"]


async def test_many_hosts_are_a_table_and_those_that_fail_alike_one_line(hosts: Hosts) -> None:
    for number, agent in enumerate(hosts.agents):
        agent.has_pool("vm_data")
        agent.on("ProbePool", silent() if number else well())
    ran = await hosts.poolfleet("pool", "probe", "vm_data")
    assert ran.code == 1
    rows = [line.split() for line in ran.lines[1:4]]
    assert [row[0] for row in rows] == ["kvm1", "kvm2", "kvm3"]
    assert rows[0][-1] == "ok"
    assert rows[1][1:] == ["12ms", "TIMED_OUT", *["-"] * 6, "TIMED_OUT"]
    assert ran.lines[-1] == "kvm2, kvm3: tcp failed: no answer; see whether the server is up"
    assert "squash:" not in ran.out
    document = json.loads((await hosts.poolfleet("pool", "probe", "vm_data", "-o", "json")).out)
    assert [probe["failure"] for probe in document["probes"]] == ["", "TIMED_OUT", "TIMED_OUT"]
    assert document["probes"][1]["layers"][1]["failure"] == "TIMED_OUT"


async def test_a_pool_that_is_not_there_is_not_found(agent: LivingAgent, poolfleet: Terminal) -> None:
    assert (await poolfleet("pool", "probe", "none")).code == 4
