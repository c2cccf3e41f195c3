"""Agents that live for one test, and the command line run against them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from poolfleet.cli.main import app
from tests.unit.client.cli.living_agent import LivingAgent

POOLFLEET = Path(sys.executable).with_name("poolfleet")


@dataclass(frozen=True)
class Ran:
    """How a run of the command line ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class Terminal:
    """Runs the command line without a terminal, with the environment of one test."""

    def __init__(self, **environment: str) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LC_ALL": "C.UTF-8",
            **environment,
        }

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            POOLFLEET, *words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=self.environment
        )

    async def __call__(self, *words: str) -> Ran:
        """Run it in a thread of the test's own process, which is sooner done than a process."""
        result = await asyncio.wait_for(asyncio.to_thread(self._invoke, words), 60)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    def _invoke(self, words: Sequence[str]) -> Result:
        absent: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("POOLFLEET_"))
        return CliRunner().invoke(app, list(words), prog_name="poolfleet", env={**absent, **self.environment})

    async def as_process(self, *words: str) -> Ran:
        """Run it as people do."""
        process = await self.start(*words)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def interrupted(self, *words: str, once: Callable[[], Awaitable[None]]) -> Ran:
        """Send what Ctrl-C sends as soon as `once` has returned."""
        process = await self.start(*words)
        await once()
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def agent() -> AsyncIterator[LivingAgent]:
    async with LivingAgent() as living:
        yield living


@pytest.fixture
def poolfleet(agent: LivingAgent) -> Terminal:
    """The command line on the host of `agent`, found by its socket."""
    return Terminal(POOLFLEET_SOCKET=agent.target)


@dataclass
class Hosts:
    """Three agents, kvm1 to kvm3, in a fleet file."""

    agents: Sequence[LivingAgent]
    file: Path

    @property
    def poolfleet(self) -> Terminal:
        return Terminal(POOLFLEET_FLEET=str(self.file))


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    async with AsyncExitStack() as stack:
        agents = [await stack.enter_async_context(LivingAgent(f"agent-{n}")) for n in (1, 2, 3)]
        entries = [
            f'[[host]]\nname = "kvm{n}"\ntarget = "{living.target}"\nlabels = {{ rack = "r{(n + 1) // 2}" }}\n'
            for n, living in enumerate(agents, 1)
        ]
        file = tmp_path / "fleet.toml"
        file.write_text("\n".join(["[defaults]\ntimeout_s = 10\n", *entries]))
        yield Hosts(agents, file)
