"""Makes `client/poolfleet/v1` from `protos/poolfleet/v1` whenever a wheel is built, an editable install included.

`scripts/gen` calls the same `generate`, so that a changed contract needs no new installation.
"""

from __future__ import annotations

import importlib.resources
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path("poolfleet/v1")
PACKAGE_DOCSTRING = (
    '"""The messages and stubs of poolfleet.v1, generated from protos/poolfleet/v1: change those instead."""\n'
)


class ProtoBuildHook(BuildHookInterface[Any]):
    """The wheel target's hook: generates the stubs into the source tree before hatchling collects files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate(Path(self.root))


def generate(root: Path) -> list[Path]:
    """Compile every proto of the contract and return the files now in `client/poolfleet/v1`.

    Each file appears whole: what imports the package meanwhile sees the old text or the new one.
    Raises RuntimeError with the compiler's own words where a proto is wrong.
    """
    protos = root / "protos"
    sources = sorted(str(path.relative_to(protos)) for path in (protos / PACKAGE).glob("*.proto"))
    target = root / "client" / PACKAGE
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".v1-") as scratch:
        if sources:
            _compile(protos, sources, Path(scratch))
        made = Path(scratch) / PACKAGE
        made.mkdir(parents=True, exist_ok=True)
        (made / "__init__.py").write_text(PACKAGE_DOCSTRING)
        return _replace(target, made)


def _compile(protos: Path, sources: list[str], out: Path) -> None:
    # The include folder of grpcio-tools holds google/protobuf; google/rpc is ours, and only imported from.
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"-I{well_known}"]
    command += [f"--python_out={out}", f"--grpc_python_out={out}", f"--mypy_out={out}"]
    command += [f"--mypy_grpc_out=only_async:{out}"]
    # The plugins' scripts lie beside this interpreter, in a build environment that need not be on PATH.
    path = os.pathsep.join(
        [sysconfig.get_path("scripts"), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    )
    done = subprocess.run([*command, *sources], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"protoc failed:\n{done.stderr}")


def _replace(target: Path, made: Path) -> list[Path]:
    files = sorted(path.name for path in made.iterdir())
    for name in files:
        os.replace(made / name, target / name)
    for stale in target.iterdir():
        if stale.name == "__pycache__":
            shutil.rmtree(stale, ignore_errors=True)
        elif stale.name not in files:
            stale.unlink()
    return [target / name for name in files]
