"""What mount programs say, and what it means: each entry of the corpus says how its text was come by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from poolfleet_agent.model.mount_failure import MountFailure
from poolfleet_agent.model.mount_texts import mount_failure
from tests.unit.agent.mounts.record_corpus import CORPUS, HERE

LIBVIRT = (
    "internal error: Child process (/bin/mount -o nodev -t nfs nfs1:/timed out /mnt/x) unexpected exit status 32: "
)


@dataclass(frozen=True)
class Entry:
    """A text with what its head says."""

    name: str
    head: dict[str, str]
    text: str


def entry(path: Path) -> Entry:
    lines = path.read_text().splitlines(keepends=True)
    head = [line for line in lines if line.startswith("# ")]
    fields = dict(line.removeprefix("# ").rstrip("\n").split(": ", 1) for line in head)
    return Entry(path.stem, fields, "".join(lines[len(head) :]))


ENTRIES = [entry(path) for path in sorted(CORPUS.glob("*.txt"))]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_text_means_its_kind_from_us_and_through_libvirt(entry: Entry) -> None:
    assert mount_failure(entry.text) == entry.head["kind"]
    assert mount_failure(" ".join(entry.text.split())) == entry.head["kind"]
    assert mount_failure(LIBVIRT + entry.text) == entry.head["kind"]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_says_how_it_was_produced(entry: Entry) -> None:
    assert entry.text.strip()
    assert entry.head["situation"]
    if entry.head["how"].startswith("recorded"):
        assert entry.head["command"]
        assert int(entry.head["status"]) > 0
    else:
        assert "not recorded yet" in entry.head["how"] or entry.head["how"] == "invented"


def test_what_is_said_to_be_recorded_without_a_server_was() -> None:
    recorded = {entry.name: entry for entry in ENTRIES if entry.head["how"].startswith("recorded")}
    assert set(HERE) <= set(recorded)
    for name, (kind, _, command) in HERE.items():
        assert (recorded[name].head["kind"], recorded[name].head["command"]) == (kind, " ".join(command))


def test_every_kind_that_mount_tells_of_has_an_entry() -> None:
    by_others = {
        # Of the probe, the proof and the worker.
        MountFailure.NAME_TEMPORARY,
        MountFailure.SQUASHED,
        MountFailure.WRONG_SHARE,
    }
    assert {entry.head["kind"] for entry in ENTRIES} == set(MountFailure) - by_others
