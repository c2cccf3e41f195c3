"""Which fleet a command works on: the flag wins over the environment, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from poolfleet.cli.main import app


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet file to name; the environment names another."""
    for name in ("named", "other"):
        text = f'[[host]]\nname = "{name}"\ntarget = "unix:/run/poolfleet/agent.sock"\n'
        (tmp_path / f"{name}.toml").write_text(text)
    monkeypatch.setenv("POOLFLEET_FLEET", str(tmp_path / "other.toml"))
    return tmp_path / "named.toml"


def hosts(*words: str) -> list[str]:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.output.split()


@pytest.mark.parametrize("place", [0, 1, 2], ids=["before the group", "before the verb", "after the verb"])
def test_the_flag_wins_over_the_environment(named: Path, place: int) -> None:
    words = ["config", "show", "-o", "name"]
    words[place:place] = ["--fleet", str(named)]
    assert hosts(*words) == ["named"]


def test_the_environment_names_the_fleet(named: Path) -> None:
    assert hosts("config", "show", "-o", "name") == ["other"]
