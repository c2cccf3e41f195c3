"""A fleet of one host, for the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.embedded.host import EmbeddedHost


@pytest.fixture
def fleet(host: EmbeddedHost, host_folder: Path) -> Path:
    """Its file: the host is `kvm1`."""
    file = host_folder / "fleet.toml"
    file.write_text(f'[[host]]\nname = "kvm1"\ntarget = "{host.agent.target}"\n')
    return file
