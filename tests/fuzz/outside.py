"""What somebody does on the host that is fuzzed, behind the agent's back: files and folders become something else."""

from __future__ import annotations

import random
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scripts.embedded.host import EmbeddedHost
from tests.fuzz.vocabulary import VOLUMES
from tests.made_pools import MIB, folder

_NAMES = sorted({name for name in VOLUMES if name.startswith(("v.", "new."))})
_OF_FOLDERS = 0.05
"""The share of things that are done to the whole folder."""


class Outsider:
    """Has the folder of the pool `active` in hand."""

    def __init__(self, host: EmbeddedHost) -> None:
        self._folder = folder(host, "active")
        self._chance = random.Random()

    def do_something(self) -> None:
        """One thing, as chance has it; nothing where the agent or libvirt are at it themselves in that moment."""
        with suppress(OSError):
            if self._chance.random() < _OF_FOLDERS:
                self._become(self._folder, _FOLDER_BECOMES)
            else:
                self._become(self._folder / self._chance.choice(_NAMES), _FILE_BECOMES)

    def put_back(self) -> None:
        """Folders are folders, without those volumes of which it is not known what somebody made of them."""
        for path in (self._folder, self._folder / "folder"):
            if path.is_symlink() or not path.is_dir():
                _remove(path)
                path.mkdir()
        for name in _NAMES:
            _remove(self._folder / name)

    def _become(self, path: Path, what: tuple[Callable[[Path], None], ...]) -> None:
        _remove(path)
        self._chance.choice(what)(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _nothing(_: Path) -> None:
    return


def _link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def _link_to_another(path: Path) -> None:
    path.symlink_to(path.with_name(".hidden"))


def _socket(path: Path) -> None:
    # No pipe: a qemu-img that libvirt has begun on the volume would wait in its opening, and libvirt for it, for ever.
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def _image_cut_short(path: Path) -> None:
    path.write_bytes(b"QFI\xfb\0\0\0\3" + bytes(20))


def _image_of_odd_numbers(path: Path) -> None:
    path.write_bytes(b"QFI\xfb\0\0\0\3" + b"\xff" * 600)


def _larger(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(16 * MIB)


_FILE_BECOMES: tuple[Callable[[Path], None], ...] = (
    *(_nothing, Path.touch, _link_to_itself, _link_to_another),
    *(_socket, Path.mkdir, _image_cut_short, _image_of_odd_numbers, _larger),
)
_FOLDER_BECOMES: tuple[Callable[[Path], None], ...] = (_nothing, Path.touch, Path.mkdir, _link_to_itself)
