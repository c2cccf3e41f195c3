"""The report of a run of the lab's tests, as markdown: when, on what, and the seconds of each test, slowest first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from scripts.virtual_lab.lab import Lab

HEADING = "## Last report\n"
UNKNOWN = "of an unknown processor"


@dataclass(frozen=True, slots=True)
class Finished:
    """One test that was run: `figures` are what it recorded by pytest's record_property."""

    name: str
    seconds: float
    passed: bool
    figures: str


def write_report(file: Path, lab: Lab, junit: Path, *, title: str) -> None:
    """Put the report of the run that wrote `junit` into `file`: after its line `## Last report`, or in place of all."""
    kept = file.read_text(encoding="utf-8").partition(HEADING)[0] if file.exists() else ""
    file.write_text(f"{kept}{HEADING}\n{_report(lab, junit, title)}", encoding="utf-8")


def _report(lab: Lab, junit: Path, title: str) -> str:
    tests = sorted(_together(_finished(junit)), key=lambda test: -test.seconds)
    failed = sum(not test.passed for test in tests)
    verdict = f"{len(tests) - failed} tests passed" + (f", {failed} failed" if failed else "")
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_processor()}), the machines emulated by",
        f"{_first_line('qemu-system-x86_64', '--version')}.",
        f"In the machines: {_versions(lab)}.",
        "",
        f"{title}: {verdict} in {sum(test.seconds for test in tests):.0f} s.",
        "",
        "| test | seconds | |",
        "|---|---:|---|",
        *(f"| {test.name} | {test.seconds:.0f} | {_remark(test)} |" for test in tests),
    ]
    return "\n".join(lines) + "\n"


def _remark(test: Finished) -> str:
    return test.figures if test.passed else f"**failed** {test.figures}".rstrip()


def _finished(junit: Path) -> Iterator[Finished]:
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314  pytest wrote it just now
        figures = [f"{told.get('name')}: {told.get('value')}" for told in case.iter("property")]
        module = case.get("classname", "").rpartition(".")[2].removeprefix("test_").replace("_", " ")
        yield Finished(
            name=f"{module}: {case.get('name', '').removeprefix('test_').replace('_', ' ')}",
            seconds=float(case.get("time", 0)),
            passed=case.find("failure") is None and case.find("error") is None,
            figures="; ".join(figures),
        )


def _together(cases: Iterable[Finished]) -> list[Finished]:
    """One of each test: where what is done after a test fails, pytest lists it once more."""
    found: dict[str, Finished] = {}
    for case in cases:
        first = found.get(case.name, case)
        found[case.name] = replace(first, passed=first.passed and case.passed, seconds=max(first.seconds, case.seconds))
    return list(found.values())


def _versions(lab: Lab) -> str:
    packages = "libvirt-daemon nfs-common nfs-kernel-server qemu-utils python3-minimal"
    kernel = lab.server.ssh("uname -r").strip()
    found = lab.hosts[0].ssh(f"dpkg-query -W -f '${{Package}} ${{Version}}, ' {packages}").strip(", ")
    return f"Linux {kernel}, {found}"


def _first_line(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.partition("\n")[0]


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else UNKNOWN
