"""The log: one JSON object a line, of libraries too, and no secrets."""

from __future__ import annotations

import json
import logging
from typing import Literal

import grpc
import pytest
import structlog

from poolfleet_agent.server import logs


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_ours_and_those_of_libraries_have_one_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    structlog.stdlib.get_logger("ours").info("started", pool="größe")
    logging.getLogger("library").warning("odd: %s", "value")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["level"], ours["logger"], ours["pool"]) == ("started", "info", "ours", "größe")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("odd: value", "warning", "library")
    assert str(ours["timestamp"]).endswith("Z")


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("warning", "json")
    structlog.stdlib.get_logger("ours").info("quiet")
    logging.getLogger("library").info("quiet")
    assert lines(capsys) == []


@pytest.mark.parametrize("key", ["password", "secret_value", "Passphrase", "private_key"])
def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str], key: str) -> None:
    logs.configure("info", "json")
    structlog.stdlib.get_logger("ours").info("set", **{key: "hunter2"})
    logging.getLogger("library").info("set", extra={key: "hunter2"})
    assert "hunter2" not in capsys.readouterr().err


def test_a_traceback_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    try:
        raise ZeroDivisionError("why")
    except ZeroDivisionError:
        structlog.stdlib.get_logger("ours").exception("broke")
    (line,) = lines(capsys)
    assert "ZeroDivisionError" in json.dumps(line["exception"])


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_shows_no_values(capsys: pytest.CaptureFixture[str], form: Literal["json", "console"]) -> None:
    logs.configure("info", form)
    key = "".join(["hunt", "er2"])
    try:
        raise ZeroDivisionError(len(key))
    except ZeroDivisionError:
        structlog.stdlib.get_logger("ours").exception("broke")
    text = capsys.readouterr().err
    assert "ZeroDivisionError" in text
    assert "hunter2" not in text


def test_people_get_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "console")
    structlog.stdlib.get_logger("ours").info("started", pool="p")
    text = capsys.readouterr().err
    assert "started" in text
    assert "pool=p" in text


def test_callers_who_leave_are_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    for error in (grpc.aio.InternalError("cannot send"), ZeroDivisionError("why")):
        try:
            raise error
        except type(error):
            logging.getLogger("grpc._cython.cygrpc").exception("raised by servicer method")
    (line,) = lines(capsys)
    assert "ZeroDivisionError" in json.dumps(line["exception"])
