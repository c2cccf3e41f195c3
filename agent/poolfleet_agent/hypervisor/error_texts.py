"""What only libvirt's text tells: one table by error code; named groups of a pattern become metadata.

The first pattern that is found counts. Texts of libvirt 9 and later, in English, as its daemons write them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libvirt

from poolfleet_agent.model.errors import Reason


@dataclass(frozen=True, slots=True)
class TextRule:
    """A text and what it means; `field` is the one at fault where the reason is INVALID_FIELD."""

    pattern: re.Pattern[str]
    reason: Reason
    field: str = ""


def _rules(*rules: tuple[str, Reason] | tuple[str, Reason, str]) -> Sequence[TextRule]:
    return tuple(TextRule(re.compile(pattern), *rest) for pattern, *rest in rules)


_MOUNT = r"Child process \(\S*mount -\S* "
_UMOUNT = r"Child process \(\S*umount "
_STORAGE_TOOL = (
    r"Child process \(\S*/(?:pv|vg|lv|mkfs|parted|libvirt_parthelper|iscsiadm|dmsetup|zfs|zpool)|iscsiadm failed"
)
_STORAGE_TOOL_SAYS = rf"(?:{_STORAGE_TOOL}).*unexpected exit status \d+: .*"
_LVCREATE = r"Child process \(\S*/lvcreate .*"
_ISCSI_DIRECT = (
    r"[Ff]ailed (?:to (?:connect|log ?in|logout|disconnect|init transport|discover session|send inquiry|unmarshall"
    r"|reportluns|get capacity of lun|write to LUN)|testunitready)\b"
)

WORDS_OF_IMAGE_TOOL = re.compile(
    r"Child process \(\S*(?:qemu-img|scrub) .*unexpected exit status (?!12[67]\b)\d+: (.*)"
)
"""What a program said that libvirt had work on an image; 126 or 127: there is none that it can run."""

NO_VOLUME = re.compile(r"' is a (?:FIFO|socket)|unexpected (?:type|storage mode) for")
"""What libvirt says of a volume that it knows, and of which somebody made something that is no volume."""

TEXT_RULES: Mapping[int, Sequence[TextRule]] = {
    libvirt.VIR_ERR_INTERNAL_ERROR: _rules(
        # Of a pool that was defined while there was one.
        (r"missing backend for pool type \d+ \((?P<pool_type>[^)]+)\)", Reason.NOT_SUPPORTED_HERE),
        (r"missing backend for pool type|cannot execute binary|with status '127'", Reason.NOT_SUPPORTED_HERE),
        (r"pool has no config file|no config file for", Reason.POOL_TRANSIENT),
        (r"asynchronous jobs running", Reason.RESOURCE_BUSY),
        (r"client socket is closed|End of file while reading data|keepalive timeout", Reason.LIBVIRT_UNAVAILABLE),
        (_UMOUNT + r".*(?:busy)", Reason.RESOURCE_BUSY),
        (_MOUNT + r".* (?P<path>/\S+): mount point (?:does not exist|is not a directory)", Reason.PATH_NOT_USABLE),
        (_MOUNT + r".* mount point (?P<path>/\S+) (?:does not exist|is not a directory)", Reason.PATH_NOT_USABLE),
        (_MOUNT + r".* (?P<path>/\S+)\) .* Mount point does not exist", Reason.PATH_NOT_USABLE),
        (_MOUNT + r".* special device (?P<path>/\S+) does not exist", Reason.PATH_NOT_USABLE),
        (_MOUNT + r".* (?P<path>/\S+) is not a block device", Reason.PATH_NOT_USABLE),
        (_MOUNT, Reason.MOUNT_FAILED),
        (_LVCREATE + r"(?:Logical volume name .* is invalid|[Nn]ames .* are reserved)", Reason.INVALID_FIELD, "name"),
        (_STORAGE_TOOL_SAYS + r"(?:insufficient (?:free )?space|out of space)", Reason.NO_SPACE),
        (_STORAGE_TOOL, Reason.WRONG_STATE),
        (r"already defined for use with|cannot change private flag on existing secret", Reason.SECRET_EXISTS),
        (r"storage volume name '.*' already in use", Reason.VOLUME_EXISTS),
        (NO_VOLUME.pattern + r"|Cannot use volume path", Reason.PATH_NOT_USABLE),
        (r"no large enough free extent", Reason.NO_SPACE),
        (r"(?:extended|primary) partition|disk pool geometry|parent pool source|partition number", Reason.WRONG_STATE),
        (r"[Ff]ailed to log ?in.*Authentication failure", Reason.SECRET_NOT_USABLE),
        # Its numbers from 512 on say that the initiator is at fault.
        (
            r"[Ff]ailed to log ?in.*\(5\d\d\)|Failed to set |create iscsi context|Invalid volume name",
            Reason.WRONG_STATE,
        ),
        (_ISCSI_DIRECT, Reason.POOL_UNRESPONSIVE),
        # Told when the pool starts: the definition is as it was, the host lacks it.
        (r"find fc_host|Invalid adapter name|Direct-Access LUN|Failed to parse block name", Reason.PATH_NOT_USABLE),
        (r"missing source (?:host|path|device)|iscsiadm session|iSCSI session|iscsi interface", Reason.WRONG_STATE),
        (r"node mode for target|invalid netfs path|cannot remove config", Reason.WRONG_STATE),
        (r"Only luks encryption|different backing store|secret data file is req", Reason.INVALID_FIELD, "xml"),
        (r"encryption (?:description|secret type|format)$", Reason.INVALID_FIELD, "xml"),
        (r"malformed uuid|secret usage type|usage specified, but", Reason.INVALID_FIELD, "xml"),
        (r"(?:unknown|unsupported) (?:input)?.*(?:storage vol|pool) .*(?:type|number)", Reason.NOT_SUPPORTED_HERE),
        (r"to a directory volume|without qemu-img|tool not found|mkfs is not", Reason.NOT_SUPPORTED_HERE),
        (r"(?:[Uu]nable|[Ff]ailed) to find|[Cc]annot find .* in (?:the )?path", Reason.NOT_SUPPORTED_HERE),
    ),
    libvirt.VIR_ERR_OPERATION_FAILED: _rules(
        (r"already (?:exists|defined) with uuid", Reason.POOL_EXISTS),
        (r"source conflict with pool: '(?P<existing_pool>.*)'", Reason.SOURCE_IN_USE),
        (r"already active", Reason.POOL_EXISTS),
        (r"Not enough space left in storage pool", Reason.NO_SPACE),
        (r"requires build|checking for disk label|no iSCSI interface|no storage pools were found", Reason.WRONG_STATE),
    ),
    libvirt.VIR_ERR_OPERATION_INVALID: _rules(
        (r"pool is already active as", Reason.POOL_EXISTS),
        (r"(?:already|still) active", Reason.POOL_ACTIVE),
        (r"is not active", Reason.POOL_NOT_ACTIVE),
        (r"is starting up|asynchronous jobs running|still being allocated", Reason.RESOURCE_BUSY),
        (r"still in use", Reason.VOLUME_IN_USE),
        (r"volume target path '(?P<path>.*)' already exists", Reason.VOLUME_EXISTS),
        (r"volume name .* cannot contain", Reason.INVALID_FIELD, "name"),
        (r"[Nn]o source device specified when formatting", Reason.NOT_SUPPORTED_HERE),
    ),
    libvirt.VIR_ERR_NO_SECRET: _rules(
        (r"secret '(?P<secret>.*)' does not have a value", Reason.SECRET_NOT_USABLE),
        (r"matching (?:uuid|usage) '(?P<secret>.*)'", Reason.SECRET_NOT_FOUND),
    ),
    libvirt.VIR_ERR_INVALID_ARG: _rules(
        (r"secret with uuid (?P<secret>\S+) is of type", Reason.SECRET_NOT_USABLE),
        (r"device path '(?P<path>.*)' doesn't exist", Reason.PATH_NOT_USABLE),
        (r"shrink capacity below existing allocation", Reason.WRONG_STATE),
    ),
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED: _rules(
        # Told when the pool starts: it was not built yet, or its devices are not there.
        (r"cannot find (?:logical volume group|any matching source devices)", Reason.PATH_NOT_USABLE),
    ),
    libvirt.VIR_ERR_XML_ERROR: _rules(
        # Told when the pool starts: the definition is as it was, the adapter is not there.
        (r"[Ff]ailed to find scsi_host|for vHBA does not exist|cannot find parent using", Reason.PATH_NOT_USABLE),
    ),
    libvirt.VIR_ERR_RPC: _rules(
        # Its protocol has a most of every text.
        (r"Unable to encode message payload", Reason.TOO_LARGE),
    ),
    libvirt.VIR_ERR_SYSTEM_ERROR: _rules(
        (r"failed to connect to (?:the RADOS monitor|gluster://)", Reason.POOL_UNRESPONSIVE),
        (r"cannot execute binary|[Cc]annot find '.*' in path", Reason.NOT_SUPPORTED_HERE),
        (r"directory '.*File name too long", Reason.INVALID_FIELD, "target.path"),
        (r"File name too long", Reason.INVALID_FIELD, "name"),
    ),
}

_LACKS_A_PROGRAM = re.compile(
    r"cannot execute binary|status '?127|(?:[Cc]annot|[Ff]ailed to|[Uu]nable to) find|without qemu-img|tool not found"
)
_PACKAGES = (
    (re.compile(r"/(?:pv|vg|lv)[a-z]+\b"), "lvm2"),
    (re.compile(r"\biscsiadm\b"), "open-iscsi"),
    (re.compile(r"\bparted\b"), "parted"),
    (re.compile(r"\bdmsetup\b"), "dmsetup"),
    (re.compile(r"\bqemu-img\b"), "qemu-utils"),
    (re.compile(r"\bscrub\b"), "scrub"),
    (re.compile(r"'gluster'"), "glusterfs-cli"),
)


def package_lacking(message: str) -> str:
    """The package of Debian and Ubuntu with the program that libvirt did not find; empty: it is about none of these."""
    if not _LACKS_A_PROGRAM.search(message):
        return ""
    return next((package for program, package in _PACKAGES if program.search(message)), "")
