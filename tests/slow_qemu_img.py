"""A qemu-img for an embedded libvirtd that stands still in the middle, for as long as a test wants: a long creation.

What it encrypts it encrypts quickly.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from scripts.embedded.host import EmbeddedHost
from scripts.embedded.process import wait_until

ENCRYPT_QUICKLY = """\
# Hashes a new passphrase some thousand times, not for seconds: nobody is to be kept from guessing it.
if [ "$1" = create ]; then
    for word; do
        shift
        case "$word" in
            *encrypt.key-secret=*) word="$word,encrypt.iter-time=10" ;;
            *key-secret=*) word="$word,iter-time=10" ;;
        esac
        set -- "$@" "$word"
    done
fi
"""
"""For a script of the shell that is called as qemu-img is, before it calls that."""

_SCRIPT = """\
#!/bin/sh
# Stands still before, or after, the real work, while it is told to: in any command, or in that which the gate names.
stand_still() {{
    if [ -e {gate}/$1 ] && {{ [ ! -s {gate}/$1 ] || grep -qx -- "$2" {gate}/$1; }}; then
        : >{gate}/standing
        while [ -e {gate}/$1 ]; do sleep 0.05; done
        rm -f {gate}/standing
    fi
}}
{encrypt_quickly}stand_still before "$1"
{real} "$@"
status=$?
stand_still after "$1"
exit $status
"""

LIMIT_S = 60.0


class SlowQemuImg:
    """What libvirtd and the agent of a host run for qemu-img, if this is made before they are started."""

    def __init__(self, host: EmbeddedHost) -> None:
        self._gate = host.root / "gate"
        self._gate.mkdir(parents=True)
        self._gate.chmod(0o777)  # whoever it runs as
        programs = host.root / "programs"
        programs.mkdir()
        real = shutil.which("qemu-img")
        assert real is not None
        self._script = programs / "qemu-img"
        self._script.write_text(
            _SCRIPT.format(gate=shlex.quote(str(self._gate)), real=shlex.quote(real), encrypt_quickly=ENCRYPT_QUICKLY)
        )
        self._script.chmod(0o755)
        env = host.libvirtd.surroundings.env
        env["PATH"] = f"{programs}:{env.get('PATH', os.defpath)}"

    def hold(self, where: str, command: str = "") -> None:
        """Let the next ones stand still `before` or `after` their work; `command`: only those, such as `convert`."""
        new = self._gate / f"{where}.new"
        new.write_text(command)
        new.replace(self._gate / where)  # never seen empty, which would hold any command

    @property
    def standing(self) -> bool:
        """Whether one stands still."""
        return (self._gate / "standing").exists()

    @property
    def running(self) -> bool:
        """Whether any of them runs, standing still or not."""
        return any(
            os.fsencode(self._script) in _read(path).split(b"\0") for path in Path("/proc").glob("[0-9]*/cmdline")
        )

    def wait_standing(self) -> None:
        """Return when one stands still."""
        wait_until(lambda: self.standing, limit_s=LIMIT_S, what="qemu-img stands still")

    def forget_standing(self) -> None:
        """Take none for standing that stood still and was killed."""
        (self._gate / "standing").unlink(missing_ok=True)

    def let_go(self, *where: str) -> None:
        """Let all go on, or only those that stand still there."""
        for gate in where or ("before", "after"):
            (self._gate / gate).unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
