"""For every test: a skip is a failure, unless tests/allowed_skips.txt lists it with a reason."""

from __future__ import annotations

import logging
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")

# How long an example takes says something of the machine's load, and nothing of the code.
settings.register_profile("poolfleet", deadline=None)
settings.load_profile("poolfleet")


# As the agent's own log, once it is set up: a traceback with the values of all variables takes seconds to draw.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_reaches_programs() -> None:
    """A run in the background ignores Ctrl-C, and programs that are started would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _pollers_wake_each_other_in_silence() -> None:
    """Tests run servers and clients on several event loops of one process. grpcio before 1.80 wakes the pollers of all
    and lets the losers log an error that means nothing; what a program prints is tested without it."""
    logging.getLogger("asyncio").addFilter(
        lambda record: "PollerCompletionQueue._handle_events" not in record.getMessage()
    )


def allowed_skips(text: str) -> dict[str, str]:
    """The reasons by node id of what may be skipped. Raises ValueError for a line without a reason."""
    reasons = {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        node_id, _, reason = (part.strip() for part in line.partition(" # "))
        if not reason:
            raise ValueError(f"{ALLOWED_SKIPS.name}: no reason is given for {node_id}")
        reasons[node_id] = reason
    return reasons


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    # An expected failure is reported as skipped too, and is none.
    if report.skipped and not hasattr(report, "wasxfail"):
        _fail_unless_allowed(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        _fail_unless_allowed(report)
    return report


def _fail_unless_allowed(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.nodeid in allowed_skips(ALLOWED_SKIPS.read_text()):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} was skipped, and {ALLOWED_SKIPS.name} does not list it: {reason}"
