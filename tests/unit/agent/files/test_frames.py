"""Frames between agent and worker: what is packed is unpacked, and what is cut is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.files.channel import Channel
from poolfleet_agent.files.frames import pack, unpack
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.processes.child import Children

LIMIT_S = 30.0
fields = st.lists(st.binary(max_size=50), max_size=5)


@given(fields)
def test_what_is_packed_is_unpacked(packed: list[bytes]) -> None:
    frame = pack(*packed)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert unpack(frame[4:]) == packed


@given(fields, st.data())
def test_what_is_cut_or_followed_by_more_is_refused(packed: list[bytes], data: st.DataObject) -> None:
    body = pack(*packed)[4:]
    cut = data.draw(st.integers(1, len(body)))
    for wrong in (body[:-cut], body + bytes(cut)):
        with pytest.raises(ValueError, match=r"cut off|not as long"):
            unpack(wrong)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(pack(b"77", b"0"), id="to what was not asked"),
        pytest.param(pack(), id="without an id"),
        pytest.param((8).to_bytes(4, "big") + b"\xff" * 8, id="cut"),
        pytest.param(b"\xff" * 64, id="too long"),
    ],
)
async def test_a_worker_that_answers_nonsense_is_lost_and_no_more(
    children: Children, tmp_path: Path, answer: bytes
) -> None:
    program = tmp_path / "nonsense.py"
    program.write_text(f"import sys, time\nsys.stdout.buffer.write({answer!r})\nsys.stdout.flush()\ntime.sleep(60)\n")
    channel = Channel(children, program=(sys.executable, str(program)))
    try:
        with pytest.raises(ModelError) as refused:
            await channel.ask(b"stat", b"/", timeout_s=LIMIT_S)
        assert refused.value.reason is Reason.POOL_UNRESPONSIVE
    finally:
        await channel.close()
