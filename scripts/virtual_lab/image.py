"""The first disk, with kernel and initrd: made by root once for each recipe, and kept in the user's cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.virtual_lab import recipe

DISK_BYTES = 3 * 1024**3
MAKING_LIMIT_S = 1800.0


class ImageError(Exception):
    """The image cannot be made; the message says why, with the last lines of what was run."""


@dataclass(frozen=True, slots=True)
class Image:
    """Files that a machine boots from; none of them is written to."""

    disk: Path
    kernel: Path
    initrd: Path


def cached_image(tell: Callable[[str], None]) -> Image:
    """The image of the recipe as it is now, made where it is not there; `tell` hears how far it is.

    Raises ImageError.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "poolfleet-lab"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / recipe.key()
    with _locked(cache / "lock"):
        if not folder.exists():
            began = time.monotonic()
            tell("image: making it, which takes some minutes and is done once for each recipe")
            _make(cache, folder, tell)
            tell(f"image: made in {time.monotonic() - began:.0f} s: {folder}")
    return Image(folder / "disk.ext4", folder / "vmlinuz", folder / "initrd.img")


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(cache: Path, folder: Path, tell: Callable[[str], None]) -> None:
    if os.geteuid() != 0:
        raise ImageError("making the machines' image needs root: run this as root")
    with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as scratch:
        root, made = Path(scratch, "root"), Path(scratch, "made")
        made.mkdir()
        _run("mmdebstrap", *_mmdebstrap(), recipe.SUITE, str(root))
        tell("image: Debian is there; now poolfleet's dependencies")
        _add_python(root)
        shutil.copytree(recipe.GUEST / "image", root, dirs_exist_ok=True)
        (root / "lab").mkdir()
        _run("chroot", str(root), "systemctl", "mask", "--quiet", *recipe.MASKED)
        _run("chroot", str(root), "systemctl", "enable", "--quiet", "lab.service")
        for name in ("vmlinuz", "initrd.img"):
            shutil.copy(root / name, made / name)
        disk = made / "disk.ext4"
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        _run("mkfs.ext4", "-q", "-E", "root_owner=0:0", "-d", str(root), str(disk))
        for older in cache.iterdir():
            if older.is_dir() and not older.name.startswith("making-"):
                shutil.rmtree(older)
        made.rename(folder)


def _mmdebstrap() -> list[str]:
    hooks = recipe.GUEST / "image/etc/initramfs-tools"
    return [
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(recipe.PACKAGES)}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale", "info")),
        # Before the kernel is, for its installation makes the initrd.
        f'--setup-hook=mkdir -p "$1"/etc && cp -r \'{hooks}\' "$1"/etc/',
    ]


def _add_python(root: Path) -> None:
    """A virtual environment with all that the agent needs; its own code comes on the second disk, by a .pth."""
    packages = f"opt/poolfleet/lib/python{recipe.PYTHON}/site-packages"
    _run("chroot", str(root), "python3", "-m", "venv", "--without-pip", "--system-site-packages", "/opt/poolfleet")
    target = [option for platform in recipe.PLATFORMS for option in ("--platform", platform)]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-compile"]
    fit = ["--only-binary=:all:", "--python-version", recipe.PYTHON, "--implementation", "cp", *target]
    _run(*pip, *fit, "--target", str(root / packages), *recipe.requirements())
    (root / packages / "poolfleet-code.pth").write_text("/lab/code\n")
    _run("chroot", str(root), "python3", "-m", "compileall", "-q", f"/{packages}")


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        timeout=MAKING_LIMIT_S,
    )
    if done.returncode != 0:
        raise ImageError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout[-3000:]}")
