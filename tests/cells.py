"""The table of cells: for every pool type each part of a pool's life, and where it is gone through.

A test says by `@pytest.mark.cell(TYPE, VERB, …)` which cells it goes through. tests/unit/test_cells.py fails where a
cell has no test in a place that this table says, and where a test is marked with what is no cell there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

TESTS = Path(__file__).parent
VERBS = ("define", "build", "start", "volume", "erase")
"""`volume`: volumes are created, listed, got and deleted; where they are given, that is refused."""


class Place(StrEnum):
    """Where a cell is gone through."""

    HERE = "here"
    """On a real libvirtd of the machine that runs the tests, on folders, loop devices, or a stand-in for a server."""
    LAB = "lab"
    """In virtual machines, on what only a kernel of one's own and a server give."""
    DEFINE = "define"
    """Nowhere: definitions are compared, and all else is refused, with what to install."""

    @property
    def folder(self) -> Path:
        """Where its tests lie."""
        return TESTS / ("lab" if self is Place.LAB else "integration")


@dataclass(frozen=True, slots=True)
class Row:
    """Where a pool type's cells are gone through, `on` what, and which of them libvirt has not: these are refused."""

    places: tuple[Place, ...]
    on: str
    refused: frozenset[str] = frozenset()


CELLS = {
    "dir": Row((Place.HERE,), "a folder"),
    "fs": Row((Place.HERE,), "a loop device"),
    "netfs": Row((Place.HERE, Place.LAB), "a stand-in; a real NFS server in the lab"),
    "logical": Row((Place.LAB,), "LVM on a loop device"),
    "disk": Row((Place.HERE,), "partitions of a loop device"),
    "iscsi": Row((Place.LAB,), "units of tgt, by the kernel's initiator", frozenset({"volume", "erase"})),
    "iscsi-direct": Row((Place.LAB,), "units of tgt, by libiscsi", frozenset({"volume", "erase"})),
    "scsi": Row((Place.LAB,), "an adapter of the kernel's scsi_debug", frozenset({"volume", "erase"})),
    "mpath": Row((Place.LAB,), "two adapters of scsi_debug, joined by multipathd", frozenset({"volume", "erase"})),
    "rbd": Row((Place.DEFINE,), "takes a Ceph cluster"),
    "gluster": Row((Place.LAB,), "a volume of one brick; files come there by a mount", frozenset({"erase"})),
    "zfs": Row((Place.DEFINE,), "takes a kernel module from outside of Debian's main archive"),
    "vstorage": Row((Place.DEFINE,), "takes Virtuozzo's own libvirt"),
}


@dataclass(frozen=True, slots=True)
class Marked:
    """A test, and the words of one of its marks."""

    test: str
    pool_type: str
    verbs: tuple[str, ...]


def marked_below(folder: Path) -> Iterator[Marked]:
    """The marks of the tests in a folder, read from their text: also of those that this machine or user cannot run.

    Raises ValueError where a mark does not write out a pool type and verbs.
    """
    for file in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for pool_type, *verbs in _words(node, file):
                    yield Marked(f"{file.name}::{node.name}", pool_type, tuple(verbs))


def _words(test: ast.FunctionDef | ast.AsyncFunctionDef, file: Path) -> Iterator[list[str]]:
    inside = [node for decorator in test.decorator_list for node in ast.walk(decorator)]
    calls = {call.func: call.args for call in inside if isinstance(call, ast.Call)}
    for node in inside:
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.cell":
            words = calls.get(node, [])
            if not words or not all(isinstance(word, ast.Constant) for word in words):
                raise ValueError(f"{file}:{node.lineno}: a mark of cells writes out its pool type and verbs")
            yield [ast.literal_eval(word) for word in words]


def lacking(pool_type: str, marked: Mapping[Path, Iterable[Marked]]) -> list[str]:
    """The cells of a type that have no test where the table says; `marked`: by folder."""
    return [
        f"{pool_type}: {verb} {'in the lab' if place is Place.LAB else 'here'}"
        for place in CELLS[pool_type].places
        for verb in VERBS
        if not any(one.pool_type == pool_type and verb in one.verbs for one in marked[place.folder])
    ]


def misplaced(folder: Path, marked: Iterable[Marked]) -> list[str]:
    """What is wrong with marks of tests in a folder: they are no cells, or are to be gone through elsewhere."""
    wrong = []
    for one in marked:
        if one.pool_type not in CELLS:
            wrong.append(f"{one.test}: {one.pool_type} is no pool type of the table")
        elif not one.verbs:
            wrong.append(f"{one.test}: {one.pool_type} without a verb")
        elif not any(place.folder == folder for place in CELLS[one.pool_type].places):
            wrong.append(f"{one.test}: {one.pool_type} is not gone through in {folder.relative_to(TESTS.parent)}")
        wrong += [f"{one.test}: {verb} is no verb of the table" for verb in one.verbs if verb not in VERBS]
    return wrong
