"""Any bytes to any RPC, on a real host: each answer is documented, none INTERNAL or UNKNOWN; none hangs, nothing stays.

`scripts/fuzz 100000` runs it for longer, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.process import NotReadyError, wait_until
from scripts.embedded.standin import NetfsStandIn
from tests.fuzz.campaign import Campaign
from tests.fuzz.growth import Held, held_by
from tests.fuzz.host import clear, fuzzed_host
from tests.fuzz.questions import EVERY_SERVICE, questions
from tests.fuzz.report import written
from tests.fuzz.vocabulary import vocabulary
from tests.raw_agent import raw_agent

MESSAGES = int(os.environ.get("POOLFLEET_FUZZ_MESSAGES", "5000"))
REPORT = os.environ.get("POOLFLEET_FUZZ_REPORT", "")
"""Where the figures go, as JSON."""
MESSAGES_OF_A_PART = 1000
REST_LIMIT_S = 20.0


class Run:
    """A campaign in parts, and what its agent held after the first and after the last."""

    def __init__(self, runner: asyncio.Runner, campaign: Campaign) -> None:
        self._runner = runner
        self.campaign = campaign
        self.began_s = time.monotonic()
        self._asked = questions(vocabulary(campaign.host))
        self._pid = campaign.host.agent.pid

    def ask(self, messages: int) -> None:
        """Ask so many."""
        self._runner.run(self.campaign.ask_many(self._asked, messages))
        assert self.campaign.host.agent.pid == self._pid, self.log()[-5000:]

    def held(self) -> Held:
        """What the agent holds once all is taken away again that it was told to make."""
        self._runner.run(clear(self.campaign.host, self.campaign.agent))
        return held_by(self.campaign.host.agent)

    def log(self) -> str:
        """Of the agent."""
        return self.campaign.host.agent.log.read_text()


@pytest.fixture(scope="module")
def run(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[Run]:
    with ExitStack() as ends:
        root = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=short_dir, prefix="z")))
        root.chmod(0o755)
        # Only root can have one; anybody else's mounts are refused anyway.
        share = ends.enter_context(NetfsStandIn(root / "s")) if os.geteuid() == 0 else None
        host = fuzzed_host(root, share)
        host.libvirtd.learn_emulators_from(libvirtd)
        ends.enter_context(host)
        runner = ends.enter_context(asyncio.Runner())
        stack = raw_agent(host.agent.target)
        agent = runner.run(stack.__aenter__())
        ends.callback(lambda: runner.run(stack.__aexit__(None, None, None)))
        yield Run(runner, Campaign(host, agent))


@pytest.fixture(scope="module")
def first_held(run: Run) -> Held:
    """After the first part: what is loaded and remembered once is there by then."""
    run.ask(MESSAGES_OF_A_PART)
    return run.held()


@pytest.mark.parametrize("part", range(1, max(2, MESSAGES // MESSAGES_OF_A_PART)))
def test_every_answer_is_documented(run: Run, first_held: Held, part: int) -> None:
    run.ask(MESSAGES_OF_A_PART)
    faults, run.campaign.faults = run.campaign.faults, {}
    assert not faults, "\n\n".join(faults.values())


def test_nothing_stays(run: Run, first_held: Held) -> None:
    last = run.held()
    if REPORT:
        Path(REPORT).write_text(written(run.campaign, first_held, last, time.monotonic() - run.began_s))
    grown: list[str] = []

    def nothing_has() -> bool:
        grown[:] = held_by(run.campaign.host.agent).grown_too_much(first_held, run.campaign.asked - MESSAGES_OF_A_PART)
        return not grown

    # What has grown stays, while a look of the agent's may take some of each at any moment.
    with suppress(NotReadyError):
        wait_until(nothing_has, limit_s=REST_LIMIT_S, what="nothing has grown too much")
    assert grown == []


def test_nothing_was_unforeseen(run: Run) -> None:
    log = run.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 2000 :][:6000]
    assert "unforeseen" not in log


def test_every_rpc_was_asked(run: Run, first_held: Held) -> None:
    every_rpc = {f"{service.full_name}/{method.name}" for service in EVERY_SERVICE for method in service.methods}
    assert {path for path, _, _ in run.campaign.seen} == every_rpc
