"""Builds the documentation site in build/site: `python -m scripts.website`.

The references are written beside a copy of docs/ each time, so that mkdocs finds one folder of plain Markdown, and
nothing of ours has to be a plugin of it. It builds strictly: a dead link, or a page that the navigation leaves out,
ends it with 1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.website import commands, contract, library

ROOT = Path(__file__).resolve().parents[2]
STAGED = ROOT / "build/docs"
SITE = ROOT / "build/site"
ELSEWHERE = {
    "../deploy/poolfleet-agent.toml": "reference/agent-files.md",
    "../protos/poolfleet/v1": "reference/api/index.md",
}
"""What pages of docs/ refer to outside of it, and where the site has that."""

_ROW = re.compile(r"^\|.*$", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\((\.\./[^)#]+)")
# What a browser would load by itself; to where a link leads is the reader's to decide.
_LOADED = re.compile(r"""<(?:script|img|iframe)[^>]*\ssrc="?https?:[^>]*>|<link[^>]*\shref="?https?:[^>]*>""")


def main() -> int:
    """Write the folder and have mkdocs build it."""
    stage(STAGED)
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    # mkdocs-material's words about its successor, at each build; with --quiet mkdocs would not count warnings.
    done = subprocess.run(words, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return done.returncode
    elsewhere = list(_loaded_from_elsewhere())
    for page, tag in elsewhere:
        print(f"{page} loads something that is not its own: {tag}", file=sys.stderr)
    return 1 if elsewhere else 0


def _loaded_from_elsewhere() -> Iterator[tuple[Path, str]]:
    """What pages would load from another server: hosts are often without internet."""
    for page in sorted(SITE.rglob("*.html")):
        for tag in _LOADED.findall(page.read_text(encoding="utf-8")):
            yield page.relative_to(ROOT), tag


def stage(folder: Path) -> None:
    """Write all of the site's sources to `folder`, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    for path, text in generated().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    for page in folder.rglob("*.md"):
        page.write_text(_for_mkdocs(page.read_text(encoding="utf-8")), encoding="utf-8")


def _for_mkdocs(text: str) -> str:
    """A page as mkdocs wants it: links within the site, and no backslash before a bar in a table's code."""
    text = _LINK.sub(lambda found: f"]({ELSEWHERE.get(found[1], found[1])}", text)
    return _ROW.sub(lambda row: _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), text)


def generated() -> dict[str, str]:
    """The pages that git does not have, by their paths in the site."""
    return {
        **commands.pages(),
        **library.pages(),
        **contract.pages(),
        "reference/agent-files.md": _agent_files(),
        # Its links are meant from the checkout's root.
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "]("),
    }


def _agent_files() -> str:
    parts = ["# Files of the agent", "What is installed on a host beside the package; from `deploy/` of the checkout."]
    for name, kind, about in (
        ("poolfleet-agent.toml", "toml", "`/etc/poolfleet/poolfleet-agent.toml`: every setting, with its default."),
        ("poolfleet-agent.service", "ini", "`/etc/systemd/system/poolfleet-agent.service`: the unit."),
    ):
        text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
        parts += [f"## {name}", about, f"```{kind}\n{text}```"]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
