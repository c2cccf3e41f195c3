"""A netfs share without NFS: a tmpfs that carries a share's name, and a mount(8) that binds it where libvirt mounts it.

/proc/mounts then shows what it would show of the share, so that libvirt's own checks and unmounts work; every host that
was given the stand-in sees the same files. Needs root.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.embedded.namespace import MountNamespace

_WRAPPER = """\
#!/bin/sh
# mount(8) of an embedded host: binds the stand-in for its share, or hangs; no other share is to be had.
source= target=
for word; do
    source=$target
    target=$word
done
case $source in
{shares}    *:/*)
        echo "mount.nfs: access denied by server while mounting $source" >&2
        exit 32
        ;;
    *) exec {mount} "$@" ;;
esac
"""


_SHARE = """\
    {share})
        [ ! -e {hangs} ] || exec {helper}
        exec {mount} --bind {export} "$target"
        ;;
"""

_HANGING_HELPER = """\
#!/bin/sh
# mount.nfs beside a silent server: waits for one who never writes.
exec 2> /dev/null
read -r _ < {never}
"""


class NetfsStandIn:
    """The share `host`:`path`, for the hosts that are started while it runs. As a context manager: within the block."""

    def __init__(self, root: Path, *, host: str = "nfs.test", path: str = "/export") -> None:
        self.host = host
        self.path = path
        self.root = root
        self.namespace = MountNamespace(root)
        self._hangs = root / "hangs"

    @property
    def source(self) -> str:
        """What /proc/mounts shows: `host:path`."""
        return f"{self.host}:{self.path}"

    def start(self) -> None:
        """Make the empty share; raises NotReadyError."""
        export = self.root / "export"
        export.mkdir(parents=True, exist_ok=True)
        real_mount = shutil.which("mount")
        if real_mount is None:
            raise FileNotFoundError("mount is not installed (Debian: mount)")
        shutil.copy(real_mount, self.root / "mount.real")
        never = self.root / "never"
        if not never.exists():
            os.mkfifo(never)
        helper = self.root / "mount.nfs"
        helper.write_text(_HANGING_HELPER.format(never=shlex.quote(str(never))))
        helper.chmod(0o755)
        wrapper = self.root / "mount"
        words = {
            "mount": shlex.quote(str(self.root / "mount.real")),
            "hangs": shlex.quote(str(self._hangs)),
            "helper": shlex.quote(str(helper)),
        }
        shares = [
            _SHARE.format(share=shlex.quote(source), export=shlex.quote(str(folder)), **words)
            for source, folder in self._exports().items()
        ]
        wrapper.write_text(_WRAPPER.format(shares="".join(shares), mount=words["mount"]))
        wrapper.chmod(0o755)
        self._mount(export)

    def mounts_hang(self, *, so: bool) -> None:
        """Whether a mount begun from now on hangs as mount.nfs does beside a silent server."""
        if so:
            self._hangs.touch()
        else:
            self._hangs.unlink(missing_ok=True)

    def _exports(self) -> dict[str, Path]:
        """What can be mounted: the folders by their sources."""
        return {self.source: self.root / "export"}

    def _mount(self, export: Path) -> None:
        self.namespace.start([("tmpfs", self.source, str(export))])

    def mount_wrapper(self) -> tuple[str, str, str]:
        """What a host's namespace mounts to have the share."""
        return ("bind", str(self.root / "mount"), str(shutil.which("mount")))

    def stop(self) -> None:
        """Forget it, with its files; hosts that still have it mounted keep it until they stop."""
        self.namespace.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
