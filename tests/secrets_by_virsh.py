"""What virsh says of a host's secrets, their values included, which poolfleet does not tell."""

from __future__ import annotations

import base64

from poolfleet import Operation, Secret
from scripts.embedded.host import EmbeddedHost
from tests.virsh import virsh


def value_of(host: EmbeddedHost, uuid: str) -> bytes:
    """The value of a secret that is not private."""
    return base64.b64decode(virsh(host, "secret-get-value", uuid))


def secret_of(operation: Operation) -> Secret:
    """The secret that an operation has set."""
    assert isinstance(operation.result, Secret)
    return operation.result
