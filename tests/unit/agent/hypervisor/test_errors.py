"""Every libvirt error becomes a model error; the texts are libvirt's own, as a real daemon wrote them."""

from __future__ import annotations

import errno

import libvirt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolfleet_agent.hypervisor.errors import REASON_OF_CODE, Subject, translate
from poolfleet_agent.model.errors import ModelError, Reason

# Levels of an error, not kinds.
LEVELS = {"VIR_ERR_NONE", "VIR_ERR_WARNING", "VIR_ERR_ERROR"}

STORAGE, NONE, RPC = libvirt.VIR_FROM_STORAGE, libvirt.VIR_FROM_NONE, libvirt.VIR_FROM_RPC


def raised(code: int, message: str, *, domain: int = STORAGE, int1: int = -1) -> libvirt.libvirtError:
    error = libvirt.libvirtError("a call failed")
    error.err = (code, domain, message, libvirt.VIR_ERR_ERROR, "%s", message, None, int1, -1)
    error.args = (message,)
    return error


def model_error(code: int, message: str, *, domain: int = STORAGE, int1: int = -1) -> ModelError:
    return translate(raised(code, message, domain=domain, int1=int1), Subject("p", "v"), connected=True)


def test_every_code_of_libvirt_has_its_place() -> None:
    codes = {name: getattr(libvirt, name) for name in dir(libvirt) if name.startswith("VIR_ERR_")}
    missing = [name for name, code in codes.items() if name not in LEVELS and code not in REASON_OF_CODE]
    assert missing == []


@given(
    code=st.integers(0, 300),
    domain=st.integers(0, 100),
    int1=st.integers(-1, 200),
    message=st.text(),
    connected=st.booleans(),
)
def test_the_mapping_is_total(code: int, domain: int, int1: int, message: str, connected: bool) -> None:
    error = translate(raised(code, message, domain=domain, int1=int1), Subject("p"), connected=connected)
    assert error.metadata["pool"] == "p"
    assert bool(error.violations) == (error.reason is Reason.INVALID_FIELD)


def test_an_error_that_libvirt_says_nothing_about_is_internal() -> None:
    error = libvirt.libvirtError("virSomething() failed")
    error.err = None
    translated = translate(error, Subject(), connected=True)
    assert (translated.reason, translated.message) == (Reason.INTERNAL, "virSomething() failed")


def test_whatever_fails_on_a_broken_connection_says_that_libvirt_is_away() -> None:
    error = translate(raised(libvirt.VIR_ERR_NO_STORAGE_POOL, "no such pool"), Subject("p"), connected=False)
    assert error.reason is Reason.LIBVIRT_UNAVAILABLE
    assert error.retry_delay_s


# One line for each text, however long.
# ruff: noqa: E501
@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (49, "Storage pool not found: no storage pool with matching name 'nope'", Reason.POOL_NOT_FOUND),
        (50, "Storage volume not found: no storage vol with matching name 'nope'", Reason.VOLUME_NOT_FOUND),
        (90, "storage volume 'ok' exists already", Reason.VOLUME_EXISTS),
        (9, "operation failed: pool 'a' already exists with uuid 74cdb4a9-6033-42bb", Reason.POOL_EXISTS),
        (9, "operation failed: pool 'a' is already defined with uuid 74cdb4a9-6033-42bb", Reason.POOL_EXISTS),
        (9, "operation failed: something else", Reason.INTERNAL),
        (55, "Requested operation is not valid: storage pool 'a' is already active", Reason.POOL_ACTIVE),
        (55, "Requested operation is not valid: storage pool 'a' is still active", Reason.POOL_ACTIVE),
        (55, "Requested operation is not valid: storage pool 'a' is not active", Reason.POOL_NOT_ACTIVE),
        (55, "Requested operation is not valid: storage pool 'a' is starting up", Reason.RESOURCE_BUSY),
        (55, "Requested operation is not valid: volume target path '/x/v' already exists", Reason.VOLUME_EXISTS),
        (55, "Requested operation is not valid: volume name 'a/b' cannot contain '/'", Reason.INVALID_FIELD),
        (55, "Requested operation is not valid: volume 'v' is still in use.", Reason.VOLUME_IN_USE),
        (55, "Requested operation is not valid: No source device specified when formatting", Reason.NOT_SUPPORTED_HERE),
        (55, "Requested operation is not valid: the moon is full", Reason.WRONG_STATE),
        (8, "invalid argument: can't shrink capacity below existing allocation", Reason.WRONG_STATE),
        (9, "operation failed: Not enough space left in storage pool", Reason.NO_SPACE),
        (84, "Operation not supported: preallocate is only supported for raw type volume", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: Child process (/usr/bin/qemu-img resize /p/v 9) unexpected exit status 1: qemu-img: Could not open '/p/v': Failed to get \"write\" lock", Reason.VOLUME_IN_USE),
        (1, "internal error: Child process (/usr/bin/qemu-img resize /p/v 9) unexpected exit status 1: qemu-img: Failed to grow the L1 table: File too large", Reason.TOO_LARGE),
        (38, "Cannot find 'scrub' in path: No such file or directory", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: pool 'a' has asynchronous jobs running.", Reason.RESOURCE_BUSY),
        (1, "internal error: missing backend for pool type 12 (zfs)", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: pool has no config file", Reason.POOL_TRANSIENT),
        (1, "internal error: the moon is full", Reason.INTERNAL),
        (1, "internal error: Child process (/sbin/pvs) unexpected exit status 127: libvirt: error : cannot execute binary /sbin/pvs", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: /usr/bin/iscsiadm failed new mode for target 'iqn.2000-01.x:y' with status '127'", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: Child process (/sbin/vgcreate novg) unexpected exit status 5: no such device", Reason.WRONG_STATE),
        (1, 'internal error: Child process (/sbin/lvcreate --name \'a b\' -L 4096K vg0 --yes) unexpected exit status 3: Logical volume name "a b" is invalid. Run `lvcreate --help\' for more information.', Reason.INVALID_FIELD),
        (1, 'internal error: Child process (/sbin/lvcreate --name snapshot1 -L 4096K vg0 --yes) unexpected exit status 3: Names starting "snapshot" are reserved. Please choose a different LV name.', Reason.INVALID_FIELD),
        (67, "unsupported configuration: cannot find logical volume group name 'vg0'", Reason.PATH_NOT_USABLE),
        (67, "unsupported configuration: cannot find any matching source devices for logical volume group 'vg0'", Reason.PATH_NOT_USABLE),
        (38, "failed to connect to the RADOS monitor on: mon1,: Success", Reason.POOL_UNRESPONSIVE),
        (38, "failed to connect to gluster://localhost/volume/path/: No such file or directory", Reason.POOL_UNRESPONSIVE),
        (1, "internal error: Failed to connect: iscsi_service failed with : iscsi_service_reconnect_if_loggedin. Can not reconnect right now.", Reason.POOL_UNRESPONSIVE),
        (1, "internal error: Failed to connect to LUN : Failed to log in to target", Reason.POOL_UNRESPONSIVE),
        (8, "invalid argument: device path '/dev/nope' doesn't exist", Reason.PATH_NOT_USABLE),
        (27, "XML error: malformed octal mode", Reason.INVALID_FIELD),
        (27, "XML error: Failed to find scsi_host using PCI '0000:00:1f.2' and unique_id='1'", Reason.PATH_NOT_USABLE),
        (27, "XML error: parent 'scsi_host5' specified for vHBA does not exist", Reason.PATH_NOT_USABLE),
        (27, "XML error: cannot find parent using provided fabric_wwn", Reason.PATH_NOT_USABLE),
        (35, "(storage_pool_definition):1: Document is empty\n(null)\n^", Reason.INVALID_FIELD),
        (8, "invalid argument: unknown suffix 'zork'", Reason.INVALID_FIELD),
        (66, "Secret not found: no secret with matching uuid '11111111'", Reason.SECRET_NOT_FOUND),
        (66, "Secret not found: secret '11111111' does not have a value", Reason.SECRET_NOT_USABLE),
        (65, "Invalid secret: secret is private", Reason.SECRET_NOT_USABLE),
        (8, "invalid argument: secret with uuid 11111111 is of type 'ceph' not expected 'volume' type", Reason.SECRET_NOT_USABLE),
        (1, "internal error: a secret with UUID 11111111 already defined for use with client.a", Reason.SECRET_EXISTS),
        (1, "internal error: cannot change private flag on existing secret", Reason.SECRET_EXISTS),
        (1, "internal error: Child process (/usr/bin/qemu-img create -f luks x) unexpected exit status 1: qemu-img: x: Unable to get accurate CPU usage", Reason.RESOURCE_BUSY),
        (1, "internal error: Child process (/usr/bin/qemu-img create -f luks x) unexpected exit status 1: qemu-img: x: Data from secret x_encrypt0 is not valid UTF-8", Reason.SECRET_NOT_USABLE),
        (1, "internal error: Child process (/usr/bin/qemu-img resize --image-opts x 8388608) unexpected exit status 1: qemu-img: Could not open 'x': Invalid password, cannot unlock any keyslot", Reason.SECRET_NOT_USABLE),
        (67, "unsupported configuration: unknown pool format type zork", Reason.NOT_SUPPORTED_HERE),
        (3, "this function is not supported by the connection driver: backing storage", Reason.NOT_SUPPORTED_HERE),
        (82, "numerical overflow: value too large: 15EiB", Reason.TOO_LARGE),
        (76, "storage pool already built", Reason.POOL_ALREADY_BUILT),
        (88, "access denied", Reason.AGENT_NOT_AUTHORIZED),
        (29, "operation refresh forbidden for read only access", Reason.AGENT_NOT_AUTHORIZED),
        (87, "resource busy: volume is being read", Reason.RESOURCE_BUSY),
        (39, "too many remote storage_vols: 20000 > 16384", Reason.INTERNAL),
        (39, "Unable to encode message payload", Reason.TOO_LARGE),
        (1, "internal error: storage volume name 'v' already in use.", Reason.VOLUME_EXISTS),
        (1, "internal error: Cannot use volume path '/p/..'", Reason.PATH_NOT_USABLE),
        (1, "internal error: no large enough free extent", Reason.NO_SPACE),
        (1, "internal error: extended partition already exists", Reason.WRONG_STATE),
        (1, "internal error: no extended partition found and no primary partition available", Reason.WRONG_STATE),
        (1, "internal error: Failed to create disk pool geometry", Reason.WRONG_STATE),
        (1, "internal error: Volume path 'sdb1' did not start with parent pool source device name.", Reason.WRONG_STATE),
        (1, "internal error: cannot parse partition number from target 'sdb'", Reason.WRONG_STATE),
        (9, "operation failed: Known, but different label format present, requires build --overwrite", Reason.WRONG_STATE),
        (9, "operation failed: Unrecognized disk label found, requires build", Reason.WRONG_STATE),
        (9, "operation failed: Error checking for disk label, failed to get disk partition information", Reason.WRONG_STATE),
        (9, "operation failed: no storage pools were found on host 'h'", Reason.WRONG_STATE),
        (9, "operation failed: no iSCSI interface defined for IQN iqn.2000-01.x:y", Reason.WRONG_STATE),
        (1, "internal error: cannot find iscsiadm session: iqn.2000-01.x:y", Reason.WRONG_STATE),
        (1, "internal error: Failed to get host number for iSCSI session with path '/sys/x'", Reason.WRONG_STATE),
        (1, "internal error: Failed to update 'a' of node mode for target 'iqn.2000-01.x:y'", Reason.WRONG_STATE),
        (1, "internal error: Failed to login: Failed to log in to target. Status: Authentication failure(513)", Reason.SECRET_NOT_USABLE),
        (1, "internal error: Failed to login: Failed to log in to target. Status: Authorization failure(514)", Reason.WRONG_STATE),
        (1, "internal error: Failed to login: Failed to log in to target. Status: Target not found(515)", Reason.WRONG_STATE),
        (1, "internal error: Failed to login: Failed to log in to target. Status: Service unavailable(769)", Reason.POOL_UNRESPONSIVE),
        (1, "internal error: Failed to set target name: too long", Reason.WRONG_STATE),
        (1, "internal error: failed to write to LUN 1: no answer", Reason.POOL_UNRESPONSIVE),
        (1, "internal error: Failed testunitready: SENSE KEY:NOT_READY(2)", Reason.POOL_UNRESPONSIVE),
        (1, "internal error: Child process (/usr/lib/libvirt/libvirt_parthelper /dev/sdb) unexpected exit status 2", Reason.WRONG_STATE),
        (1, "internal error: Child process (/sbin/zfs create -V 1K tank/v) unexpected exit status 1: cannot create 'tank/v': out of space", Reason.NO_SPACE),
        (1, "internal error: Child process (/sbin/zfs destroy tank/v) unexpected exit status 1: cannot destroy 'tank/v': dataset is busy", Reason.WRONG_STATE),
        (1, "internal error: Failed to discover session: no answer", Reason.POOL_UNRESPONSIVE),
        (1, "internal error: Failed to find fc_host for wwnn='20' and wwpn='10'", Reason.PATH_NOT_USABLE),
        (1, "internal error: Invalid adapter name 'x' for SCSI pool", Reason.PATH_NOT_USABLE),
        (1, "internal error: missing source device", Reason.WRONG_STATE),
        (1, "internal error: no config file for a", Reason.POOL_TRANSIENT),
        (1, "internal error: cannot remove config for a", Reason.WRONG_STATE),
        (1, "internal error: Only luks encryption is supported for raw files", Reason.INVALID_FIELD),
        (1, "internal error: a different backing store cannot be specified.", Reason.INVALID_FIELD),
        (1, "internal error: missing encryption description", Reason.INVALID_FIELD),
        (1, "internal error: path to inputvol secret data file is required", Reason.INVALID_FIELD),
        (1, "internal error: malformed uuid element", Reason.INVALID_FIELD),
        (1, "internal error: Ceph usage specified, but name is missing", Reason.INVALID_FIELD),
        (1, "internal error: unknown storage vol backing store type 99", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: unsupported input storage vol type 16", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: cannot copy from volume to a directory volume", Reason.NOT_SUPPORTED_HERE),
        (1, "internal error: Child process (/sbin/lvcreate --name v -L 4096K vg0) unexpected exit status 5: Volume group \"vg0\" has insufficient free space (0 extents): 1 required.", Reason.NO_SPACE),
        (1, "internal error: Child process (/usr/bin/mkdir /x) unexpected exit status 1: mkdir: /x: Not a directory", Reason.PATH_NOT_USABLE),
    ],
)  # fmt: skip
def test_by_code_and_text(code: int, message: str, reason: Reason) -> None:
    error = model_error(code, message)
    assert error.reason is reason
    assert (error.metadata["pool"], error.metadata["volume"]) == ("p", "v")
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("code", "message", "package"),
    [
        (1, "internal error: Child process (/sbin/pvs) unexpected exit status 127: libvirt: error : cannot execute binary /sbin/pvs", "lvm2"),
        (1, "internal error: /usr/bin/iscsiadm failed new mode for target 'x' with status '127'", "open-iscsi"),
        (38, "cannot execute binary /sbin/parted: No such file or directory", "parted"),
        (38, "Cannot find 'parted' in path: No such file or directory", "parted"),
        (1, "internal error: Unable to find qemu-img", "qemu-utils"),
        (1, "internal error: Child process (/usr/bin/qemu-img create /p/v) unexpected exit status 126: libvirt: error : cannot execute binary /usr/bin/qemu-img: Permission denied", "qemu-utils"),
        (1, "internal error: creation of non-raw file images is not supported without qemu-img.", "qemu-utils"),
        (1, "internal error: 'gluster' command line tool not found", "glusterfs-cli"),
        (1, "internal error: missing backend for pool type 12 (zfs)", "libvirt-daemon-driver-storage-zfs"),
        (67, "unsupported configuration: unknown pool format type lvs", None),
    ],
)  # fmt: skip
def test_a_program_that_is_lacking_is_named_with_its_package(code: int, message: str, package: str | None) -> None:
    error = model_error(code, message)
    assert error.reason is Reason.NOT_SUPPORTED_HERE
    assert error.metadata.get("package") == package
    assert package is None or f"install {package}" in error.message


def test_where_no_package_has_a_backend_that_is_said() -> None:
    error = model_error(1, "internal error: missing backend for pool type 13 (vstorage)")
    assert (error.reason, error.metadata["package"]) == (Reason.NOT_SUPPORTED_HERE, "")
    assert "no package of Debian or Ubuntu has it" in error.message


def test_the_words_of_a_command_are_no_words_of_its_failure() -> None:
    command = "internal error: Child process (/usr/bin/qemu-img create -f qcow2 '/x/must be too big/v' 1K)"
    error = model_error(1, f"{command} unexpected exit status 1: no reason known", domain=NONE)
    assert error.reason is Reason.INTERNAL


QEMU_IMG = (
    "internal error: Child process (/usr/bin/qemu-img create -f qcow2 /x/v 1K) unexpected exit status 1: qemu-img: "
)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("/x/v: Format driver 'bochs' does not support image creation", Reason.NOT_SUPPORTED_HERE),
        ("/x/v: Unknown file format 'fat'", Reason.NOT_SUPPORTED_HERE),
        ("/x/v: Parameter 'version' does not accept value '9.9'", Reason.INVALID_FIELD),
        ("/x/v: Could not write: No space left on device", Reason.FULL),
        ("/x/v: Disk quota exceeded", Reason.QUOTA_EXCEEDED),
        ("/x/v: Could not create '/x/v': Read-only file system", Reason.READ_ONLY),
        ("/x/v: The image size is too large for file format 'qcow2'", Reason.TOO_LARGE),
        ("/x/v: Could not open '/x/base': No such file or directory", Reason.PATH_NOT_USABLE),
        ("/x/v: Could not open '/x/base': Stale file handle", Reason.STALE),
        ("/x/v: Could not open '/x/base': Image is not in qcow2 format", Reason.PATH_NOT_USABLE),
        ("/x/v: Could not create '/x/v': Is a directory", Reason.PATH_NOT_USABLE),
        ("/x/too big/v: No space left on device", Reason.FULL),
        ("Use the --shrink option to perform a shrink operation.", Reason.WOULD_SHRINK),
        # It has ended: nothing goes on, and trying again does not help by itself.
        ("/x/v: error while writing: Connection timed out", Reason.PATH_NOT_USABLE),
        ("/x/v: Could not write: Device or resource busy", Reason.PATH_NOT_USABLE),
        ("/x/v: the moon is full", Reason.WRONG_STATE),
    ],
)
def test_by_what_qemu_img_says(said: str, reason: Reason) -> None:
    assert model_error(1, QEMU_IMG + "qemu-img: " + said, domain=NONE).reason is reason


@pytest.mark.parametrize(
    ("number", "message", "reason"),
    [
        (errno.ENOSPC, "cannot allocate 1 bytes in file '/x/v': No space left on device", Reason.FULL),
        (errno.EDQUOT, "cannot extend file '/x/v': Disk quota exceeded", Reason.QUOTA_EXCEEDED),
        (errno.EROFS, "Failed to create file '/x/v': Read-only file system", Reason.READ_ONLY),
        (errno.ESTALE, "cannot read dir '/x': Stale file handle", Reason.STALE),
        (errno.EFBIG, "cannot extend file '/x/v': File too large", Reason.TOO_LARGE),
        (errno.ENAMETOOLONG, "Failed to create file '/etc/nnn': File name too long", Reason.INVALID_FIELD),
        (errno.ENOTEMPTY, "failed to remove pool '/x': Directory not empty", Reason.WRONG_STATE),
        (errno.EEXIST, "failed to create directory '/x': File exists", Reason.PATH_NOT_USABLE),
        (errno.ENOENT, "cannot open directory '/x': No such file or directory", Reason.PATH_NOT_USABLE),
        (errno.ENOTDIR, "cannot open directory '/x': Not a directory", Reason.PATH_NOT_USABLE),
        (errno.EACCES, "inaccessible backing store volume /x: Permission denied", Reason.PATH_NOT_USABLE),
        (errno.ENOENT, "cannot execute binary /usr/bin/qemu-img: No such file or directory", Reason.NOT_SUPPORTED_HERE),
        (errno.ENOTCONN, "cannot statvfs path '/x': Transport endpoint is not connected", Reason.POOL_UNRESPONSIVE),
        (errno.EMFILE, "cannot open path '/x': Too many open files", Reason.TOO_BUSY),
        (errno.EUCLEAN, "cannot read dir '/x': Structure needs cleaning", Reason.PATH_NOT_USABLE),
        (errno.ESPIPE, "Failed to seek to the start in volume with path '/x': Illegal seek", Reason.PATH_NOT_USABLE),
        (errno.EXDEV, "something odd", Reason.INTERNAL),
    ],
)
def test_by_errno(number: int, message: str, reason: Reason) -> None:
    error = model_error(libvirt.VIR_ERR_SYSTEM_ERROR, message, int1=number)
    assert error.reason is reason
    assert error.metadata.get("path") == ("/x" if reason is Reason.PATH_NOT_USABLE else None)


def test_a_source_conflict_names_the_other_pool() -> None:
    error = model_error(9, "operation failed: Storage source conflict with pool: 'it's'")
    assert (error.reason, error.metadata["existing_pool"]) == (Reason.SOURCE_IN_USE, "it's")


def test_a_socket_that_is_not_there_is_libvirt_away_and_no_missing_path() -> None:
    message = "Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory"
    assert model_error(38, message, domain=RPC, int1=errno.ENOENT).reason is Reason.LIBVIRT_UNAVAILABLE


MOUNT = "internal error: Child process (/bin/mount -o nodev,nosuid,noexec -t nfs h:/e /x) unexpected exit status 32: "


@pytest.mark.parametrize(
    ("stderr", "failure"),
    [
        ("mount.nfs: Connection refused", "CONNECTION_REFUSED"),
        ("mount.nfs: Connection timed out", "TIMED_OUT"),
        ("mount.nfs: Network is unreachable", "NETWORK_UNREACHABLE"),
        ("mount.nfs: Failed to resolve server h: Name or service not known", "NAME_UNKNOWN"),
        ("mount.nfs: access denied by server while mounting h:/e", "ACCESS_DENIED"),
        ("mount.nfs: mounting h:/e failed, reason given by server: No such file or directory", "NO_SUCH_EXPORT"),
        ("mount: /x: unknown filesystem type 'nfs'.", "HELPER_MISSING"),
        ("mount: /x: must be superuser to use mount.", "NOT_PRIVILEGED"),
        ("mount.nfs: failed to apply fstab options", "NOT_PRIVILEGED"),
        ("mount.nfs: the moon is full", "UNKNOWN"),
    ],
)
def test_a_failed_mount_says_how(stderr: str, failure: str) -> None:
    error = model_error(1, MOUNT + stderr, domain=NONE)
    assert (error.reason, error.metadata["failure"]) == (Reason.MOUNT_FAILED, failure)


def test_a_mount_without_its_mount_point_asks_for_a_build() -> None:
    error = model_error(1, MOUNT + "mount: /x: mount point does not exist.", domain=NONE)
    assert error.reason is Reason.PATH_NOT_USABLE


@pytest.mark.parametrize(
    "stderr",
    [
        "mount: /x: mount point does not exist.",
        "mount: mount point /x does not exist",
        "mount: /x: mount point is not a directory.",
        "mount: /target: special device /x does not exist.",
        "mount: /target: /x is not a block device.",
    ],
)
def test_a_mount_that_lacks_a_path_names_it(stderr: str) -> None:
    error = model_error(1, MOUNT + stderr, domain=NONE)
    assert (error.reason, error.metadata["path"]) == (Reason.PATH_NOT_USABLE, "/x")


def test_an_unforeseen_error_has_libvirts_words_and_numbers() -> None:
    error = model_error(42, "Domain not found")
    assert (error.reason, error.message) == (Reason.INTERNAL, "Domain not found")
    assert (error.metadata["libvirt_code"], error.metadata["libvirt_domain"]) == ("42", str(STORAGE))


DENIALS = [
    (libvirt.VIR_ERR_SYSTEM_ERROR, "Failed to create file '/p/v': Permission denied", errno.EACCES),
    (libvirt.VIR_ERR_SYSTEM_ERROR, "cannot unlink file '/p/v': Operation not permitted", errno.EPERM),
    (
        libvirt.VIR_ERR_INTERNAL_ERROR,
        "Child process (/usr/bin/qemu-img create -f qcow2 -o compat=0.10 /p/v 1024K) unexpected exit status 1:"
        " qemu-img: /p/v: Could not create '/p/v': Permission denied",
        -1,
    ),
]


@pytest.mark.parametrize(("code", "message", "int1"), DENIALS)
def test_what_is_denied_to_root_is_denied_by_a_server(code: int, message: str, int1: int) -> None:
    error = raised(code, message, int1=int1)
    assert translate(error, Subject("p", "v", on_network=True), connected=True).reason is Reason.SQUASHED
    assert translate(error, Subject("p", "v"), connected=True).reason is Reason.PATH_NOT_USABLE


def test_a_volume_whose_file_somebody_else_removed_is_not_found() -> None:
    message = "cannot stat file '/p/v': No such file or directory"
    assert model_error(libvirt.VIR_ERR_SYSTEM_ERROR, message, int1=errno.ENOENT).reason is Reason.VOLUME_NOT_FOUND


@pytest.mark.parametrize(
    "told", ["Volume path '/p/v' is a FIFO", "unexpected storage mode for '/p/v'", "unexpected type for file '/p/v'"]
)
def test_a_volume_of_which_somebody_made_something_else_is_not_found(told: str) -> None:
    error = raised(libvirt.VIR_ERR_INTERNAL_ERROR, f"internal error: {told}")
    assert translate(error, Subject("p", "v"), connected=True).reason is Reason.VOLUME_NOT_FOUND
    of_the_pool = translate(error, Subject("p"), connected=True)
    assert (of_the_pool.reason, of_the_pool.metadata["path"]) == (Reason.PATH_NOT_USABLE, "/p/v")
