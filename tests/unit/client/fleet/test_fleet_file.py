"""The fleet file: what it may say, and how it says what is wrong."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet.fleet.fleet_file import FleetFileError, read_fleet_file
from poolfleet.fleet.hosts import Host
from poolfleet.types.connection import TLS


def written(folder: Path, text: str) -> Path:
    file = folder / "fleet.toml"
    file.write_text(text)
    return file


def test_hosts_are_read_in_order_with_defaults_and_their_own_values(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        [defaults]
        timeout_s = 12
        tls = { ca = "ca.pem", cert = "/etc/c.pem", key = "c.key" }
        [[host]]
        name = "kvm2"
        target = "kvm2.example.com:7443"
        site = "ams"
        labels = { rack = "r1" }
        [[host]]
        name = "kvm1"
        target = "unix:/run/poolfleet/agent.sock"
        timeout_s = 2.5
        """,
    )
    assert read_fleet_file(file) == (
        Host(
            name="kvm2",
            target="kvm2.example.com:7443",
            site="ams",
            labels={"rack": "r1"},
            timeout_s=12,
            tls=TLS(ca=tmp_path / "ca.pem", cert=Path("/etc/c.pem"), key=tmp_path / "c.key"),
        ),
        Host(name="kvm1", target="unix:/run/poolfleet/agent.sock", timeout_s=2.5),
    )


def test_a_host_s_own_tls_comes_before_the_default(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        """
        defaults.tls = { ca = "a", cert = "b", key = "c" }
        [[host]]
        name = "kvm1"
        target = "kvm1:7443"
        tls = { ca = "x", cert = "y", key = "z" }
        """,
    )
    (host,) = read_fleet_file(file)
    assert host.tls == TLS(ca=tmp_path / "x", cert=tmp_path / "y", key=tmp_path / "z")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no [[host]] is listed"),
        ("[[host]]\nname = 'a'", "host 1 (a) target is missing"),
        ("[[host]]\ntarget = 'a:1'", "host 1 name is missing"),
        (
            "[[host]]\nname='a'\ntarget='a:1'\n[[host]]\nname='b'\ntarget='b:1'\nlables={}",
            "host 2 (b) lables is not a key that is known here",
        ),
        ("[default]\n[[host]]\nname='a'\ntarget='a:1'", "default is not a key that is known here"),
        (
            "[[host]]\nname='a'\ntarget='a:1'\nlabels={rack=1}",
            "host 1 (a) labels.rack: input should be a valid string, not 1",
        ),
        (
            "[[host]]\nname='a'\ntarget='a:1'\ntimeout_s=0",
            "host 1 (a) timeout_s: input should be greater than 0, not 0",
        ),
        ("[[host]]\nname='a'\ntarget='a:1'\ntls={ca='x'}", "host 1 (a) tls.cert is missing"),
        ("[[host]]\nname='a'\ntarget='unix:/a'\ntls={ca='x',cert='y',key='z'}", "host a: tls is for TCP"),
        ("[[host]]\nname='a'\ntarget='a:1'\n[[host]]\nname='a'\ntarget='b:1'", "two hosts are named 'a'"),
        ("[[host]]\nname='a b'\ntarget='a:1'", "a host's name"),
        ("[[host]]\nname='a'\ntarget=''", "host a: a target is unix:/path or host:port, not ''"),
        ("[[host]\nname='a'", "line 1"),
        ("host = 'kvm1'", "host: input should be a valid list, not 'kvm1'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(FleetFileError) as caught:
        read_fleet_file(file)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError) as caught:
        read_fleet_file(written(tmp_path, "[[host]]\nname='a'\n[[host]]\ntarget='b:1'"))
    assert len(str(caught.value).splitlines()) == 2


def test_a_missing_file_and_one_that_is_not_text_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FleetFileError, match="No such file"):
        read_fleet_file(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(FleetFileError, match=r"bytes\.toml: .*utf-8"):
        read_fleet_file(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "{a = " * 3000, "a" + ".a" * 5000 + " = 1", "a = " + "9" * 6000]
)
def test_a_file_that_is_too_deep_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(FleetFileError):
        read_fleet_file(written(tmp_path, text))


def test_a_home_that_nobody_has_is_said() -> None:
    with pytest.raises(FleetFileError, match="home"):
        read_fleet_file("~nobody-of-this-name/fleet.toml")


_GOOD = '[defaults]\ntimeout_s = 30\n[[host]]\nname = "a"\ntarget = "kvm1:7443"\nlabels = { a = "b" }\n'


@given(begin=st.integers(0, len(_GOOD)), length=st.integers(0, 20), piece=st.text(max_size=20))
def test_a_file_with_anything_in_it_is_understood_or_refused_in_words(begin: int, length: int, piece: str) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(FleetFileError):
        file = Path(folder) / "fleet.toml"
        file.write_bytes((_GOOD[:begin] + piece + _GOOD[begin + length :]).encode(errors="surrogatepass"))
        read_fleet_file(file)
