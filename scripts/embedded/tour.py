"""The main job of poolfleet, step by step on a running fleet of embedded hosts, told on standard output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from poolfleet import EnsureResult, Fleet, FleetResult, PoolSpec, VolumeSpec
from scripts.embedded.fleet import EmbeddedFleet
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until

GUEST = "web"
GUEST_SEEN_LIMIT_S = 30.0
COMMAND_LIMIT_S = 60.0
POOLFLEET = Path(sys.executable).with_name("poolfleet")


class TourError(Exception):
    """Something did not come out as it should; the message says what."""


def title(text: str) -> None:
    """Begin a step."""
    print(f"\n== {text}", flush=True)


class Tour:
    """The job, step by step, on a running fleet."""

    def __init__(self, embedded: EmbeddedFleet) -> None:
        self._embedded = embedded

    def run(self) -> None:
        """Do all of it, telling about each step; raises TourError, CalledProcessError and poolfleet's errors."""
        with Fleet.from_file(self._embedded.file) as fleet:
            title("The pools, ensured on all hosts by the client library")
            self._ensure_pools(fleet)
            title("The same again: nothing to do")
            if any(
                outcome.status != "unchanged" for result in self._ensure_pools(fleet) for outcome in result.values()
            ):
                raise TourError("the second time was to leave every pool unchanged")
            title("Volumes: one on the shared storage, one on each host's own")
            self._create_volumes(fleet)
            title("A guest that uses the shared volume (defined, not booted), by the command line")
            print(f"$ export POOLFLEET_FLEET={shlex.quote(str(self._embedded.file))}")
            self._define_guest(fleet, self._embedded.hosts[-1])
        title("What there is now")
        for words in (
            ["host", "list"],
            ["pool", "list"],
            ["volume", "list", "shared"],
            ["volume", "users", "shared/web.qcow2"],
            ["inventory"],
        ):
            self._show(*words)

    def _ensure_pools(self, fleet: Fleet) -> list[FleetResult[EnsureResult]]:
        results = [fleet.ensure_pool(PoolSpec.dir("shared", target=str(self._embedded.shared)))]
        self._tell("shared", results[0])
        for host in self._embedded.hosts:
            own = PoolSpec.dir("local", target=str(host.pools_dir / "local"))
            results.append(fleet.select(hosts=[host.name]).ensure_pool(own))
            self._tell("local", results[-1])
        return results

    def _tell(self, pool: str, result: FleetResult[EnsureResult]) -> None:
        result.raise_for_failures()
        for name, outcome in result.items():
            changes = outcome.value.changes if outcome.value else ()
            print(f"{name:8}{pool:8}{outcome.status:11}{', '.join(changes)}".rstrip(), flush=True)

    def _create_volumes(self, fleet: Fleet) -> None:
        first = self._embedded.hosts[0].name
        shared = VolumeSpec("web.qcow2", capacity_bytes=10 * 1024**3, format="qcow2")
        scratch = VolumeSpec("scratch.raw", capacity_bytes=64 * 1024**2, allocation_bytes=0)
        made = fleet.select(hosts=[first]).map(lambda agent: agent.volumes.create("shared", shared))
        made.raise_for_failures()
        print(f"{first:8}shared/{shared.name}")
        made = fleet.map(lambda agent: agent.volumes.create("local", scratch))
        made.raise_for_failures()
        for name in made:
            print(f"{name:8}local/{scratch.name}")
        # The other hosts would see the new file at their next look; this asks them to look now.
        fleet.map(lambda agent: agent.pools.refresh("shared")).raise_for_failures()

    def _define_guest(self, fleet: Fleet, host: EmbeddedHost) -> None:
        disk = self._show("volume", "disk-xml", f"{host.name}:shared/web.qcow2")
        definition = self._embedded.root / f"{host.name}/{GUEST}.xml"
        definition.write_text(
            f"<domain type='qemu'><name>{GUEST}</name><memory unit='MiB'>64</memory>"
            f"<os><type arch='{os.uname().machine}'>hvm</type></os><devices>{disk}</devices></domain>",
            encoding="utf-8",
        )
        define = ["virsh", "--connect", host.libvirtd.uri, "define", str(definition)]
        print(f"\n$ {shlex.join(define)}", flush=True)
        self._run(define)

        def seen() -> bool:
            return any(found.disks for _, found in fleet.disks(domain=GUEST).answers())

        wait_until(seen, limit_s=GUEST_SEEN_LIMIT_S, what="the agent sees the guest's disk")

    def _show(self, *words: str) -> str:
        print(f"\n$ poolfleet {shlex.join(words)}", flush=True)
        return self._run([str(POOLFLEET), *words])

    def _run(self, argv: list[str]) -> str:
        done = subprocess.run(
            argv,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=COMMAND_LIMIT_S,
            env=os.environ | {"POOLFLEET_FLEET": str(self._embedded.file)},
        )
        print(done.stdout.rstrip(), flush=True)
        return done.stdout
