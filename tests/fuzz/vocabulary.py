"""What fits the fields of messages on the host that is fuzzed: what is there, what could be, and a few that lie."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from scripts.embedded.host import EmbeddedHost
from tests.fuzz.strategies import Vocabulary
from tests.made_pools import MIB, folder

OPERATION, TOKEN = "OPERATION", "TOKEN"
"""Words in whose place an operation's id or a page token comes that there is."""
ETAG = "ETAG"
"""In its place comes the etag of an object that was just answered."""

POOLS = (*(["active"] * 6), "idle", "idle", "share", "xml", "new", "none")
VOLUMES = (
    *("v.raw", "v.qcow2", "v.raw", "v.qcow2", "new.raw", "new.qcow2", "new.raw", "new.qcow2"),
    *("folder", "away.raw", ".hidden", "none"),
)

_NEEDED = frozenset(
    {
        *("pool", "volume", "name", "path", "key", "operation", "target", "host"),
        *("paths", "update", "update_mask", "capacity_bytes", "type"),
        *("usage_type", "usage_id", "value", "secret"),
    }
)


def vocabulary(host: EmbeddedHost) -> Vocabulary:
    """What fits on a host."""
    targets = [str(folder(host, name)) for name in POOLS]
    files = [f"{targets[0]}/{name}" for name in VOLUMES]
    words = {**_names(files), **_of_pools(host, targets), **_of_volumes(files), **_of_sources()}
    return Vocabulary(words, _NEEDED)


def _names(files: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {
        "pool": POOLS,
        "pools": POOLS,
        "volume": VOLUMES,
        "path": [*files, "/etc/passwd"],
        "key": files,
        "uuid": ["", *_uuids(3)],
        "request_id": [*([""] * 20), *_uuids(8)],
        "etag": [*([""] * 5), ETAG, ETAG, "x"],
        "operation": [OPERATION, OPERATION, "none"],
        "operations": [OPERATION],
        "page_token": ["", "", TOKEN],
        "name_prefix": ["", "v", "a"],
        "domain": ["", "guest"],
        "service": ["", "poolfleet.v1.PoolService", "none"],
        "list_services": [""],
        "file_containing_symbol": ["poolfleet.v1.PoolService", "poolfleet.v1.Pool", "none"],
        "file_by_filename": ["poolfleet/v1/pool.proto", "none"],
        "all_extension_numbers_of_type": ["poolfleet.v1.Pool", "none"],
    }


def _of_pools(host: EmbeddedHost, targets: Sequence[str]) -> Mapping[str, Sequence[str]]:
    return {
        "PoolSpec.name": POOLS,
        "PoolTarget.path": [*targets, *targets, str(host.pools_dir), "/etc"],
        "xml": _pool_documents(dict(zip(POOLS, targets, strict=True))),
        "types": ["dir", "netfs"],
        "options": ["noatime", "timeo=50"],
        "protocol_version": ["", "4.2"],
        "paths": [
            *("autostart", "autostart", "supervised", "xml", "spec.target", "spec.target.path", "spec.mount"),
            *("spec.source", "spec.features", "spec.vendor"),
        ],
        "DiscoverPoolSourcesRequest.type": ["netfs", "logical", "iscsi", "gluster", "dir"],
        "DiscoverPoolSourcesRequest.format": ["", "", "nfs", "glusterfs"],
    }


def _of_volumes(files: Sequence[str]) -> Mapping[str, Sequence[str]]:
    documents = _volume_documents(files)
    return {
        "VolumeSpec.name": VOLUMES,
        "CloneSpec.name": VOLUMES,
        "target_pool": ["", "", *POOLS],
        "CreateVolumeRequest.xml": documents,
        "CloneVolumeRequest.xml": documents,
        "BackingStore.path": [*files, "/etc/passwd"],
        "format": ["", "raw", "qcow2", "qcow2"],
        "formats": ["raw", "qcow2"],
        "preallocation": [*([""] * 4), "metadata", "falloc", "full", "x"],
        "algorithm": ["", "zero", "nnsa", "x"],
        "compat": ["", "", "0.10", "1.1", "9"],
        "features": ["lazy_refcounts", "extended_l2"],
        # Making a key takes a second of a processor.
        "VolumeEncryption.format": [*(["default"] * 12), "luks"],
        "usage_type": ["volume", "volume", "ceph", "iscsi"],
        "usage_types": ["volume", "ceph"],
        "usage_id": ["k", "other"],
    }


def _of_sources() -> Mapping[str, Sequence[str]]:
    # Nothing is asked of a real network.
    return {
        "host": ["nfs.test", "nfs.test", "nfs.test", "-o"],
        "SourceHost.name": ["nfs.test"],
        "NetfsSource.path": ["/export", "/other"],
        "NetfsSource.format": ["", "nfs", "auto"],
        "FsSource.format": ["", "ext4", "auto"],
        "DiskSource.format": ["", "gpt", "dos"],
        "LogicalSource.format": ["", "lvm2"],
        "LogicalSource.name": ["", "none"],
        "device": ["/dev/none", "/dev/none", "iqn.2013-06.com.example:x", "-L"],
        "devices": ["/dev/none", "/dev/nothing"],
        "initiator": ["", "iqn.2013-06.com.example:me"],
        "username": ["admin"],
        "secret_usage": ["none"],
        "parent_address": ["0000:00:1f.2"],
        "ScsiHostAdapter.name": ["scsi_host99"],
        "wwnn": ["20000000c9831b4b"],
        "wwpn": ["10000000c9831b4b"],
    }


def _uuids(count: int) -> list[str]:
    return [str(uuid.UUID(int=number)) for number in range(1, count + 1)]


_POOL_TYPES = (
    *("fs", "netfs", "logical", "disk", "iscsi", "iscsi-direct", "scsi", "mpath", "rbd", "gluster", "sheepdog", "zfs"),
    *("vstorage", "tape"),
)


def _pool_documents(targets: Mapping[str, str]) -> list[str]:
    documents = [
        f"<pool type='dir'><name>{name}</name><target><path>{target}</path></target></pool>"
        for name, target in targets.items()
    ]
    source = "<source><host name='nfs.test'/><dir path='/export'/><device path='/dev/none'/><name>none</name></source>"
    documents += [
        f"<pool type='{kind}'><name>xml</name>{more}<target><path>{targets['xml']}</path></target></pool>"
        for kind in _POOL_TYPES
        for more in ("", source)
    ]
    return [*documents, "<pool/>", "<pool type='dir'><name>xml</name></pool>", "<a" * 500]


def _volume_documents(files: Sequence[str]) -> list[str]:
    targets = ["", *(f"<target><format type='{kind}'/></target>" for kind in ("raw", "qcow2", "vmdk", "luks", "x"))]
    targets += [f"<backingStore><path>{files[0]}</path></backingStore><target><format type='qcow2'/></target>"]
    targets += ["<target><encryption format='luks'><secret type='passphrase' usage='none'/></encryption></target>"]
    documents = [
        f"<volume><name>{name}</name><capacity>{capacity}</capacity>{more}</volume>"
        for name in VOLUMES[4:6]
        for capacity in (0, MIB, 2**62)
        for more in targets
    ]
    return [*documents, "<volume/>", "<volume><name>new.raw</name></volume>"]
