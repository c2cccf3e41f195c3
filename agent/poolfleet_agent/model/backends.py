"""What to install where libvirt lacks the backend of a pool type."""

from poolfleet_agent.model.errors import ModelError, Reason

_PACKAGED = frozenset(
    {"disk", "gluster", "iscsi", "iscsi-direct", "logical", "mpath", "rbd", "scsi", "zfs"},
)
"""Debian and Ubuntu have a package for each, or in older releases for some, the others being in `libvirt-daemon`."""

_BASE = frozenset({"dir", "fs", "netfs"})


def backend_missing(pool_type: str, supported: tuple[str, ...]) -> ModelError:
    """NOT_SUPPORTED_HERE for a pool type that is not among those that libvirt has here."""
    lacking = f"this libvirt has no backend for pools of type {pool_type!r}, only for {', '.join(supported)}"
    message = f"{lacking}; {how_to_get(pool_type)}"
    metadata = {"what": f"pools of type {pool_type!r}", "pool_type": pool_type, "package": package_of(pool_type)}
    return ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata=metadata)


def how_to_get(pool_type: str) -> str:
    """What to do for the backend, as a part of a message."""
    if package := package_of(pool_type):
        return f"install {package} (Debian, Ubuntu), and restart libvirt's daemon"
    return "no package of Debian or Ubuntu has it: it takes a libvirt that is built with it"


def package_of(pool_type: str) -> str:
    """The package that has the backend; empty: there is none."""
    if pool_type in _BASE:
        return "libvirt-daemon-driver-storage"
    return f"libvirt-daemon-driver-storage-{pool_type}" if pool_type in _PACKAGED else ""
