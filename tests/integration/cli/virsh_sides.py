"""Two hosts on which the same lines are run, by virsh on the one and by poolfleet on the other, and what came of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from typer.testing import CliRunner

from poolfleet.cli.main import app
from poolfleet.cli.virsh.table import TABLE
from scripts.embedded.libvirtd import EmbeddedLibvirtd

UUID = "0b0c1e9e-9d66-4a29-9b43-7a3dd3b8b1a5"
_POOL = """\
<pool type='dir'>
  <name>vm_data</name>
  <uuid>{uuid}</uuid>
  <target><path>{folder}/vm_data</path><permissions><mode>0711</mode></permissions></target>
</pool>
"""
_VOLUME = """\
<volume>
  <name>web2.qcow2</name>
  <capacity unit='MiB'>64</capacity>
  <target><format type='qcow2'/><permissions><mode>0640</mode></permissions></target>
</volume>
"""
_EDITOR = '#!/bin/sh\nexec sed -i s/0711/0700/ "$1"\n'
_FILES = {"pool.xml": _POOL, "vol.xml": _VOLUME, "editor": _EDITOR}
_DEVICE = "/dev/sdb"
_READS = {"list", "show", "find", "discover"}
# How full the file system is changes all the time, and when a file was made differs by nature.
_VARIES_IN_POOL = {"allocation", "available"}
_VARIES = {"timestamps"}


@dataclass
class Outcome:
    """How a line ended, and what it wrote."""

    succeeded: bool
    out: str
    err: str


def _beginning(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(16)


class Side:
    """A host, and what stands on it for `/` and for `/dev/sdb` in the lines that it is given.

    Without a `device` (a loop device, whose content is lost) lines that use it cannot be run.
    """

    def __init__(self, libvirtd: EmbeddedLibvirtd, folder: Path, device: str | None) -> None:
        self.libvirtd = libvirtd
        self.folder = folder
        self._device = device or _DEVICE
        self._begun: tuple[str, ...] | None = None

    def run(self, words: list[str]) -> Outcome:
        """Run a line as it stands in the table."""
        if "--print-xml" not in words and TABLE[words[0]].verb.split()[1] not in _READS:
            self._begun = None
        return self._run(self.here(words))

    def _run(self, words: list[str]) -> Outcome:
        raise NotImplementedError

    def here(self, words: list[str]) -> list[str]:
        """Put what a line names into this side's folder."""
        named = [str(self.folder / word) if word in _FILES else word.replace(_DEVICE, self._device) for word in words]
        return [re.sub(r"^/(vm_data|other|temp)\b", rf"{self.folder}/\1", word) for word in named]

    def prepare(self, lines: tuple[str, ...]) -> None:
        """Begin with nothing but the files that lines name, and run what a case begins with."""
        if self._begun == lines:
            return
        self._forget()
        if self._device != _DEVICE:
            subprocess.run(["wipefs", "--all", "--quiet", self._device], check=True, timeout=60)
        for left in self.folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        for name, text in _FILES.items():
            (self.folder / name).write_text(text.format(uuid=UUID, folder=self.folder) if name == "pool.xml" else text)
        (self.folder / "editor").chmod(0o755)
        for line in lines:
            words = line.split()
            if words[0] == "mkdir":
                Path(*self.here(words[1:])).mkdir()
            elif words[0] == "fill":
                with Path(*self.here(words[1:])).open("r+b") as file:
                    file.write(b"x" * (1 << 20))
            else:
                done = self.run(words)
                assert done.succeeded, f"{line}: {done.err}"
        self._begun = lines

    def _forget(self) -> None:
        for name in self._lines("pool-list", "--name"):
            assert self.run(["pool-destroy", name]).succeeded
        for name in self._lines("pool-list", "--all", "--name"):
            assert self.run(["pool-undefine", name]).succeeded

    def state(self) -> dict[str, object]:
        """What virsh says of this host's pools and their volumes, and what lies in its folder."""
        files = sorted(self.folder.rglob("*"))
        found: dict[str, object] = {
            "files": [str(file.relative_to(self.folder)) for file in files],
            "contents": [_beginning(file) for file in files if file.suffix == ".raw"],
        }
        for name in self._lines("pool-list", "--all", "--name"):
            facts = dict(line.split(":", 1) for line in self._lines("pool-info", name))
            found |= {f"{name}: {key}": facts[key].strip() for key in ("State", "Persistent", "Autostart")}
            found[f"{name}: now"] = self.plain(self._virsh("pool-dumpxml", name))
            found[f"{name}: stored"] = self.plain(self._virsh("pool-dumpxml", name, "--inactive"))
            for line in self._lines("vol-list", name) if found[f"{name}: State"] == "running" else ():
                volume = line.split()[0]
                found[f"{name}/{volume}"] = self.plain(self._virsh("vol-dumpxml", volume, "--pool", name))
        return found

    def plain(self, xml: str) -> str:
        """XML without what differs between any two hosts: folder and device, UUIDs that libvirt chose, times."""
        top = ET.fromstring(xml.replace(str(self.folder), "").replace(self._device, _DEVICE))  # noqa: S314 - of libvirt and of ourselves
        varies = _VARIES | (_VARIES_IN_POOL if top.tag == "pool" else set())
        for parent in list(top.iter()):
            for child in list(parent):
                if child.tag in varies or (child.tag == "uuid" and child.text != UUID):
                    parent.remove(child)
        ET.indent(top)
        return ET.canonicalize(ET.tostring(top), strip_text=True)

    def _lines(self, *words: str) -> list[str]:
        return [line.strip() for line in self._virsh(*words).splitlines() if line.strip()]

    def _virsh(self, *words: str) -> str:
        done = by_virsh(self.libvirtd, list(words))
        assert done.succeeded, done.err
        return done.out


class VirshSide(Side):
    """Runs lines by virsh."""

    def _run(self, words: list[str]) -> Outcome:
        return by_virsh(self.libvirtd, words, VISUAL=str(self.folder / "editor"))


class PoolfleetSide(Side):
    """Runs the same lines by poolfleet, in the tests' own process, which is sooner done."""

    def __init__(self, libvirtd: EmbeddedLibvirtd, folder: Path, device: str | None, socket: str) -> None:
        super().__init__(libvirtd, folder, device)
        self._environment = {"POOLFLEET_SOCKET": socket, "VISUAL": str(folder / "editor")}

    def _run(self, words: list[str]) -> Outcome:
        done = CliRunner().invoke(app, words, prog_name="poolfleet", env=self._environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Outcome(done.exit_code == 0, done.stdout, done.stderr)


def by_virsh(libvirtd: EmbeddedLibvirtd, words: list[str], **environment: str) -> Outcome:
    """Run virsh on a host."""
    done = subprocess.run(
        ["virsh", "--quiet", "--connect", libvirtd.uri, *words],
        env={**os.environ, "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Outcome(done.returncode == 0, done.stdout, done.stderr)
