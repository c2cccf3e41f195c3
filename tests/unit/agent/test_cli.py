"""The command poolfleet-agent as a process: what it prints and how it exits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from poolfleet_agent.config import load


def agent(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "poolfleet_agent.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={"PATH": "/usr/bin:/bin"}, check=False
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def test_check_prints_all_that_holds(config: Path, tmp_path: Path) -> None:
    config.write_text("staleness_s = 7\n")
    done = agent("check", "--config", str(config))
    assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "again.toml").write_text(done.stdout)
    assert load(tmp_path / "again.toml") == load(config)


def test_check_says_all_that_is_wrong(config: Path) -> None:
    config.write_text("staleness = 7\n[listen]\ntcp = '0.0.0.0:1'\n[log]\nlevel = 'loud'\n")
    done = agent("check", "--config", str(config))
    assert (done.returncode, done.stdout) == (78, "")
    assert "poolfleet-agent: staleness: there is no such setting; did you mean staleness_s?" in done.stderr
    assert "poolfleet-agent: log.level: " in done.stderr


@pytest.mark.parametrize("command", ["check", "serve"])
def test_tcp_off_loopback_without_certificates_is_refused(config: Path, command: str) -> None:
    config.write_text("[listen]\ntcp = '0.0.0.0:0'\n")
    done = agent(command, "--config", str(config))
    assert done.returncode == 78
    assert "can be reached from other machines, so it needs tls.cert, tls.key and tls.client_ca" in done.stderr


def test_check_reads_the_certificates(config: Path, tmp_path: Path) -> None:
    ca, other = trustme.CA(), trustme.CA()
    ca.issue_cert("h").cert_chain_pems[0].write_to_path(str(tmp_path / "cert"))
    other.issue_cert("h").private_key_pem.write_to_path(str(tmp_path / "key"))
    ca.cert_pem.write_to_path(str(tmp_path / "ca"))
    config.write_text(f"[tls]\ncert = '{tmp_path}/cert'\nkey = '{tmp_path}/key'\nclient_ca = '{tmp_path}/ca'\n")
    done = agent("check", "--config", str(config))
    assert done.returncode == 78
    assert "are not a certificate and its key" in done.stderr
    assert "PRIVATE" not in done.stderr


def test_a_missing_file_is_named() -> None:
    done = agent("serve", "--config", "/nonexistent/agent.toml")
    assert done.returncode == 78
    assert "/nonexistent/agent.toml: cannot be read" in done.stderr


def test_version() -> None:
    assert agent("--version").stdout.startswith("poolfleet-agent ")


def test_wrong_usage() -> None:
    assert agent("dance").returncode == 2


def test_what_is_printed_at_once_needs_no_heavy_import() -> None:
    heavy = "{'grpc', 'pydantic', 'libvirt'}"
    code = f"import sys, poolfleet_agent.cli; print(sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
