"""Which libvirt is spoken to where the configuration does not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from poolfleet_agent.hypervisor.uris import default_domain_uris, default_storage_uri, secret_uri


@pytest.mark.parametrize(
    ("there", "storage_uri", "domain_uris"),
    [
        ([], "storage:///system", ()),
        (["run/libvirt/virtstoraged-sock"], "storage:///system", ()),
        (["run/libvirt/virtstoraged-sock", "run/libvirt/virtqemud-sock"], "storage:///system", ("qemu:///system",)),
        (
            ["usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"],
            "qemu:///system",
            ("qemu:///system",),
        ),
        (["usr/lib64/libvirt/connection-driver/libvirt_driver_qemu.so"], "qemu:///system", ("qemu:///system",)),
    ],
)
def test_by_what_is_there(tmp_path: Path, there: list[str], storage_uri: str, domain_uris: tuple[str, ...]) -> None:
    for path in there:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert default_storage_uri(tmp_path) == storage_uri
    assert default_domain_uris(storage_uri, tmp_path) == domain_uris


def test_domains_of_a_session_are_the_sessions(tmp_path: Path) -> None:
    assert default_domain_uris("qemu:///session", tmp_path) == ("qemu:///session",)


@pytest.mark.parametrize(
    ("storage_uri", "expected"),
    [
        ("storage:///system", "secret:///system"),
        ("storage:///session?socket=/run/x", "secret:///session?socket=/run/x"),
        ("storage+unix:///system?socket=/run/x", "secret+unix:///system?socket=/run/x"),
        ("qemu:///system", None),
        ("test:///default", None),
    ],
)
def test_secrets_are_beside_a_storage_driver_and_with_any_other(storage_uri: str, expected: str | None) -> None:
    assert secret_uri(storage_uri) == expected
