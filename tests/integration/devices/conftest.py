"""A disk of its own for each test, and an agent that leaves it alone in the end: for who is root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import poolfleet
from scripts.embedded.host import EmbeddedHost
from tests.loop_device import loop_device

if os.geteuid() == 0:

    @pytest.fixture
    def device(host_folder: Path) -> Iterator[str]:
        """A loop device."""
        with loop_device(host_folder / "image") as made:
            yield made

    @pytest.fixture
    def agent(host: EmbeddedHost) -> Iterator[poolfleet.AgentClient]:
        """The agent of the host; its pool `p` is stopped, so that the device is free however the test has ended."""
        with poolfleet.AgentClient(host.agent.target) as client:
            yield client
            with contextlib.suppress(poolfleet.NotFound):
                client.pools.stop("p")
