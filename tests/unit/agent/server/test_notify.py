"""What systemd is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from poolfleet_agent.server import notify


def test_systemd_hears_that_the_agent_is_ready_and_that_it_stops(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.settimeout(20)
        systemd.bind(str(socket_dir / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(socket_dir / "notify"))
        notify.ready()
        notify.stopping()
        assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_a_systemd_that_is_gone_does_not_end_the_agent(socket_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(socket_dir / "absent"))
    notify.ready()


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready()
