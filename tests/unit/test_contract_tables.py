"""The tables of errors in the protos: read as they are written, and at one with the reasons that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolfleet.v1 import errors_pb2
from poolfleet_agent.hypervisor.errors import REASON_OF_ERRNO
from poolfleet_agent.model.errors import Reason
from scripts.contract_tables import ErrorRow, RpcErrors, error_tables
from tests.raw_agent import METHODS, SERVICES

PROTO = """\
// A service.
//
// Errors of every RPC of poolfleet.v1 (condition | code | reason | what the caller should do):
//   always | INTERNAL | INTERNAL | weep
//
// Errors of every mutation here (condition | code | reason | what the caller should do):
//   changed | ABORTED | ETAG_MISMATCH | read again
service ThingService {
  // Reads.
  //
  // Errors (condition | code | reason | what the caller should do):
  //   none | NOT_FOUND | POOL_NOT_FOUND | define it
  rpc GetThing(GetThingRequest) returns (GetThingResponse);

  // Changes.
  //
  // Errors: none of its own.
  rpc SetThing(SetThingRequest) returns (stream SetThingResponse);
}

// Reads.
message GetThingRequest {}

// Changes.
message SetThingRequest {
  oneof what {
    string a = 1;
  }
  string request_id = 14;
}
"""
ALWAYS = ErrorRow("always", "INTERNAL", "INTERNAL", "weep")
CHANGED = ErrorRow("changed", "ABORTED", "ETAG_MISMATCH", "read again")
NONE = ErrorRow("none", "NOT_FOUND", "POOL_NOT_FOUND", "define it")


def test_an_rpc_has_its_own_errors_and_those_it_shares(tmp_path: Path) -> None:
    (tmp_path / "thing_service.proto").write_text(PROTO)
    assert error_tables(tmp_path) == {
        "poolfleet.v1.ThingService/GetThing": RpcErrors(
            service="ThingService", name="GetThing", own=(NONE,), shared=(ALWAYS,)
        ),
        "poolfleet.v1.ThingService/SetThing": RpcErrors(
            service="ThingService", name="SetThing", own=(), shared=(CHANGED, ALWAYS)
        ),
    }


def test_a_line_that_is_no_row_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "thing_service.proto").write_text(PROTO.replace("| read again", ""))
    with pytest.raises(ValueError, match="changed"):
        error_tables(tmp_path)


TABLES = error_tables()


def test_every_rpc_is_in_the_tables() -> None:
    named = {f"{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}
    assert len(METHODS) == len(named)
    assert TABLES.keys() == named


@pytest.mark.parametrize("rpc", TABLES)
def test_every_reason_exists_and_goes_with_its_code(rpc: str) -> None:
    assert TABLES[rpc].rows
    for row in TABLES[rpc].rows:
        assert Reason(row.reason).code == row.code, row
        assert f"ERROR_REASON_{row.reason}" in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name, row


@pytest.mark.parametrize("rpc", TABLES)
def test_no_row_of_an_rpc_repeats_another(rpc: str) -> None:
    rows = [(row.condition, row.reason) for row in TABLES[rpc].rows]
    assert len(rows) == len(set(rows))


CHANGES = [
    (service.name, f"{service.full_name}/{method.name}")
    for service in SERVICES
    for method in service.methods
    if "request_id" in method.input_type.fields_by_name
]
OF_SHARES = {Reason.STALE, Reason.POOL_UNRESPONSIVE}


@pytest.mark.parametrize(("service", "rpc"), CHANGES)
def test_whatever_the_system_says_to_libvirt_is_in_the_table_of_each_change(service: str, rpc: str) -> None:
    told = set(REASON_OF_ERRNO.values()) - (OF_SHARES if service == "SecretService" else set())
    assert told <= {Reason(row.reason) for row in TABLES[rpc].rows}
