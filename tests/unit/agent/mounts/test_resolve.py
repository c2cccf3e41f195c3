"""What a name means, within a limit: unknown, not to be told now, no answer."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from poolfleet_agent.model.mount_failure import MountError, MountFailure
from poolfleet_agent.mounts.resolve import LOOKUP, Resolver
from poolfleet_agent.processes.child import Children
from tests.unit.agent.mounts import private_resolver as dns

PATIENT_S = 20.0
"""For a resolver whose own limit is not what is tested: on a busy machine a child may need longer to begin."""
SOON_S = 30.0
"""Wide for what a failure may take, far below what hangs."""


async def failure_of(resolver: Resolver, name: str) -> tuple[MountFailure, str]:
    started_s = time.monotonic()
    with pytest.raises(MountError) as failed:
        await resolver.addresses(name)
    assert time.monotonic() - started_s < SOON_S
    assert failed.value.layer == "dns"
    return failed.value.failure, failed.value.message


@pytest.mark.parametrize(
    ("host", "address"),
    [("10.0.0.1", "10.0.0.1"), ("[fd00::1]", "fd00::1"), ("[fe80::1%eth0]", "fe80::1%eth0"), ("::1", "::1")],
)
async def test_nobody_is_asked_for_an_address(children: Children, host: str, address: str) -> None:
    assert await Resolver(children, program=("/nowhere",)).addresses(host) == (address,)


async def test_a_name_of_this_host(children: Children) -> None:
    addresses = await Resolver(children, timeout_s=PATIENT_S).addresses("localhost")
    assert set(addresses) & {"127.0.0.1", "::1"}
    assert len(set(addresses)) == len(addresses)


@pytest.mark.parametrize("name", ["a..b", "-h", "x" * 64])
async def test_what_can_be_no_name_is_unknown(children: Children, name: str) -> None:
    failure, message = await failure_of(Resolver(children, timeout_s=PATIENT_S), name)
    assert failure is MountFailure.NAME_UNKNOWN
    assert message.startswith(name)


async def test_one_that_hangs_is_killed(children: Children) -> None:
    resolver = Resolver(children, program=("sh", "-c", "trap '' TERM; sleep 1000"), timeout_s=0.2)
    assert await failure_of(resolver, "nfs1") == (
        MountFailure.NAME_TEMPORARY,
        "nfs1: the resolver did not answer within 0.2 s",
    )


@pytest.mark.parametrize("program", [("/nowhere",), ("false",), ("true",), (sys.executable, "-c", "raise OSError")])
async def test_one_that_fails_says_nothing_about_the_name(children: Children, program: tuple[str, ...]) -> None:
    resolver = Resolver(children, program=program, timeout_s=PATIENT_S)
    assert (await failure_of(resolver, "nfs1"))[0] is MountFailure.NAME_TEMPORARY


if os.geteuid() == 0:
    SILENT_S = 2.0

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            (dns.no_such_name, MountFailure.NAME_UNKNOWN),
            (dns.server_failure, MountFailure.NAME_TEMPORARY),
            (dns.silent, MountFailure.NAME_TEMPORARY),
        ],
    )
    async def test_what_a_name_server_says_of_a_name(
        children: Children, tmp_path: Path, answer: dns.Answer, failure: MountFailure
    ) -> None:
        limit_s = SILENT_S if answer is dns.silent else PATIENT_S
        async with dns.resolver(tmp_path, answer) as asking:
            resolver = Resolver(children, program=asking(LOOKUP), timeout_s=limit_s)
            kind, message = await failure_of(resolver, "nfs1.example.net")
        assert kind is failure
        assert ("did not answer" in message) == (answer is dns.silent)

    async def test_a_name_server_that_is_not_there(children: Children, tmp_path: Path) -> None:
        async with dns.resolver(tmp_path, dns.silent) as asking:
            (tmp_path / "resolv.conf").write_text("nameserver 127.77.0.54\n")
            kind, _ = await failure_of(Resolver(children, program=asking(LOOKUP)), "nfs1.example.net")
        assert kind is MountFailure.NAME_TEMPORARY

    async def test_a_name_that_the_name_server_knows(children: Children, tmp_path: Path) -> None:
        async with dns.resolver(tmp_path, dns.address(10, 0, 0, 7)) as asking:
            resolver = Resolver(children, program=asking(LOOKUP), timeout_s=PATIENT_S)
            assert await resolver.addresses("nfs1.example.net") == ("10.0.0.7",)
