"""Other requests that are refused, by what is wrong with them: the request, and the reason."""

from __future__ import annotations

import uuid

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from poolfleet.v1.inventory_service_pb2 import DomainDiskFilter, ListDomainDisksRequest
from poolfleet.v1.operation_service_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    WaitOperationRequest,
)
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    DiscoverPoolSourcesRequest,
    ErasePoolRequest,
    GetPoolRequest,
    ListPoolsRequest,
    ProbePoolRequest,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
    UpdatePoolRequest,
)
from poolfleet.v1.volume_pb2 import VolumeSpec
from poolfleet.v1.volume_service_pb2 import (
    CreateVolumeRequest,
    DeleteVolumeRequest,
    GetVolumeRequest,
    ListVolumesRequest,
    LookupVolumeRequest,
    ResizeVolumeRequest,
    WipeVolumeRequest,
)
from tests.integration.bad_input.place import USED_ID, Make, resize, token

BAD_REQUESTS: dict[str, tuple[Make, str]] = {
    # Pools that are not there.
    "get no pool": (lambda _: GetPoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "get no pool, fresh": (lambda _: GetPoolRequest(pool="none", max_staleness=Duration()), "POOL_NOT_FOUND"),
    "update no pool": (
        lambda _: UpdatePoolRequest(pool="none", update_mask=FieldMask(paths=["autostart"])),
        "POOL_NOT_FOUND",
    ),
    "undefine no pool": (lambda _: UndefinePoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "erase no pool": (lambda _: ErasePoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "start no pool": (lambda _: StartPoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "stop no pool": (lambda _: StopPoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "build no pool": (lambda _: BuildPoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "refresh no pool": (lambda _: RefreshPoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "probe no pool": (lambda _: ProbePoolRequest(pool="none"), "POOL_NOT_FOUND"),
    "discover without a type": (lambda _: DiscoverPoolSourcesRequest(), "INVALID_FIELD"),
    "discover exports of no server": (lambda _: DiscoverPoolSourcesRequest(type="netfs"), "INVALID_FIELD"),
    "discover on an option": (lambda _: DiscoverPoolSourcesRequest(type="iscsi", host="-o"), "INVALID_FIELD"),
    "discover what libvirt cannot": (lambda _: DiscoverPoolSourcesRequest(type="dir"), "NOT_SUPPORTED_HERE"),
    "create in no pool": (
        lambda _: CreateVolumeRequest(pool="none", spec=VolumeSpec(name="v", capacity_bytes=1)),
        "POOL_NOT_FOUND",
    ),
    "get volume of no pool": (lambda _: GetVolumeRequest(pool="none", volume="v"), "POOL_NOT_FOUND"),
    "list volumes of no pool": (lambda _: ListVolumesRequest(pool="none"), "POOL_NOT_FOUND"),
    "delete in no pool": (lambda _: DeleteVolumeRequest(pool="none", volume="v"), "POOL_NOT_FOUND"),
    "get a pool without a name": (lambda _: GetPoolRequest(), "INVALID_FIELD"),
    "get a pool with NUL": (lambda _: GetPoolRequest(pool="a\0b"), "INVALID_FIELD"),
    "get a pool with 5000 characters": (lambda _: GetPoolRequest(pool="x" * 5000), "INVALID_FIELD"),
    # Volumes that are not there, or none.
    "get no volume": (lambda _: GetVolumeRequest(pool="images", volume="none"), "VOLUME_NOT_FOUND"),
    "get a volume by a way up": (
        lambda _: GetVolumeRequest(pool="images", volume="../outside/secret.raw"),
        "VOLUME_NOT_FOUND",
    ),
    "get volume without a name": (lambda _: GetVolumeRequest(pool="images"), "INVALID_FIELD"),
    "delete no volume": (lambda _: DeleteVolumeRequest(pool="images", volume="none"), "VOLUME_NOT_FOUND"),
    "delete in an idle pool": (lambda _: DeleteVolumeRequest(pool="idle", volume="v"), "POOL_NOT_ACTIVE"),
    "delete a folder": (lambda _: DeleteVolumeRequest(pool="images", volume="folder"), "NOT_A_VOLUME"),
    "delete a hidden file": (lambda _: DeleteVolumeRequest(pool="images", volume=".hidden"), "NOT_A_VOLUME"),
    "delete a way out": (lambda _: DeleteVolumeRequest(pool="images", volume="away.raw"), "SYMLINK_LEAVES_POOL"),
    "delete by a way up": (
        lambda _: DeleteVolumeRequest(pool="images", volume="../outside/secret.raw"),
        "VOLUME_NOT_FOUND",
    ),
    "resize no volume": (resize("none"), "VOLUME_NOT_FOUND"),
    "resize in no pool": (lambda _: ResizeVolumeRequest(pool="none", volume="v", capacity_bytes=1), "POOL_NOT_FOUND"),
    "resize in an idle pool": (
        lambda _: ResizeVolumeRequest(pool="idle", volume="v", capacity_bytes=1),
        "POOL_NOT_ACTIVE",
    ),
    "resize a folder": (resize("folder"), "NOT_A_VOLUME"),
    "resize a hidden file": (resize(".hidden"), "NOT_A_VOLUME"),
    "resize a way out": (resize("away.raw"), "SYMLINK_LEAVES_POOL"),
    "resize by a way up": (resize("../outside/secret.raw"), "VOLUME_NOT_FOUND"),
    "resize to nothing at all": (lambda _: ResizeVolumeRequest(pool="images", volume="b.raw"), "INVALID_FIELD"),
    "resize to 0": (resize(capacity_bytes=0), "INVALID_FIELD"),
    "resize to less than 0": (resize(capacity_bytes=-1), "INVALID_FIELD"),
    "resize by 0": (resize(delta_bytes=0), "INVALID_FIELD"),
    "resize by more than there is": (resize(delta_bytes=-(2**63)), "INVALID_FIELD"),
    "resize by more than a number holds": (resize(delta_bytes=2**63 - 1), "TOO_LARGE"),
    "resize to more than a number holds": (resize("a.qcow2", capacity_bytes=2**63 - 1), "TOO_LARGE"),
    "resize to less": (resize(capacity_bytes=512), "WOULD_SHRINK"),
    "resize to what does not fit": (resize(capacity_bytes=2**60, allocate=True), "NO_SPACE"),
    "wipe no volume": (lambda _: WipeVolumeRequest(pool="images", volume="none"), "VOLUME_NOT_FOUND"),
    "wipe in an idle pool": (lambda _: WipeVolumeRequest(pool="idle", volume="v"), "POOL_NOT_ACTIVE"),
    "wipe a folder": (lambda _: WipeVolumeRequest(pool="images", volume="folder"), "NOT_A_VOLUME"),
    "wipe a hidden file": (lambda _: WipeVolumeRequest(pool="images", volume=".hidden"), "NOT_A_VOLUME"),
    "wipe a way out": (lambda _: WipeVolumeRequest(pool="images", volume="away.raw"), "SYMLINK_LEAVES_POOL"),
    "wipe by a way up": (
        lambda _: WipeVolumeRequest(pool="images", volume="../outside/secret.raw"),
        "VOLUME_NOT_FOUND",
    ),
    "wipe by an unknown algorithm": (
        lambda _: WipeVolumeRequest(pool="images", volume="b.raw", algorithm="-f"),
        "INVALID_FIELD",
    ),
    "look up nothing": (lambda _: LookupVolumeRequest(), "INVALID_FIELD"),
    "look up an empty key": (lambda _: LookupVolumeRequest(key=""), "INVALID_FIELD"),
    "look up no key": (lambda _: LookupVolumeRequest(key="none"), "VOLUME_NOT_FOUND"),
    "look up a relative path": (lambda _: LookupVolumeRequest(path="images/a.qcow2"), "INVALID_FIELD"),
    "look up a path with dots": (
        lambda place: LookupVolumeRequest(path=f"{place.images}/../images/a.qcow2"),
        "INVALID_FIELD",
    ),
    "look up outside": (lambda place: LookupVolumeRequest(path=str(place.outside / "secret.raw")), "PATH_NOT_ALLOWED"),
    "look up through a way out": (
        lambda place: LookupVolumeRequest(path=str(place.way_out / "secret.raw")),
        "PATH_NOT_ALLOWED",
    ),
    "look up a link that leaves the pool": (
        lambda place: LookupVolumeRequest(path=str(place.images / "away.raw")),
        "SYMLINK_LEAVES_POOL",
    ),
    "look up a path with NUL": (lambda _: LookupVolumeRequest(path="/a\0b"), "INVALID_FIELD"),
    "look up a path of 5000 bytes": (lambda _: LookupVolumeRequest(path="/" + "x" * 5000), "INVALID_FIELD"),
    # Wrong etags.
    "update another pool than was seen": (
        lambda _: UpdatePoolRequest(pool="images", etag="x", update_mask=FieldMask(paths=["autostart"])),
        "ETAG_MISMATCH",
    ),
    "undefine another": (lambda _: UndefinePoolRequest(pool="idle", etag="x"), "ETAG_MISMATCH"),
    "erase another": (lambda _: ErasePoolRequest(pool="idle", etag="x"), "ETAG_MISMATCH"),
    "start another": (lambda _: StartPoolRequest(pool="idle", etag="x"), "ETAG_MISMATCH"),
    "stop another": (lambda _: StopPoolRequest(pool="images", etag="x"), "ETAG_MISMATCH"),
    "build another": (lambda _: BuildPoolRequest(pool="idle", etag="x"), "ETAG_MISMATCH"),
    "refresh another": (lambda _: RefreshPoolRequest(pool="images", etag="x"), "ETAG_MISMATCH"),
    "delete another volume": (
        lambda _: DeleteVolumeRequest(pool="images", volume="a.qcow2", etag="x"),
        "ETAG_MISMATCH",
    ),
    "wipe another volume": (lambda _: WipeVolumeRequest(pool="images", volume="b.raw", etag="x"), "ETAG_MISMATCH"),
    "resize another volume": (resize(etag="x"), "ETAG_MISMATCH"),
    # Request ids.
    "a request id that is no UUID": (lambda _: StartPoolRequest(pool="idle", request_id="1"), "INVALID_FIELD"),
    "a request id with braces": (
        lambda _: RefreshPoolRequest(pool="images", request_id=f"{{{uuid.uuid4()}}}"),
        "INVALID_FIELD",
    ),
    "a request id that had another body": (
        lambda _: RefreshPoolRequest(pool="idle", request_id=USED_ID),
        "REQUEST_ID_REUSED",
    ),
    "a request id that had another etag": (
        lambda _: RefreshPoolRequest(pool="images", etag="x", request_id=USED_ID),
        "REQUEST_ID_REUSED",
    ),
    # Lists.
    "a negative page of pools": (lambda _: ListPoolsRequest(page_size=-1), "INVALID_FIELD"),
    "a negative page of volumes": (lambda _: ListVolumesRequest(page_size=-1), "INVALID_FIELD"),
    "a negative page of disks": (lambda _: ListDomainDisksRequest(page_size=-1), "INVALID_FIELD"),
    "a negative page of operations": (lambda _: ListOperationsRequest(page_size=-1), "INVALID_FIELD"),
    "a token that is none": (lambda _: ListPoolsRequest(page_token="garbage"), "TOKEN_MISMATCH"),
    "a token of other JSON": (lambda _: ListPoolsRequest(page_token=token(b'{"a": 1}')), "TOKEN_MISMATCH"),
    "a token of deep JSON": (lambda _: ListVolumesRequest(page_token=token(b"[" * 100_000)), "TOKEN_MISMATCH"),
    "a token that is not ASCII": (lambda _: ListOperationsRequest(page_token="ä" * 8), "TOKEN_MISMATCH"),
    "a token of padding": (lambda _: ListDomainDisksRequest(page_token="===="), "TOKEN_MISMATCH"),
    "volumes of all pools, fresh": (lambda _: ListVolumesRequest(max_staleness=Duration()), "INVALID_FIELD"),
    "disks of a volume without its pool": (
        lambda _: ListDomainDisksRequest(filter=DomainDiskFilter(volume="a.qcow2")),
        "INVALID_FIELD",
    ),
    # Durations.
    "a negative staleness": (
        lambda _: GetPoolRequest(pool="images", max_staleness=Duration(seconds=-1)),
        "INVALID_FIELD",
    ),
    "a staleness that is no duration": (
        lambda _: GetVolumeRequest(pool="images", volume="a.qcow2", max_staleness=Duration(seconds=2**62)),
        "INVALID_FIELD",
    ),
    "a staleness with too many nanoseconds": (
        lambda _: ListVolumesRequest(pool="images", max_staleness=Duration(nanos=2**31 - 1)),
        "INVALID_FIELD",
    ),
    "a staleness of two signs": (
        lambda _: ListDomainDisksRequest(max_staleness=Duration(seconds=1, nanos=-1)),
        "INVALID_FIELD",
    ),
    "a negative wait": (lambda _: WaitOperationRequest(operation="x", timeout=Duration(nanos=-1)), "INVALID_FIELD"),
    # Operations.
    "get no operation": (lambda _: GetOperationRequest(operation="none"), "OPERATION_NOT_FOUND"),
    "get an operation without an id": (lambda _: GetOperationRequest(), "OPERATION_NOT_FOUND"),
    "wait for none": (lambda _: WaitOperationRequest(operation="none"), "OPERATION_NOT_FOUND"),
    "cancel none": (lambda _: CancelOperationRequest(operation="none"), "OPERATION_NOT_FOUND"),
}
