"""libvirt's errors as model errors: a total function of text where only that tells, errno, and code."""

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass

import libvirt

from poolfleet_agent.hypervisor.error_texts import NO_VOLUME, TEXT_RULES, WORDS_OF_IMAGE_TOOL, package_lacking
from poolfleet_agent.model.backends import how_to_get, package_of
from poolfleet_agent.model.errors import ModelError, Reason, Violation
from poolfleet_agent.model.image_texts import image_failure
from poolfleet_agent.model.mount_texts import mount_failure
from poolfleet_agent.model.system_errors import REASON_OF_ANY_ERRNO, REASON_OF_TOLD_ERRNO, errno_told

BUSY_RETRY_DELAY_S = 1.0
AWAY_RETRY_DELAY_S = 2.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about; empty: nothing of that kind. `on_network`: its files are a server's."""

    pool: str = ""
    volume: str = ""
    on_network: bool = False
    secret: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """The values that go with every error about it."""
        named = {"pool": self.pool, "volume": self.volume, "secret": self.secret}
        return {key: value for key, value in named.items() if value}


_NAMES: Mapping[Reason, str] = {
    Reason.POOL_NOT_FOUND: "NO_STORAGE_POOL INVALID_STORAGE_POOL",
    Reason.VOLUME_NOT_FOUND: "NO_STORAGE_VOL INVALID_STORAGE_VOL",
    Reason.VOLUME_EXISTS: "STORAGE_VOL_EXIST",
    Reason.SECRET_NOT_FOUND: "NO_SECRET",
    Reason.SECRET_NOT_USABLE: "INVALID_SECRET",
    Reason.INVALID_FIELD: (
        "INVALID_ARG XML_ERROR XML_DETAIL XML_INVALID_SCHEMA PARSE_FAILED NO_SOURCE NO_TARGET NO_NAME NO_DEVICE OS_TYPE"
        " INVALID_MAC UNKNOWN_HOST"
    ),
    Reason.TOO_LARGE: "OVERFLOW",
    Reason.WRONG_STATE: "OPERATION_INVALID DRIVER_FULL MULTIPLE_DOMAINS MULTIPLE_INTERFACES",
    Reason.POOL_ALREADY_BUILT: "STORAGE_POOL_BUILT",
    Reason.RESOURCE_BUSY: "RESOURCE_BUSY OPERATION_ABORTED BLOCK_COPY_ACTIVE",
    Reason.LIBVIRT_UNAVAILABLE: (
        "NO_CONNECT INVALID_CONN OPERATION_TIMEOUT GNUTLS_ERROR SSH LIBSSH NO_XEN NO_XENSTORE AGENT_UNRESPONSIVE"
        " DBUS_SERVICE"
    ),
    Reason.NOT_SUPPORTED_HERE: (
        "NO_SUPPORT CONFIG_UNSUPPORTED ARGUMENT_UNSUPPORTED OPERATION_UNSUPPORTED NO_SECURITY_MODEL CPU_INCOMPATIBLE"
    ),
    Reason.AGENT_NOT_AUTHORIZED: ("OPERATION_DENIED ACCESS_DENIED AUTH_FAILED AUTH_CANCELLED AUTH_UNAVAILABLE NO_ROOT"),
    Reason.PATH_NOT_USABLE: "OPEN_FAILED READ_FAILED WRITE_FAILED STORAGE_PROBE_FAILED",
    Reason.TOO_BUSY: "NO_MEMORY",
    # Each with its name, so that a code which a newer libvirt adds is seen by the test of this table.
    Reason.INTERNAL: (
        "OK INTERNAL_ERROR OPERATION_FAILED SYSTEM_ERROR RPC"
        " INVALID_DOMAIN GET_FAILED POST_FAILED HTTP_ERROR SEXPR_SERIAL XEN_CALL NO_KERNEL NO_OS CALL_FAILED DOM_EXIST"
        " CONF_SYNTAX INVALID_NETWORK NETWORK_EXIST NO_DOMAIN NO_NETWORK INVALID_NODE_DEVICE NO_NODE_DEVICE"
        " NO_INTERFACE INVALID_INTERFACE INVALID_NWFILTER NO_NWFILTER BUILD_FIREWALL MIGRATE_PERSIST_FAILED"
        " HOOK_SCRIPT_FAILED INVALID_DOMAIN_SNAPSHOT NO_DOMAIN_SNAPSHOT INVALID_STREAM SNAPSHOT_REVERT_RISKY"
        " NO_DOMAIN_METADATA MIGRATE_UNSAFE MIGRATE_FINISH_OK NO_SERVER NO_CLIENT AGENT_UNSYNCED DEVICE_MISSING"
        " INVALID_NWFILTER_BINDING NO_NWFILTER_BINDING INVALID_DOMAIN_CHECKPOINT NO_DOMAIN_CHECKPOINT NO_DOMAIN_BACKUP"
        " INVALID_NETWORK_PORT NETWORK_PORT_EXIST NO_NETWORK_PORT NO_HOSTNAME CHECKPOINT_INCONSISTENT"
    ),
}

REASON_OF_CODE: Mapping[int, Reason] = {
    getattr(libvirt, f"VIR_ERR_{name}"): reason
    for reason, names in _NAMES.items()
    for name in names.split()
    if hasattr(libvirt, f"VIR_ERR_{name}")
}
"""What a code means where neither errno nor text tells more; a code that is not in it is INTERNAL."""

REASON_OF_ERRNO: Mapping[int, Reason] = {
    **REASON_OF_ANY_ERRNO,
    errno.EINVAL: Reason.INVALID_FIELD,
    **dict.fromkeys((errno.EBUSY, errno.EAGAIN, errno.ETXTBSY), Reason.RESOURCE_BUSY),
    errno.ENOTEMPTY: Reason.WRONG_STATE,
    **dict.fromkeys((errno.ECONNRESET, errno.EPIPE), Reason.LIBVIRT_UNAVAILABLE),
    # The last is what a gluster mount says whose client died. libvirt's own connection has errors of another domain.
    **dict.fromkeys(
        (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOTCONN),
        Reason.POOL_UNRESPONSIVE,
    ),
    # A device of another kind.
    **dict.fromkeys((errno.ENOTBLK, errno.ENOTTY), Reason.PATH_NOT_USABLE),
}
"""What the number of a system error means; one that is not in it is INTERNAL."""

_RETRY_DELAY_S: Mapping[Reason, float] = {
    Reason.RESOURCE_BUSY: BUSY_RETRY_DELAY_S,
    Reason.TOO_BUSY: BUSY_RETRY_DELAY_S,
    Reason.LIBVIRT_UNAVAILABLE: AWAY_RETRY_DELAY_S,
    Reason.POOL_UNRESPONSIVE: AWAY_RETRY_DELAY_S,
}

_DENIED = re.compile(r"Permission denied|Operation not permitted")
_PATH = re.compile(r"(?:'(/[^']*)'|(?:^|[\s:])(/[^\s:']+))")


def translate(error: libvirt.libvirtError, subject: Subject, *, connected: bool) -> ModelError:
    """Any libvirt error as a model error with libvirt's own words; `connected`: whether its connection lives on."""
    code = error.get_error_code() or 0
    message = " ".join((error.get_error_message() or str(error)).split())
    reason, field, found = _classify(code, error, message) if connected else (Reason.LIBVIRT_UNAVAILABLE, "", {})
    if subject.volume and (file_is_gone(error) or NO_VOLUME.search(message)):
        reason = Reason.VOLUME_NOT_FOUND
    elif subject.volume and subject.on_network and _is_denied(reason, error, message):
        # libvirt is root, whom nothing local is denied.
        reason = Reason.SQUASHED
    metadata = subject.metadata | found
    if reason is Reason.PATH_NOT_USABLE and "path" not in metadata and (path := _PATH.search(message)):
        metadata["path"] = path[1] or path[2]
    elif reason is Reason.MOUNT_FAILED:
        metadata["failure"] = mount_failure(message)
    elif reason is Reason.NOT_SUPPORTED_HERE:
        metadata["what"] = message
        if pool_type := found.get("pool_type"):
            metadata["package"] = package_of(pool_type)
            message += f"; {how_to_get(pool_type)}"
        elif package := package_lacking(message):
            metadata["package"] = package
            message += f"; install {package} (Debian, Ubuntu)"
    elif reason is Reason.INTERNAL:
        metadata |= {"libvirt_code": str(code), "libvirt_domain": str(error.get_error_domain() or 0)}
    return ModelError(
        reason,
        message,
        metadata=metadata,
        violations=(Violation(field or "xml", message),) if reason is Reason.INVALID_FIELD else (),
        retry_delay_s=_RETRY_DELAY_S.get(reason),
    )


def file_is_gone(error: libvirt.libvirtError) -> bool:
    """Whether libvirt tells of a volume that it knows and whose file somebody else has removed."""
    return _errno_of_stat(error) == errno.ENOENT


def file_has_impossible_name(error: libvirt.libvirtError) -> bool:
    """Whether libvirt cannot describe a volume because it lies on a file that no host can have."""
    return _errno_of_stat(error) in {errno.ENAMETOOLONG, errno.ELOOP}


def _errno_of_stat(error: libvirt.libvirtError) -> int:
    """Why libvirt could not look at a file; 0: the error is another one."""
    of_system = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
    looked = of_system and "cannot stat file" in (error.get_error_message() or "")
    return (error.get_int1() or 0) if looked else 0


def _is_denied(reason: Reason, error: libvirt.libvirtError, message: str) -> bool:
    told = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in {errno.EACCES, errno.EPERM}
    return told or (reason in {Reason.PATH_NOT_USABLE, Reason.INTERNAL} and _DENIED.search(message) is not None)


def _classify(code: int, error: libvirt.libvirtError, message: str) -> tuple[Reason, str, dict[str, str]]:
    """Reason, field at fault and metadata: what the text says, else the errno, else the code."""
    if error.get_error_domain() == libvirt.VIR_FROM_RPC and code != libvirt.VIR_ERR_RPC:
        return Reason.LIBVIRT_UNAVAILABLE, "", {}
    if ran := WORDS_OF_IMAGE_TOOL.search(message):
        return image_failure(ran[1])[0] or Reason.INTERNAL, "", {}
    for rule in TEXT_RULES.get(code, ()):
        if found := rule.pattern.search(message):
            return rule.reason, rule.field, found.groupdict()
    if code == libvirt.VIR_ERR_SYSTEM_ERROR:
        return REASON_OF_ERRNO.get(error.get_int1() or 0, Reason.INTERNAL), "", {}
    reason = REASON_OF_CODE.get(code, Reason.INTERNAL)
    if reason is Reason.INTERNAL:
        reason = REASON_OF_TOLD_ERRNO.get(errno_told(message), reason)
    return reason, "", {}
