"""One embedded host: a libvirtd, its agent, and a folder for each of their pools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.embedded.agent import EmbeddedAgent
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.standin import NetfsStandIn


class EmbeddedHost:
    """A host named `name`, all of which lies in `root_dir/name`; `shared` is what it has in common with others.

    Pools may lie in `pools_dir` and in `shared`. As a context manager it runs within the block; the folders are the
    caller's to remove. An equal object of another process can stop it too.
    """

    def __init__(
        self,
        name: str,
        root_dir: Path,
        *,
        shared: Path | None = None,
        storages: Mapping[Path, str] | None = None,
        share: NetfsStandIn | None = None,
        tcp: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """`storages`: the configured storage ids by folder; `tcp`, `settings`: as for EmbeddedAgent."""
        self.name = name
        self.root = root_dir / name
        self.pools_dir = self.root / "pools"
        self.libvirtd = EmbeddedLibvirtd(self.root, share=share)
        allowed = [self.pools_dir] if shared is None else [self.pools_dir, shared]
        self.agent = EmbeddedAgent(self.libvirtd, allowed_paths=allowed, storages=storages, tcp=tcp, settings=settings)

    def start(self) -> None:
        """Start libvirtd and agent, and return when the agent knows its host; raises NotReadyError, leaving nothing."""
        self.start_libvirtd()
        try:
            self.agent.start()
            self.agent.wait_loaded()
        except BaseException:
            self.stop()
            raise

    def start_libvirtd(self) -> None:
        """Start all but the agent; raises NotReadyError, leaving nothing."""
        self.pools_dir.mkdir(parents=True, exist_ok=True)
        self.libvirtd.start()

    def stop(self) -> None:
        """End agent, libvirtd and all that they started, and wait for it."""
        try:
            self.agent.stop()
        finally:
            self.libvirtd.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
