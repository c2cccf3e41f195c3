"""The drawing of the benchmark of fleets: a curve for each case and store, at 45° where it grows linearly."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

from scripts.benchmarks.fleet.plot import svg

ROWS = [
    {"case": case, "store": store, "tls": tls, "hosts": hosts, "median": hosts / 100}
    for case in ("first_sync", "unchanged_sync", "client_memory")
    for store in ("sqlite", "postgresql")
    for tls in (False, True)
    for hosts in (1000, 10, 100)
]


def test_it_has_a_curve_for_each_case_and_store_with_tls() -> None:
    drawing = ET.fromstring(svg(ROWS))  # noqa: S314  (ours)
    texts = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
    cases, stores = ("first_sync", "unchanged_sync"), ("sqlite", "postgresql")
    assert {f"{case}, {store}" for case in cases for store in stores} <= texts
    assert len(list(drawing.iter("{http://www.w3.org/2000/svg}polyline"))) == 4


def test_ten_times_the_seconds_for_ten_times_the_hosts_are_as_far_up_as_to_the_right() -> None:
    drawing = ET.fromstring(svg(ROWS))  # noqa: S314  (ours)
    for curve in drawing.iter("{http://www.w3.org/2000/svg}polyline"):
        points = [tuple(map(float, point.split(","))) for point in curve.attrib["points"].split()]
        steps = [(after[0] - before[0], before[1] - after[1]) for before, after in itertools.pairwise(points)]
        assert steps == [(150.0, 150.0), (150.0, 150.0)]
