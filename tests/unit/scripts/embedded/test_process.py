"""A process that we started is told from any other, and from one that is no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.embedded import process as module
from scripts.embedded.process import Process, started_at_ticks, wait_until

LIMIT_S = 30.0


def test_one_that_ended_before_the_time_of_its_start_was_noted_runs_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once_it_has_ended(pid: int) -> int | None:
        wait_until(lambda: started_at_ticks(pid) is None, limit_s=LIMIT_S, what="it has ended")
        return None

    process = Process(tmp_path / "true.pid")
    with monkeypatch.context() as patch:
        patch.setattr(module, "started_at_ticks", once_it_has_ended)
        process.start(["true"])
    assert process.pid is None


def test_one_that_was_killed_runs_no_more_and_another_can_be_started(tmp_path: Path) -> None:
    process = Process(tmp_path / "sleep.pid")
    for _ in range(2):
        process.start(["sleep", "1000"])
        assert process.pid is not None
        process.kill9()
        assert process.pid is None
