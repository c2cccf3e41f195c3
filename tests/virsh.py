"""virsh on an embedded host: the other side that tests look at it from."""

from __future__ import annotations

import subprocess

from scripts.embedded.host import EmbeddedHost

LIMIT_S = 60.0


def virsh(host: EmbeddedHost, *words: str, document: str = "") -> str:
    """What virsh prints; fails where virsh does. `document` is its standard input."""
    done = tried(host, *words, document=document)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tried(host: EmbeddedHost, *words: str, document: str = "") -> subprocess.CompletedProcess[str]:
    """How virsh ends, well or not."""
    command = ["virsh", "--quiet", "--connect", host.libvirtd.uri, *words]
    return subprocess.run(command, input=document, capture_output=True, text=True, timeout=LIMIT_S)
