"""Several embedded hosts in one folder, with the fleet file that names them: kept for later, or gone with the block."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import NotReadyError

SHARED_STORAGE_ID = "demo-shared"
EMULATORS_LIMIT_S = 60.0


class EmbeddedFleet:
    """Hosts of these names below `root`, which all see the folder `shared` as the storage SHARED_STORAGE_ID.

    `root` is made where it is missing; raises ValueError where its path is too long.
    """

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root = root
        self.shared = root / "shared"
        self.file = root / "fleet.toml"
        self.hosts = [
            EmbeddedHost(name, root, shared=self.shared, storages={self.shared: SHARED_STORAGE_ID}) for name in names
        ]

    @classmethod
    def found_in(cls, root: Path) -> EmbeddedFleet:
        """The fleet that was started in this folder, by whomever; raises FileNotFoundError where there is none."""
        try:
            listed = tomllib.loads((root / "fleet.toml").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FileNotFoundError(f"no fleet was kept in {root}") from None
        return cls(root, [host["name"] for host in listed["host"]])

    def start(self) -> None:
        """Write the fleet file and start all hosts; raises NotReadyError, and `remove` is then still to be called."""
        self.shared.mkdir(parents=True)
        # First, so that whatever happens later can be ended by who finds the file.
        self.file.write_text(self._fleet_file(), encoding="utf-8")
        first, *others = self.hosts
        first.start_libvirtd()
        first.agent.launch()
        subprocess.run(
            ["virsh", "--connect", first.libvirtd.uri, "version"],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=EMULATORS_LIMIT_S,
        )
        for host in others:
            host.libvirtd.learn_emulators_from(first.libvirtd)
            host.start_libvirtd()
            host.agent.launch()
        for host in self.hosts:
            host.agent.wait_ready()
            host.agent.wait_loaded()

    def remove(self) -> None:
        """Stop every host and remove what they left in `root`, and `root` itself where nothing else is in it.

        Raises NotReadyError where something did not end; the others are stopped all the same.
        """
        failures = []
        for host in self.hosts:
            try:
                host.stop()
            except (OSError, RuntimeError) as error:
                failures.append(f"{host.name}: {error}")
        if failures:
            # Removing the folders of what still runs would only hide it.
            raise NotReadyError(f"not stopped: {'; '.join(failures)}; their files are still in {self.root}")
        for folder in (self.shared, *(host.root for host in self.hosts)):
            shutil.rmtree(folder, ignore_errors=True)
        self.file.unlink(missing_ok=True)
        if not any(self.root.iterdir()):
            self.root.rmdir()

    def _fleet_file(self) -> str:
        # A string is written in TOML as in JSON.
        lines = []
        for host in self.hosts:
            lines += ["[[host]]", f"name = {json.dumps(host.name)}", f"target = {json.dumps(host.agent.target)}", ""]
        return "\n".join(lines)
