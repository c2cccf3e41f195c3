"""New volumes that are refused, by what is wrong with them: the request, and the reason."""

from __future__ import annotations

from poolfleet.v1.secret_pb2 import SecretRef
from poolfleet.v1.snapshot_pb2 import Permissions
from poolfleet.v1.volume_pb2 import CloneSpec, VolumeEncryption, VolumeSpec
from poolfleet.v1.volume_service_pb2 import CloneVolumeRequest, CreateVolumeRequest
from tests.integration.bad_input.place import (
    BAD_NEW_NAMES,
    BOMB,
    DEEP,
    ENTITY,
    MIB,
    VOLUME_XML,
    Make,
    clone,
    create,
    create_xml,
    overlay_on,
)

BAD_VOLUMES: dict[str, tuple[Make, str]] = {
    # New volumes.
    "create nothing": (lambda _: CreateVolumeRequest(pool="images"), "INVALID_FIELD"),
    "create in an idle pool": (
        lambda _: CreateVolumeRequest(pool="idle", spec=VolumeSpec(name="v", capacity_bytes=1)),
        "POOL_NOT_ACTIVE",
    ),
    "create with a negative capacity": (create(capacity_bytes=-1), "INVALID_FIELD"),
    "create with a negative allocation": (create(allocation_bytes=-1), "INVALID_FIELD"),
    "create with more allocation than capacity": (create(allocation_bytes=MIB + 1), "INVALID_FIELD"),
    "create an empty qcow2": (create(format="qcow2", capacity_bytes=0), "INVALID_FIELD"),
    "create an unknown format": (create(format="floppy"), "NOT_SUPPORTED_HERE"),
    "create a format that is only read": (create(format="iso"), "NOT_SUPPORTED_HERE"),
    "create a folder by its format": (create(format="dir"), "NOT_SUPPORTED_HERE"),
    "create an empty vmdk": (create(format="vmdk", capacity_bytes=0), "INVALID_FIELD"),
    "create with clusters of no power of two": (create(format="qcow2", cluster_size_bytes=1000), "INVALID_FIELD"),
    "create with clusters of nothing": (create(format="qcow2", cluster_size_bytes=0), "INVALID_FIELD"),
    "create with an unknown compat": (create(format="qcow2", compat="9"), "INVALID_FIELD"),
    "create with more options in compat": (create(format="qcow2", compat="1.1,data_file=x"), "INVALID_FIELD"),
    "create with an unknown feature": (create(format="qcow2", features=["quick"]), "INVALID_FIELD"),
    "create a raw one with a feature": (create(features=["lazy_refcounts"]), "INVALID_FIELD"),
    "create with a bad owner": (create(permissions=Permissions(owner=2**40)), "INVALID_FIELD"),
    "create what does not fit": (create(capacity_bytes=2**60), "NO_SPACE"),
    "create what exists with another size": (create(name="a.qcow2", format="qcow2"), "VOLUME_EXISTS"),
    "create what exists in another format": (create(name="b.raw", format="qcow2"), "VOLUME_EXISTS"),
    "create where a folder is": (create(name="folder"), "NOT_A_VOLUME"),
    "create where a link leads out": (create(name="away.raw"), "SYMLINK_LEAVES_POOL"),
    "create where a link leads out to nothing": (create(name="far.raw"), "SYMLINK_LEAVES_POOL"),
    "create where a link leads nowhere": (create(name="dangling.raw"), "NOT_A_VOLUME"),
    "create where a pipe is": (create(name="pipe"), "NOT_A_VOLUME"),
    "create a hidden file": (create(name=".new"), "INVALID_FIELD"),
    "an overlay on a file outside": (overlay_on(lambda place: place.outside / "secret.raw"), "PATH_NOT_ALLOWED"),
    "an overlay on a link out": (overlay_on(lambda place: place.images / "away.raw"), "PATH_NOT_ALLOWED"),
    "an overlay through a way out": (overlay_on(lambda place: place.way_out / "secret.raw"), "PATH_NOT_ALLOWED"),
    "an overlay by a way up": (overlay_on(lambda place: f"{place.images}/../../outside/secret.raw"), "INVALID_FIELD"),
    "an overlay on nothing": (overlay_on(lambda place: place.images / "none.raw"), "PATH_NOT_USABLE"),
    "an overlay on a folder": (overlay_on(lambda place: place.images / "folder"), "PATH_NOT_USABLE"),
    "an overlay on no path": (overlay_on(lambda _: ""), "INVALID_FIELD"),
    "an overlay on a nbd server": (overlay_on(lambda _: "nbd://127.0.0.1/x"), "INVALID_FIELD"),
    "an overlay on a json description": (overlay_on(lambda _: 'json:{"driver":"file"}'), "INVALID_FIELD"),
    **{
        f"create a volume whose name is or has {what}": (create(name=name), "INVALID_FIELD")
        for what, name in BAD_NEW_NAMES.items()
    },
    # Clones.
    "clone as nothing": (lambda _: CloneVolumeRequest(pool="images", volume="a.qcow2"), "INVALID_FIELD"),
    "clone of nothing": (clone(volume="none"), "VOLUME_NOT_FOUND"),
    "clone in no pool": (clone(pool="none"), "POOL_NOT_FOUND"),
    "clone into no pool": (clone(target_pool="none"), "POOL_NOT_FOUND"),
    "clone into an idle pool": (clone(target_pool="idle"), "POOL_NOT_ACTIVE"),
    "clone a folder": (clone(volume="folder"), "NOT_A_VOLUME"),
    "clone a hidden file": (clone(volume=".hidden"), "NOT_A_VOLUME"),
    "clone a way out": (clone(volume="away.raw"), "SYMLINK_LEAVES_POOL"),
    "clone by a way up": (clone(volume="../outside/secret.raw"), "VOLUME_NOT_FOUND"),
    "clone where a folder is": (clone(CloneSpec(name="folder")), "NOT_A_VOLUME"),
    "clone where a link leads out": (clone(CloneSpec(name="away.raw")), "SYMLINK_LEAVES_POOL"),
    "clone onto itself": (clone(CloneSpec(name="a.qcow2")), "INVALID_FIELD"),
    "clone onto another": (clone(CloneSpec(name="b.raw")), "VOLUME_EXISTS"),
    "clone with a negative capacity": (clone(CloneSpec(name="new", capacity_bytes=-1)), "INVALID_FIELD"),
    "clone into too small a capacity": (clone(CloneSpec(name="new", capacity_bytes=1)), "INVALID_FIELD"),
    "clone in an unknown format": (clone(CloneSpec(name="new", format="floppy")), "NOT_SUPPORTED_HERE"),
    "a raw linked clone": (clone(CloneSpec(name="new", format="raw", linked=True)), "INVALID_FIELD"),
    "clone another than was seen": (clone(etag="x"), "ETAG_MISMATCH"),
    "clone what a secret without a name opens": (clone(source_secret=SecretRef()), "INVALID_FIELD"),
    "clone what a key of ceph's opens": (
        clone(source_secret=SecretRef(usage_type="ceph", usage_id="k")),
        "INVALID_FIELD",
    ),
    "clone under a secret that is not there": (
        clone(CloneSpec(name="new", encryption=VolumeEncryption(secret=SecretRef(usage_id="none")))),
        "SECRET_NOT_FOUND",
    ),
    "an encrypted linked clone": (
        clone(CloneSpec(name="new", linked=True, encryption=VolumeEncryption(secret=SecretRef(usage_id="k")))),
        "INVALID_FIELD",
    ),
    "a decrypted linked clone": (clone(CloneSpec(name="new", linked=True, decrypted=True)), "INVALID_FIELD"),
    **{
        f"a clone whose name is or has {what}": (clone(CloneSpec(name=name)), "INVALID_FIELD")
        for what, name in BAD_NEW_NAMES.items()
    },
    # New volumes by XML.
    "no volume XML": (create_xml("<volume"), "INVALID_FIELD"),
    "volume XML without a name": (create_xml("<volume><capacity>1</capacity></volume>"), "INVALID_FIELD"),
    "volume XML with a negative capacity": (
        create_xml("<volume><name>new.raw</name><capacity>-1</capacity></volume>"),
        "INVALID_FIELD",
    ),
    "volume XML with too large a capacity": (
        create_xml("<volume><name>new.raw</name><capacity unit='E'>99</capacity></volume>"),
        "TOO_LARGE",
    ),
    "volume XML with an unknown unit": (
        create_xml("<volume><name>new.raw</name><capacity unit='parsec'>1</capacity></volume>"),
        "INVALID_FIELD",
    ),
    "volume XML with a way up": (create_xml(VOLUME_XML.format("../up.raw", "")), "INVALID_FIELD"),
    "volume XML on a file outside": (
        create_xml(
            VOLUME_XML.format(
                "new.qcow2",
                "<target><format type='qcow2'/></target>"
                "<backingStore><path>OUTSIDE/secret.raw</path><format type='raw'/></backingStore>",
            )
        ),
        "PATH_NOT_ALLOWED",
    ),
    "a volume bomb": (create_xml(BOMB + VOLUME_XML.format("&i;", "")), "INVALID_FIELD"),
    "a volume with an external entity": (create_xml(ENTITY + VOLUME_XML.format("&x;", "")), "INVALID_FIELD"),
    "a deep volume": (create_xml(VOLUME_XML.format("new.raw", DEEP)), "INVALID_FIELD"),
    "a volume of more than 1 MiB": (
        create_xml(VOLUME_XML.format("new.raw", "<!--" + "x" * MIB + "-->")),
        "INVALID_FIELD",
    ),
}

# What only libvirt knows: the refusal stands in the operation.
FOUND_BY_LIBVIRT: dict[str, tuple[Make, str]] = {
    "create a qcow2 larger than any": (create(format="qcow2", capacity_bytes=2**63 - 1), "TOO_LARGE"),
    "create a sparse volume larger than any": (create(capacity_bytes=2**63 - 1, allocation_bytes=0), "TOO_LARGE"),
    "clone into a larger capacity than any": (clone(CloneSpec(name="new", capacity_bytes=2**63 - 1)), "TOO_LARGE"),
    "clone into a larger raw capacity than any": (
        clone(CloneSpec(name="new", format="raw", capacity_bytes=2**63 - 1)),
        "TOO_LARGE",
    ),
    "clone into a larger vdi than any": (
        clone(CloneSpec(name="new", format="vdi", capacity_bytes=2**62)),
        "TOO_LARGE",
    ),
    "a larger linked clone than any": (
        clone(CloneSpec(name="new", linked=True, capacity_bytes=2**63 - 1)),
        "TOO_LARGE",
    ),
    "volume XML without a capacity": (create_xml("<volume><name>new.raw</name></volume>"), "INVALID_FIELD"),
    "volume XML with an unknown format": (
        create_xml(VOLUME_XML.format("new.raw", "<target><format type='floppy'/></target>")),
        "NOT_SUPPORTED_HERE",
    ),
}
