"""Which libvirt to speak to, where the configuration does not say."""

import re
from collections.abc import Iterable
from pathlib import Path

STORAGE_URI = "storage:///system"
QEMU_URI = "qemu:///system"

_STORAGE_SOCKET = "run/libvirt/virtstoraged-sock"
_QEMU_SOCKET = "run/libvirt/virtqemud-sock"
_QEMU_DRIVERS = (
    "usr/lib/libvirt/connection-driver/libvirt_driver_qemu.so",
    "usr/lib64/libvirt/connection-driver/libvirt_driver_qemu.so",
    "usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so",
)


def default_storage_uri(root: Path = Path("/")) -> str:
    """virtstoraged where its socket is, else the monolithic daemon by its qemu driver, else by its storage driver."""
    if (root / _STORAGE_SOCKET).exists():
        return STORAGE_URI
    return QEMU_URI if _has_qemu(root) else STORAGE_URI


def default_domain_uris(storage_uri: str, root: Path = Path("/")) -> tuple[str, ...]:
    """Where the domains are that may use the pools of `storage_uri`."""
    if not storage_uri.startswith("storage:"):
        return (storage_uri,)
    return (QEMU_URI,) if _has_qemu(root) else ()


def secret_uri(storage_uri: str) -> str | None:
    """Where the secrets are that the pools of `storage_uri` use; None: on the same connection."""
    driver = re.match(r"storage(?=[:+])", storage_uri)
    return f"secret{storage_uri[driver.end() :]}" if driver else None


def _has_qemu(root: Path) -> bool:
    candidates: Iterable[Path] = (path for pattern in _QEMU_DRIVERS for path in root.glob(pattern))
    return (root / _QEMU_SOCKET).exists() or any(True for _ in candidates)
