"""Which new volumes there can be, and of which formats, by the type of their pool."""

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.pool import DIRECTORY_POOL_TYPES

FILE_FORMATS = ("raw", "qcow2", "qcow", "qed", "vmdk", "vdi", "vpc")
"""What libvirt and qemu-img make. libvirt knows others too, for files that came from elsewhere."""

BACKED_FORMATS = frozenset({"qcow2", "qcow", "qed", "vmdk"})
"""What can lie on a backing store."""

PARTITION_TYPES = ("none", "linux", "fat16", "fat32", "linux-swap", "linux-lvm", "linux-raid", "extended")

_GIVEN_POOL_TYPES = frozenset({"iscsi", "iscsi-direct", "scsi", "mpath", "gluster"})
"""Their volumes are what their source has: libvirt makes none."""

_FORMATLESS_POOL_TYPES = frozenset({"logical", "iscsi", "iscsi-direct", "scsi", "mpath", "zfs"})


def check_makes_volumes(pool_type: str) -> None:
    """Refuse a new volume where libvirt makes none: NOT_SUPPORTED_HERE."""
    if pool_type in _GIVEN_POOL_TYPES:
        what = f"a new volume in a pool of type {pool_type}"
        message = f"{what} cannot be made: they are given by the pool's source; make it there, and refresh the pool"
        raise ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata={"what": what})


def format_in_pool(pool_type: str, stated: str | None) -> str | None:
    """The format of a new volume in a pool of that type; None: none is stated. NOT_SUPPORTED_HERE.

    Nothing stated is raw in a directory. Devices have no format, and to say that they are raw is no mistake. Pools of
    other types are left to libvirt.
    """
    if pool_type in DIRECTORY_POOL_TYPES:
        return _one_of(FILE_FORMATS, pool_type, stated or "raw")
    if pool_type == "disk":
        return None if not stated else _one_of(PARTITION_TYPES, pool_type, stated)
    if pool_type in _FORMATLESS_POOL_TYPES:
        if stated not in {None, "", "raw"}:
            raise _not_supported(pool_type, stated, "its volumes are devices, which have no format")
        return None
    return stated or None


def check_document_format(pool_type: str, stated: str | None) -> None:
    """Refuse a directory among volumes that are files, which libvirt would make: NOT_SUPPORTED_HERE."""
    if stated == "dir" and pool_type in DIRECTORY_POOL_TYPES:
        raise _not_supported(pool_type, stated, "a directory is no volume here")


def _one_of(formats: tuple[str, ...], pool_type: str, stated: str) -> str:
    if stated not in formats:
        raise _not_supported(pool_type, stated, f"there are {', '.join(formats)}")
    return stated


def _not_supported(pool_type: str, stated: str | None, why: str) -> ModelError:
    what = f"a new volume of format {stated!r} in a pool of type {pool_type}"
    message = f"{what} cannot be made: {why}"
    return ModelError(Reason.NOT_SUPPORTED_HERE, message, metadata={"what": what})
