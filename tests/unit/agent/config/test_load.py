"""The configuration: the file, the environment over it, and sentences for what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from poolfleet_agent.config import ConfigurationError, Settings, load, to_toml

EXAMPLE = Path(__file__).parents[4] / "deploy" / "poolfleet-agent.toml"


@pytest.fixture
def problems(tmp_path: Path) -> Callable[[str], list[str]]:
    def of(text: str) -> list[str]:
        (tmp_path / "agent.toml").write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path / "agent.toml")
        return caught.value.problems

    return of


def test_nothing_set_gives_the_defaults() -> None:
    settings = load(None)
    assert settings.listen.unix == "/run/poolfleet/agent.sock"
    assert settings.listen.unix_mode_bits == 0o660
    assert settings.listen.tcp == ""
    assert settings.mode == "manage"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('staleness_s = 5\n[listen]\nunix = "/run/file.sock"\ntcp = "127.0.0.1:7443"\n')
    monkeypatch.setenv("POOLFLEET_AGENT__LISTEN__UNIX", "/run/environment.sock")
    monkeypatch.setenv("POOLFLEET_AGENT__ALLOWED_PATHS", '["/pools"]')
    settings = load(file)
    assert (settings.listen.unix, settings.listen.tcp) == ("/run/environment.sock", "127.0.0.1:7443")
    assert (settings.staleness_s, settings.allowed_paths) == (5, ("/pools",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[listen]\ntpc = ''", "listen.tpc: there is no such setting; did you mean tcp?"),
        ("stat_dir = '/x'", "stat_dir: there is no such setting; did you mean state_dir?"),
        ("[[pools]]\nname = 'p'\novercommit = 1", "did you mean overcommit_ratio?"),
        ("[log]\nzzz = 1", "log.zzz: there is no such setting; there are level, format"),
        ("allowed_paths = ['pools']", "must be an absolute path"),
        ("allowed_paths = ['/srv/../etc']", "must be an absolute path without .."),
        ("[listen]\nunix_mode = '0666'", "must not be wider than 0660"),
        ("[listen]\nunix_mode = 'rw'", "must be an octal number"),
        (f"[listen]\nunix = '/{'x' * 107}'", "longer than the 107 bytes"),
        ("[listen]\nunix = ''", "nobody could reach the agent"),
        ("[listen]\ntcp = '7443'", "must be host:port"),
        ("[listen]\ntcp = '::1:7443'", "must be host:port"),
        ("[tls]\ncert = '/c'", "missing: key, client_ca"),
        ("[[storages]]\nid = 'x'", "needs either path or source"),
        ("[[storages]]\nid = 'x'\npath = '/a'\nsource = 'h:/a'", "needs either path or source"),
        ("overcommit_ratio = -1", "overcommit_ratio: "),
        ("mode = 'write'", "mode: "),
        ("a = = 1", "is not TOML"),
    ],
)
def test_what_is_wrong_is_said(problems: Callable[[str], list[str]], text: str, sentence: str) -> None:
    assert any(sentence in problem for problem in problems(text))


def test_every_problem_is_told_at_once(problems: Callable[[str], list[str]]) -> None:
    assert len(problems("mode = 'x'\n[listen]\ntpc = ''\n[log]\nlevel = 'loud'")) == 3


@pytest.mark.parametrize("address", ["0.0.0.0:7443", "192.0.2.1:7443", "[::]:7443", "host.example.com:7443"])
def test_tcp_that_others_reach_needs_certificates(problems: Callable[[str], list[str]], address: str) -> None:
    (sentence,) = problems(f"[listen]\ntcp = '{address}'")
    assert "tls.cert, tls.key and tls.client_ca" in sentence


@pytest.mark.parametrize("address", ["127.0.0.1:7443", "127.9.9.9:7443", "[::1]:7443", "localhost:7443"])
def test_tcp_on_loopback_needs_none(tmp_path: Path, address: str) -> None:
    (tmp_path / "agent.toml").write_text(f"[listen]\ntcp = '{address}'")
    assert load(tmp_path / "agent.toml").listen.tcp == address


@pytest.mark.parametrize("name", ["POOLFLEET_AGENT__LISTN__UNIX", "POOLFLEET_AGENT__LISTEN__UNX"])
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/x")
    with pytest.raises(ConfigurationError, match="there is no such setting; did you mean"):
        load(None)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml")


def test_what_check_prints_reads_back_the_same(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "libvirt": {"domain_uris": ["qemu:///system", 'odd "quoted"\n']},
            "storages": [{"id": "a", "path": "/a"}, {"id": "größe", "source": "h:/b"}],
            "pools": [{"name": "p", "overcommit_ratio": 1.5}],
        }
    )
    (tmp_path / "again.toml").write_text(to_toml(settings))
    assert load(tmp_path / "again.toml") == settings


def test_the_ratio_of_a_pool_wins_over_the_hosts() -> None:
    settings = Settings.model_validate({"overcommit_ratio": 2, "pools": [{"name": "p", "overcommit_ratio": 0}]})
    assert (settings.overcommit_ratio_of("p"), settings.overcommit_ratio_of("q")) == (0, 2)


def test_the_example_has_every_setting_with_its_default(tmp_path: Path) -> None:
    """Each is commented out there: with the comment signs away it is a file, and says what holds anyway.

    Of what is found out where it is left out there is one value of those that it may have.
    """
    lines = EXAMPLE.read_text().splitlines()
    settings_only = [line.removeprefix("#") for line in lines if line[:2] != "# " and line != "#"]
    (tmp_path / "example.toml").write_text("\n".join(settings_only))
    example = load(tmp_path / "example.toml")
    plain = load(None)
    found_out = {
        "libvirt": example.libvirt,
        "limits": plain.limits.model_copy(update={"max_jobs": example.limits.max_jobs}),
    }
    assert example.model_copy(update={"pools": (), "storages": ()}) == plain.model_copy(update=found_out)
    for name, field in Settings.model_fields.items():
        assert f"{name} =" in EXAMPLE.read_text() or f"[{name}]" in EXAMPLE.read_text(), name
        for key in getattr(field.annotation, "model_fields", {}):
            assert f"#{key} =" in EXAMPLE.read_text(), f"{name}.{key}"
