"""What mount programs say when they fail, and what it means: one table, for our own mounts and for libvirt's.

Texts of mount (util-linux), mount.nfs (nfs-utils), mount.cifs (cifs-utils) and mount.glusterfs, in the C locale.
"""

import errno
import re
from collections.abc import Mapping

from poolfleet_agent.model.mount_failure import MountFailure

FAILURE_OF_ERRNO: Mapping[int, MountFailure] = {
    errno.ECONNREFUSED: MountFailure.CONNECTION_REFUSED,
    errno.ETIMEDOUT: MountFailure.TIMED_OUT,
    # How the kernel's SMB client says that nothing was answered.
    errno.EHOSTDOWN: MountFailure.TIMED_OUT,
    # Of mount.cifs, which has waited for its connection no longer.
    errno.EINPROGRESS: MountFailure.TIMED_OUT,
    errno.EHOSTUNREACH: MountFailure.NO_ROUTE,
    errno.ENETUNREACH: MountFailure.NETWORK_UNREACHABLE,
    errno.ENETDOWN: MountFailure.NETWORK_UNREACHABLE,
    # No address of our own of that family yet.
    errno.EADDRNOTAVAIL: MountFailure.NETWORK_UNREACHABLE,
    errno.EAGAIN: MountFailure.SERVER_BUSY,
    errno.ECONNRESET: MountFailure.SYSTEM_CALL_FAILED,
    errno.ECONNABORTED: MountFailure.SYSTEM_CALL_FAILED,
    errno.EPIPE: MountFailure.SYSTEM_CALL_FAILED,
    errno.EIO: MountFailure.SYSTEM_CALL_FAILED,
    errno.ESTALE: MountFailure.STALE,
    errno.EACCES: MountFailure.LOGIN_FAILED,
    errno.ENOKEY: MountFailure.LOGIN_FAILED,
    errno.EKEYEXPIRED: MountFailure.LOGIN_FAILED,
    errno.EKEYREVOKED: MountFailure.LOGIN_FAILED,
    errno.EKEYREJECTED: MountFailure.LOGIN_FAILED,
    errno.EPERM: MountFailure.NOT_PRIVILEGED,
    errno.ENOENT: MountFailure.NO_SUCH_EXPORT,
    errno.ENXIO: MountFailure.NO_SUCH_EXPORT,
    errno.EBUSY: MountFailure.TARGET_BUSY,
    errno.EINVAL: MountFailure.BAD_OPTION,
    errno.EOPNOTSUPP: MountFailure.NOT_SUPPORTED,
    errno.EPROTONOSUPPORT: MountFailure.NOT_SUPPORTED,
    errno.ENODEV: MountFailure.HELPER_MISSING,
}
"""Of a connection that could not be made, and of the numbers that mount.cifs states."""

# The first that is found counts: of several lines the earlier cause, of one line the more certain word.
_TEXTS = tuple(
    (re.compile(pattern), failure)
    for pattern, failure in (
        (r"[Tt]emporary failure in name", MountFailure.NAME_TEMPORARY),
        (
            r"[Nn]ame or service not known|No address associated|[Ff]ailed to resolve|could not resolve address"
            r"|DNS resolution failed",
            MountFailure.NAME_UNKNOWN,
        ),
        (
            r"[Mm]ount point (?:\S.* )?(?:does not exist|is not a directory)|[Cc]ouldn't chdir to",
            MountFailure.TARGET_MISSING,
        ),
        (r"[Cc]onnection refused", MountFailure.CONNECTION_REFUSED),
        (r"[Tt]imed out|Host is down", MountFailure.TIMED_OUT),
        (r"[Nn]o route to host", MountFailure.NO_ROUTE),
        (r"[Nn]etwork is (?:unreachable|down)|Cannot assign requested address", MountFailure.NETWORK_UNREACHABLE),
        (r"rpc\.statd is not running|[Pp]rogram not registered|Program unavailable", MountFailure.RPC_NOT_REGISTERED),
        (r"access denied by server|reason given by server: (?:Permission|Access) denied", MountFailure.ACCESS_DENIED),
        (
            r"reason given by server: No such file|mount spec \S+ or point \S+ is not a directory",
            MountFailure.NO_SUCH_EXPORT,
        ),
        (r"reason given by server: Not a directory", MountFailure.NO_SUCH_EXPORT),
        (r"[Ss]tale (?:NFS )?file handle", MountFailure.STALE),
        (
            r"failed to apply fstab options|must be superuser|[Oo]nly root|[Oo]peration not permitted"
            r"|not installed setuid root|drop permissions failed",
            MountFailure.NOT_PRIVILEGED,
        ),
        (
            r"is busy or already mounted|already mounted|(?:device|target) is busy|[Dd]evice or resource busy",
            MountFailure.TARGET_BUSY,
        ),
        # Before the bad options, of which mount speaks too where it finds no helper.
        (
            r"unknown filesystem type|helper program|filesystem not supported by the system|No such device(?! or)",
            MountFailure.HELPER_MISSING,
        ),
        (
            r"version or transport protocol is not supported|[Pp]rotocol (?:version )?not supported"
            r"|version \S+ is not supported|Failed to find '.*' protocol|security flavor not supported"
            r"|[Oo]peration not supported|abruptly closed the connection",
            MountFailure.NOT_SUPPORTED,
        ),
        (
            r"incorrect mount option|[Bb]ad nfs mount parameter|Unsupported nfs mount option|parsing error on"
            r"|invalid value for|multiple version options|unknown security type|[Bb]ad option|[Ii]nvalid argument"
            r"|not in 'host:dir' format|closing bracket missing|NFS URLs are not supported|bad UNC|UNC name too"
            r"|name is too long|excessively long|opening credential file",
            MountFailure.BAD_OPTION,
        ),
        (r"[Rr]esource temporarily unavailable|[Ss]erver (?:is )?busy", MountFailure.SERVER_BUSY),
        (
            r"mount system call failed|Input/output error|Connection reset by peer|Broken pipe|Remote I/O error",
            MountFailure.SYSTEM_CALL_FAILED,
        ),
        (r"Key (?:has|was)|Required key not available", MountFailure.LOGIN_FAILED),
    )
)

_CIFS_ERRNO = re.compile(r"mount error\((\d+)\)")
_LIBVIRT_COMMAND = re.compile(r"Child process \(.*?\) unexpected (?:exit status \d+|fatal signal \d+): ", re.DOTALL)


def mount_failure(text: str) -> MountFailure:
    """The kind of failure that mount's standard error tells of, or libvirt's message with it inside."""
    said = _LIBVIRT_COMMAND.sub("", text, count=1)
    if (number := _CIFS_ERRNO.search(said)) and (failure := FAILURE_OF_ERRNO.get(int(number[1]))):
        return failure
    return next((failure for pattern, failure in _TEXTS if pattern.search(said)), MountFailure.UNKNOWN)
