"""poolfleet's main job on a real NFS server, which is cut off and healed while one looks on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from poolfleet import Fleet, PoolSpec, VolumeSpec
from scripts.embedded.process import wait_until
from scripts.virtual_lab.lab import Lab

POOLFLEET = Path(sys.executable).with_name("poolfleet")
COMMAND_LIMIT_S = 180.0
# Two probes missed, each of which the lab gives its time.
NOTICED_LIMIT_S = 120.0
BACK_LIMIT_S = 180.0
GIB = 1024**3


class Demo:
    """The demonstration, step by step, in a running lab; `tell` writes its titles."""

    def __init__(self, lab: Lab, tell: Callable[[str], None]) -> None:
        self._lab = lab
        self._tell = tell

    def run(self) -> None:
        """Do all of it; raises CalledProcessError, NotReadyError, and poolfleet's errors."""
        self._tell(f"\n$ export POOLFLEET_FLEET={shlex.quote(str(self._lab.file))}")
        with Fleet.from_file(self._lab.file) as fleet:
            self._title("One NFS share as a pool of both hosts, and a pool of each host's own")
            share = PoolSpec.netfs("vm_data", host="nfs.lab", path="/srv/nfs/vm_data", target="/srv/pools/vm_data")
            for spec in (share, PoolSpec.dir("local", target="/srv/pools/local")):
                ensured = fleet.ensure_pool(spec)
                ensured.raise_for_failures()
                for host, outcome in ensured.items():
                    self._tell(f"{host:8}{spec.name:10}{outcome.status}")
            self._title("A volume made on host1 is one volume of one storage on both")
            fleet.client("host1").volumes.create("vm_data", VolumeSpec("web.qcow2", capacity_bytes=GIB, format="qcow2"))
            fleet.map(lambda agent: agent.pools.refresh("vm_data")).raise_for_failures()
            self._show("pool", "list")
            self._show("volume", "list", "vm_data")
            self._title("The server falls silent: its pools are known to hang, all else goes on")
            self._lab.server.silent()
            self._wait(fleet, "unresponsive", limit_s=NOTICED_LIMIT_S)
            self._show("pool", "list")
            fleet.map(lambda agent: agent.pools.refresh("local")).raise_for_failures()
            self._tell("the pool `local` was refreshed on both hosts")
            self._title("The server is back")
            self._lab.server.heal()
            self._wait(fleet, "healthy", limit_s=BACK_LIMIT_S)
            self._show("pool", "list")
            # A lab that is left up can show it again.
            fleet.client("host1").volumes.delete("vm_data", "web.qcow2")
        for machine in self._lab.hosts:
            machine.clear()

    def _title(self, text: str) -> None:
        self._tell(f"\n== {text}")

    def _wait(self, fleet: Fleet, status: str, *, limit_s: float) -> None:
        """Until all hosts say this of the share."""

        def all_say_so() -> bool:
            pools = [pool for _, pool in fleet.map(lambda agent: agent.pools.get("vm_data")).answers()]
            said = [pool.health.status for pool in pools if pool.health is not None]
            return said == [status] * len(self._lab.hosts)

        wait_until(all_say_so, limit_s=limit_s, what=f"the share is {status} on all hosts")

    def _show(self, *words: str) -> None:
        self._tell(f"\n$ poolfleet {shlex.join(words)}")
        done = subprocess.run(
            [str(POOLFLEET), *words],
            check=False,
            stdout=subprocess.PIPE,
            text=True,
            timeout=COMMAND_LIMIT_S,
            env=os.environ | {"POOLFLEET_FLEET": str(self._lab.file)},
        )
        self._tell(done.stdout.rstrip())
