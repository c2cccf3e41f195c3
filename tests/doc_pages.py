"""The blocks of a page of the documentation, and how they are run: command lines, Python and XML, in their order.

What a ```console block shows below a command, and a ```text block right after a ```python one, is what these print. An
```xml block is a file in the folder that the command lines run in, called as its pool. A block that stands below a line
`*Not run by this page's test: …*` is read by people only.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from poolfleet.cli.main import app

ROOT = Path(__file__).resolve().parents[1]

_BLOCK = re.compile(r"(^\*Not run by this page's test: [^*]+\*\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"<name>([^<]+)</name>")
# What is another each time: ids, and how long ago something was.
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_AGE = re.compile(r"(?<= )\d+(?:ms|[smhd])(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block; `runs`: it is not marked as one for people only."""

    kind: str
    text: str
    runs: bool


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in their order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(kind, text, runs=not mark) for mark, kind, text in found]


def commands(console: str) -> Iterator[tuple[list[str], str]]:
    """The commands of a console, as words, each with what it is shown to print."""
    for part in re.split(r"^(?=[$#] )", console.replace("\\\n", " "), flags=re.MULTILINE):
        if part:
            line, _, printed = part.partition("\n")
            # The prompt of root is no comment.
            yield shlex.split(line[2:]), printed


@dataclass
class PageRun:
    """Runs the blocks of a page on the host of one agent, and holds what they print against what is shown.

    `here`: what the words of the page are on this host, such as a device or a server.
    """

    folder: Path
    target: str
    here: Mapping[str, str]
    space: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    defining: list[list[str]] = field(default_factory=list)
    """The command lines that defined a pool."""

    def run(self, page: Path) -> None:
        """Run all that runs; raises AssertionError where something else is printed than is shown."""
        shown = blocks(page)
        for index, block in enumerate(shown):
            following = shown[index + 1] if shown[index + 1 :] else Block("", "", runs=False)
            if not block.runs:
                continue
            if block.kind == "console":
                for shown_words, printed in commands(block.text):
                    words = [self._here(word) for word in shown_words]
                    self._same(shlex.join(shown_words), self.command(words), printed)
                    if words[1:3] == ["pool", "define"] and printed.endswith(" defined\n"):
                        self.defining.append(words)
            elif block.kind == "python":
                told = following.text if following.kind == "text" else ""
                self._same(block.text, self._python(self._here(block.text)), told)
            elif block.kind == "xml":
                name = _NAME.findall(block.text)[0]
                (self.folder / f"{name}.xml").write_text(self._here(block.text), encoding="utf-8")

    def command(self, words: list[str]) -> str:
        """Run one command line of `poolfleet`; what it prints, for eyes and as errors, in one."""
        assert words[0] == "poolfleet", f"a page's test runs nothing but poolfleet; mark what is not for it: {words}"
        environment = {"POOLFLEET_SOCKET": self.target, "COLUMNS": "200"}
        with contextlib.chdir(self.folder):
            return CliRunner().invoke(app, words[1:], prog_name=words[0], env=environment).output

    def _python(self, code: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "a page's Python", "exec"), self.space)  # noqa: S102
        return printed.getvalue()

    def _here(self, text: str) -> str:
        for shown, here in self.here.items():
            text = text.replace(shown, here)
        return text

    def _same(self, what: str, printed: str, shown: str) -> None:
        for word, here in self.here.items():
            printed = printed.replace(here, word)
        assert _lasting(printed) == _lasting(shown), f"{what}\nprints\n{printed}"


def _lasting(printed: str) -> str:
    """What is the same each time of what is printed; how wide a column is depends on what is in it."""
    words = _AGE.sub("AGE", _UUID.sub("UUID", printed))
    return "\n".join(" ".join(line.split()) for line in words.splitlines() if line.strip())
