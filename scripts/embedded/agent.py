"""One poolfleet-agent beside an embedded libvirtd: its configuration, its process, its readiness."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from poolfleet import AgentClient, Unavailable
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.process import NotReadyError, Process, wait_until

START_LIMIT_S = 60.0
# Longer than the agent itself waits for its work.
DRAIN_LIMIT_S = 45.0


class EmbeddedAgent:
    """An agent of `libvirtd`, in the same surroundings, with state and socket in the same folder."""

    def __init__(
        self,
        libvirtd: EmbeddedLibvirtd,
        *,
        allowed_paths: Sequence[Path],
        storages: Mapping[Path, str] | None = None,
        tcp: str | None = None,
        settings: Mapping[str, Any] | None = None,
        name: str = "agent",
    ) -> None:
        """`storages`: configured ids by folder. `tcp`: `127.0.0.1:PORT`, to be listened on as well.

        `name`: of its files, where a libvirtd has several agents.

        `settings`: more of the configuration, such as `{"limits": {"drain_s": 1}}`; it wins over ours.
        """
        root = libvirtd.root
        self.socket = root / f"{name}.sock"
        self.state_dir = root / ("state" if name == "agent" else f"{name}.state")
        self.log = root / f"{name}.log"
        self.program: Sequence[str] = ("-m", "poolfleet_agent.cli")
        """What Python runs at each start; a test may set another that ends in the same."""
        self.config = root / f"{name}.toml"
        self._process = Process(root / f"{name}.pid")
        self._libvirtd = libvirtd
        self._tcp = tcp
        self._allowed_paths = allowed_paths
        self.storages: Mapping[Path, str] = storages or {}
        """Configured ids by folder; what a later start reads."""
        self._settings = settings or {}

    @property
    def target(self) -> str:
        """The address for a client: `unix:PATH`."""
        return f"unix:{self.socket}"

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it accepts connections; raises NotReadyError with the end of its log."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting: `wait_ready` does that."""
        # What a killed one left would look like readiness.
        self.socket.unlink(missing_ok=True)
        self.config.write_text(self._configuration())
        surroundings = self._libvirtd.surroundings
        argv = [sys.executable, *self.program, "serve", "--config", str(self.config)]
        # What the caller's environment says of an agent is not meant for this one.
        env = {name: value for name, value in surroundings.env.items() if not name.startswith("POOLFLEET_AGENT__")}
        self._process.start(surroundings.command(argv), env=env, log=self.log)

    def wait_ready(self) -> None:
        """Return when it accepts connections; raises NotReadyError with the end of its log, and has ended it then."""
        try:
            wait_until(self._ended_or_accepts, limit_s=START_LIMIT_S, what="the agent accepts connections")
            if self.pid is None:
                raise NotReadyError(f"the agent ended: {self.log.read_text()[-2000:]}")
        except BaseException:
            self.stop()
            raise

    def wait_loaded(self) -> None:
        """Return when it knows what its host has, for which libvirtd must answer; raises NotReadyError."""
        with AgentClient(self.target, timeout_s=START_LIMIT_S) as client:

            def loaded() -> bool:
                # gRPC may still hold back from an address where nobody was a moment ago.
                with contextlib.suppress(Unavailable):
                    return client.get().registry_loaded
                return False

            wait_until(loaded, limit_s=START_LIMIT_S, what="the agent has looked around")

    def wait_looked(self) -> None:
        """Return when it has looked at all of its host since it was started, and domains can be read; NotReadyError.

        What it tells before is what it stored before its end, and may be older than that.
        """
        with AgentClient(self.target, timeout_s=START_LIMIT_S) as client:

            def looked() -> bool:
                with contextlib.suppress(Unavailable):
                    told = client.get()
                    if told.as_of is not None and told.started_at is not None and told.as_of >= told.started_at:
                        return client.inventory.disks(max_staleness_s=0).complete
                return False

            wait_until(looked, limit_s=START_LIMIT_S, what="the agent has looked at its host since its start")

    def stop(self) -> None:
        """Let it drain and end, and wait for it."""
        self._process.stop(limit_s=DRAIN_LIMIT_S)

    def kill9(self) -> None:
        """End it as a crash does."""
        self._process.kill9()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send(number)

    def sigstop(self) -> None:
        """Let it hang: its socket accepts, nothing answers."""
        self._process.send(signal.SIGSTOP)

    def sigcont(self) -> None:
        """Let it go on."""
        self._process.send(signal.SIGCONT)

    def _ended_or_accepts(self) -> bool:
        if self.pid is None:
            return True
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.socket))
            return True
        return False

    def _configuration(self) -> str:
        """The file: the one place that knows the configuration's keys."""
        ours: dict[str, Any] = {
            "state_dir": str(self.state_dir),
            "allowed_paths": [str(path) for path in self._allowed_paths],
            "listen": {"unix": str(self.socket)} | ({} if self._tcp is None else {"tcp": self._tcp}),
            "libvirt": {"storage_uri": self._libvirtd.uri, "domain_uris": [self._libvirtd.uri]},
            "log": {"format": "console"},
            "storages": [{"path": str(path), "id": storage_id} for path, storage_id in self.storages.items()],
        }
        for key, value in self._settings.items():
            ours[key] = ours.get(key, {}) | value if isinstance(value, dict) else value
        return "\n".join(f"{key} = {_toml(value)}" for key, value in ours.items()) + "\n"


def _toml(value: object) -> str:
    """The value on one line; all but tables is written in TOML as in JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(inner) for inner in value) + "]"
    return json.dumps(value)
