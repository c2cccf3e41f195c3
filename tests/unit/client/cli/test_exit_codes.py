from __future__ import annotations

import pytest

from poolfleet.cli import exit_codes
from poolfleet.cli.exit_codes import ExitCode
from poolfleet.types.errors import PoolfleetError


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        ("NOT_FOUND", "POOL_NOT_FOUND", ExitCode.NOT_FOUND),
        ("ALREADY_EXISTS", "POOL_EXISTS", ExitCode.CONFLICT),
        ("FAILED_PRECONDITION", "POOL_IN_USE", ExitCode.CONFLICT),
        ("ABORTED", "ETAG_MISMATCH", ExitCode.CONFLICT),
        ("INVALID_ARGUMENT", "INVALID_FIELD", ExitCode.USAGE),
        ("UNAVAILABLE", "UNREACHABLE", ExitCode.UNREACHABLE),
        ("UNAVAILABLE", "LIBVIRT_UNAVAILABLE", ExitCode.FAILED),
        ("DEADLINE_EXCEEDED", "STILL_RUNNING", ExitCode.STILL_RUNNING),
        ("INTERNAL", "INTERNAL", ExitCode.FAILED),
    ],
)
def test_one_host_ends_with_the_code_of_its_error(code: str, reason: str, expected: ExitCode) -> None:
    assert exit_codes.of_error(PoolfleetError("x", code=code, reason=reason)) == expected


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([], ExitCode.OK),
        ([ExitCode.OK, ExitCode.OK], ExitCode.OK),
        ([ExitCode.CONFLICT, ExitCode.CONFLICT], ExitCode.CONFLICT),
        ([ExitCode.OK, ExitCode.CONFLICT], ExitCode.FAILED),
        ([ExitCode.OK, ExitCode.STILL_RUNNING], ExitCode.STILL_RUNNING),
        ([ExitCode.UNREACHABLE, ExitCode.NOT_FOUND], ExitCode.FAILED),
    ],
)
def test_many_hosts_share_a_code_or_some_have_failed(codes: list[ExitCode], expected: ExitCode) -> None:
    assert exit_codes.of_hosts(codes) == expected
