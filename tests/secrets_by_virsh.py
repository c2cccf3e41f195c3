"""What virsh says of a host's secrets, their values included, which poolfleet does not tell."""

from __future__ import annotations

import base64
import subprocess

from poolfleet import Operation, Secret
from scripts.embedded.host import EmbeddedHost


def virsh(host: EmbeddedHost, *words: str, document: str = "") -> str:
    """What virsh prints; `document` is its standard input."""
    command = ["virsh", "--quiet", "--connect", host.libvirtd.uri, *words]
    done = subprocess.run(command, input=document, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def value_of(host: EmbeddedHost, uuid: str) -> bytes:
    """The value of a secret that is not private."""
    return base64.b64decode(virsh(host, "secret-get-value", uuid))


def secret_of(operation: Operation) -> Secret:
    """The secret that an operation has set."""
    assert isinstance(operation.result, Secret)
    return operation.result
