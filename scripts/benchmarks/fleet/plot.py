"""Draws a report of the benchmark as SVG: seconds by hosts, both logarithmic: what grows linearly is a line at 45°.

scripts/bench fleet >fleet.json
.venv/bin/python -m scripts.benchmarks.fleet.plot fleet.json >docs/fleet.svg
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

_COLOURS = {"first_sync": "#1565c0", "changed_sync": "#2e7d32", "unchanged_sync": "#ef6c00"}
_DASHES = {"sqlite": "none", "postgresql": "6 4"}
_DECADE = 150
_LEFT, _TOP, _RIGHT, _BOTTOM = 60, 20, 240, 50
_SECONDS = (0.01, 100.0)


def svg(rows: Sequence[dict[str, Any]]) -> str:
    """The drawing of the rows with mutual TLS."""
    timed = [row for row in rows if row["case"] in _COLOURS and row["tls"]]
    hosts = sorted({row["hosts"] for row in timed})
    least, most = math.floor(math.log10(hosts[0])), math.ceil(math.log10(hosts[-1]))
    width, height = (most - least) * _DECADE, round(math.log10(_SECONDS[1] / _SECONDS[0]) * _DECADE)

    def x(number: float) -> float:
        return round(_LEFT + (math.log10(number) - least) * _DECADE, 1)

    def y(seconds: float) -> float:
        return round(_TOP + height - math.log10(seconds / _SECONDS[0]) * _DECADE, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + width + _RIGHT} {_TOP + height + _BOTTOM}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for power in range(least, most + 1):
        at = x(10**power)
        parts.append(_line(at, _TOP, at, _TOP + height))
        parts.append(_text(at, _TOP + height + 18, f"{10**power:,}", "middle"))
    seconds = _SECONDS[0]
    while seconds <= _SECONDS[1]:
        parts.append(_line(_LEFT, y(seconds), _LEFT + width, y(seconds)))
        parts.append(_text(_LEFT - 8, y(seconds) + 4, f"{seconds:g} s", "end"))
        seconds *= 10
    parts.append(_text(_LEFT + width / 2, _TOP + height + 40, "hosts", "middle"))
    for number, (store, case, points) in enumerate(_curves(timed)):
        places = " ".join(f"{x(count)},{y(taken)}" for count, taken in points)
        style = f'stroke="{_COLOURS[case]}" stroke-width="2" stroke-dasharray="{_DASHES[store]}"'
        parts.append(f'<polyline points="{places}" fill="none" {style}/>')
        at = _TOP + 10 + 20 * number
        parts.append(f'<path d="M{_LEFT + width + 15} {at}h30" {style}/>')
        parts.append(_text(_LEFT + width + 52, at + 4, f"{case}, {store}", "start"))
    return "\n".join([*parts, "</svg>"])


def _curves(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str, list[tuple[int, float]]]]:
    for case in _COLOURS:
        for store in _DASHES:
            points = [(row["hosts"], row["median"]) for row in rows if (row["case"], row["store"]) == (case, store)]
            if points:
                yield store, case, sorted(points)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="#dddddd"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#333333">{escape(text)}</text>'


def main(arguments: Sequence[str]) -> None:
    """Read a report, and print the drawing."""
    (file,) = arguments
    print(svg(json.loads(Path(file).read_text())["results"]))


if __name__ == "__main__":
    main(sys.argv[1:])
