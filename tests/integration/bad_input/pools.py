"""Definitions and changes of pools that are refused, by what is wrong with them: the request, and the reason."""

from __future__ import annotations

import uuid

from google.protobuf.field_mask_pb2 import FieldMask

from poolfleet.v1.pool_pb2 import (
    FsSource,
    IscsiSource,
    NetfsSource,
    PoolMount,
    PoolSpec,
    PoolTarget,
    RbdSource,
    SourceHost,
)
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    DefinePoolRequest,
    ErasePoolRequest,
    PoolUpdate,
    RefreshPoolRequest,
    UndefinePoolRequest,
    UpdatePoolRequest,
)
from poolfleet.v1.snapshot_pb2 import Permissions
from tests.integration.bad_input.place import (
    BAD_NEW_NAMES,
    BOMB,
    DEEP,
    ENTITY,
    LONG_NAME,
    MIB,
    POOL_XML,
    Make,
    define,
    define_at,
    define_xml,
    pool_spec,
    update,
)


def define_fs(device: str) -> Make:
    """Define a file system on a device."""
    return lambda place: DefinePoolRequest(
        spec=PoolSpec(name="new", fs=FsSource(device=device), target=PoolTarget(path=str(place.pools / "new")))
    )


BAD_POOLS: dict[str, tuple[Make, str]] = {
    # New pools.
    "define nothing": (lambda _: DefinePoolRequest(), "INVALID_FIELD"),
    "define without a source": (
        lambda place: DefinePoolRequest(spec=PoolSpec(name="new", target=PoolTarget(path=str(place.pools)))),
        "INVALID_FIELD",
    ),
    "define without a target": (define(target=PoolTarget()), "INVALID_FIELD"),
    "define with a bad UUID": (define(uuid="not-a-uuid"), "INVALID_FIELD"),
    "define with a UUID and more": (define(uuid=f"{uuid.uuid4()}\n"), "INVALID_FIELD"),
    "define with too many mode bits": (
        lambda place: DefinePoolRequest(
            spec=pool_spec(place, target=PoolTarget(path=str(place.pools / "new"), permissions=Permissions(mode=2**31)))
        ),
        "INVALID_FIELD",
    ),
    "define with a negative owner": (
        lambda place: DefinePoolRequest(
            spec=pool_spec(place, target=PoolTarget(path=str(place.pools / "new"), permissions=Permissions(owner=-5)))
        ),
        "INVALID_FIELD",
    ),
    "define at a relative path": (define_at(lambda _: "new"), "INVALID_FIELD"),
    "define at a path with ..": (define_at(lambda place: f"{place.pools}/x/../../outside"), "INVALID_FIELD"),
    "define outside": (define_at(lambda place: place.outside / "new"), "PATH_NOT_ALLOWED"),
    "define at the root": (define_at(lambda _: "/"), "PATH_NOT_ALLOWED"),
    "define beside an allowed folder": (define_at(lambda place: f"{place.pools}-else"), "PATH_NOT_ALLOWED"),
    "define through a way out": (define_at(lambda place: place.way_out / "new"), "PATH_NOT_ALLOWED"),
    "define at another's target": (define_at(lambda place: f"{place.images}/"), "SOURCE_IN_USE"),
    "define below another's target": (define_at(lambda place: place.images / "below"), "TARGET_IN_USE"),
    "define above another's target": (define_at(lambda place: place.pools), "TARGET_IN_USE"),
    "define what exists with another target": (define(name="images"), "POOL_EXISTS"),
    "define transient at a missing folder": (
        lambda place: DefinePoolRequest(spec=pool_spec(place), transient=True, validate_only=True, request_id="x"),
        "INVALID_FIELD",
    ),
    "netfs with an option for a server": (
        lambda place: DefinePoolRequest(
            spec=PoolSpec(
                name="new",
                netfs=NetfsSource(host="-oProxyCommand=x", path="/export"),
                target=PoolTarget(path=str(place.pools / "new")),
            )
        ),
        "INVALID_FIELD",
    ),
    "netfs with a relative export": (
        lambda place: DefinePoolRequest(
            spec=PoolSpec(
                name="new",
                netfs=NetfsSource(host="nfs.test", path="export"),
                target=PoolTarget(path=str(place.pools / "new")),
            )
        ),
        "INVALID_FIELD",
    ),
    "netfs with two options in one": (
        lambda place: DefinePoolRequest(
            spec=PoolSpec(
                name="new",
                netfs=NetfsSource(host="nfs.test", path="/export"),
                target=PoolTarget(path=str(place.pools / "new")),
                mount=PoolMount(options=["noatime,exec"]),
            )
        ),
        "INVALID_FIELD",
    ),
    "a file system on an option": (define_fs("-L"), "INVALID_FIELD"),
    "a file system on what is no path": (define_fs("/dev/../etc/passwd"), "INVALID_FIELD"),
    "a file system on a file outside": (define_fs("/etc/passwd"), "PATH_NOT_ALLOWED"),
    "an iSCSI target of a server that is an option": (
        lambda place: DefinePoolRequest(
            spec=PoolSpec(
                name="new",
                iscsi=IscsiSource(host=SourceHost(name="-x"), device="iqn.2013-06.com.example:x"),
                target=PoolTarget(path="/dev/disk/by-path"),
            )
        ),
        "INVALID_FIELD",
    ),
    "a type with no target that has one": (
        lambda place: DefinePoolRequest(
            spec=PoolSpec(
                name="new",
                rbd=RbdSource(name="vms", hosts=[SourceHost(name="nfs.test")]),
                target=PoolTarget(path=str(place.pools / "new")),
            )
        ),
        "INVALID_FIELD",
    ),
    "a type without a backend": (
        lambda _: DefinePoolRequest(
            spec=PoolSpec(name="new", rbd=RbdSource(name="vms", hosts=[SourceHost(name="nfs.test")]))
        ),
        "NOT_SUPPORTED_HERE",
    ),
    **{
        f"define a pool whose name is or has {what}": (define(name=name), "INVALID_FIELD")
        for what, name in BAD_NEW_NAMES.items()
    },
    # New pools by XML.
    "no XML at all": (define_xml("pool"), "INVALID_FIELD"),
    "XML that does not end": (define_xml("<pool type='dir'><name>new</name>"), "INVALID_FIELD"),
    "XML of something else": (define_xml("<network><name>new</name></network>"), "INVALID_FIELD"),
    "XML without a type": (define_xml("<pool><name>new</name></pool>"), "INVALID_FIELD"),
    "XML with an unknown type": (define_xml("<pool type='tape'><name>new</name></pool>"), "NOT_SUPPORTED_HERE"),
    "XML without a name": (define_xml("<pool type='dir'><target><path>TARGET</path></target></pool>"), "INVALID_FIELD"),
    "XML without a target": (define_xml("<pool type='dir'><name>new</name></pool>"), "INVALID_FIELD"),
    "XML with two names": (
        define_xml("<pool type='dir'><name>new</name><name>a</name><target><path>TARGET</path></target></pool>"),
        "INVALID_FIELD",
    ),
    "XML with two targets": (
        define_xml(
            POOL_XML.format("new", "TARGET").replace("</target>", "</target><target><path>/etc</path></target>")
        ),
        "INVALID_FIELD",
    ),
    "XML with a bad UUID": (
        define_xml(POOL_XML.format("new", "TARGET").replace("</name>", "</name><uuid>bad</uuid>")),
        "INVALID_FIELD",
    ),
    "XML with a target outside": (define_xml(POOL_XML.format("new", "OUTSIDE")), "PATH_NOT_ALLOWED"),
    "XML with a file system on a target outside": (
        define_xml(
            "<pool type='fs'><name>new</name><source><device path='/dev/none'/></source>"
            "<target><path>OUTSIDE</path></target></pool>"
        ),
        "PATH_NOT_ALLOWED",
    ),
    "XML with a long name": (define_xml(POOL_XML.format(LONG_NAME, "TARGET")), "INVALID_FIELD"),
    "XML with a name that is an option": (define_xml(POOL_XML.format("-o", "TARGET")), "INVALID_FIELD"),
    "a pool bomb": (define_xml(BOMB + POOL_XML.format("&i;", "TARGET")), "INVALID_FIELD"),
    "a pool with an external entity": (define_xml(ENTITY + POOL_XML.format("&x;", "TARGET")), "INVALID_FIELD"),
    "a deep pool": (define_xml(POOL_XML.format("new", "TARGET").replace("</pool>", DEEP + "</pool>")), "INVALID_FIELD"),
    "a pool of more than 1 MiB": (
        define_xml(POOL_XML.format("new", "TARGET").replace("</pool>", "<!--" + "x" * MIB + "--></pool>")),
        "INVALID_FIELD",
    ),
    "a netfs pool with nothing in it": (
        define_xml("<pool type='netfs'><name>new</name><target><path>TARGET</path></target></pool>"),
        "INVALID_FIELD",
    ),
    # Changes of pools.
    "update nothing": (update([]), "INVALID_FIELD"),
    "update an unknown field": (update(["capacity_bytes"]), "INVALID_FIELD"),
    "update all fields": (update(["*"]), "INVALID_FIELD"),
    "update xml and spec at once": (update(["xml", "spec.target"], xml="<pool/>"), "INVALID_FIELD"),
    "update spec without one": (update(["spec.target"]), "INVALID_FIELD"),
    "update xml without any": (update(["xml"]), "INVALID_FIELD"),
    "update with malformed XML": (update(["xml"], xml="<pool"), "INVALID_FIELD"),
    "update with a bomb": (update(["xml"], xml=BOMB + "<pool type='dir'><name>&i;</name></pool>"), "INVALID_FIELD"),
    "update to a target outside": (
        lambda place: UpdatePoolRequest(
            pool="images",
            update=PoolUpdate(spec=PoolSpec(target=PoolTarget(path=str(place.outside)))),
            update_mask=FieldMask(paths=["spec.target.path"]),
        ),
        "PATH_NOT_ALLOWED",
    ),
    "update to no target": (
        update(["spec.target.path"], spec=PoolSpec(target=PoolTarget())),
        "INVALID_FIELD",
    ),
    "update to another's target": (
        lambda place: UpdatePoolRequest(
            pool="idle",
            update=PoolUpdate(spec=PoolSpec(target=PoolTarget(path=str(place.images / "x")))),
            update_mask=FieldMask(paths=["spec.target.path"]),
        ),
        "TARGET_IN_USE",
    ),
    "update to another name": (
        lambda place: UpdatePoolRequest(
            pool="images",
            update=PoolUpdate(xml=POOL_XML.format("other", place.images)),
            update_mask=FieldMask(paths=["xml"]),
        ),
        "POOL_EXISTS",
    ),
    "update to another type of source": (
        update(["spec.source"], spec=PoolSpec(netfs=NetfsSource(host="nfs.test", path="/x"))),
        "INVALID_FIELD",
    ),
    "undefine the active": (lambda _: UndefinePoolRequest(pool="images"), "POOL_ACTIVE"),
    "erase the active": (lambda _: ErasePoolRequest(pool="images"), "POOL_ACTIVE"),
    "build the active": (lambda _: BuildPoolRequest(pool="images"), "POOL_ACTIVE"),
    "build with a contradiction": (
        lambda _: BuildPoolRequest(pool="idle", overwrite=True, no_overwrite=True),
        "INVALID_FIELD",
    ),
    "refresh the idle": (lambda _: RefreshPoolRequest(pool="idle"), "POOL_NOT_ACTIVE"),
}
