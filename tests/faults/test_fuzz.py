"""Any valid message to any RPC, on a real host: each answer is documented, none is INTERNAL or UNKNOWN, none hangs."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poolfleet.v1 import operation_pb2
from poolfleet.v1.pool_service_pb2 import BuildPoolRequest, RefreshPoolRequest, StartPoolRequest
from poolfleet.v1.volume_pb2 import BackingStore, VolumeSpec
from poolfleet.v1.volume_service_pb2 import CreateVolumeRequest
from scripts.contract_tables import error_tables
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.standin import NetfsStandIn
from tests.made_pools import MIB, dir_pool, folder, raw_volume, start_dir_pool
from tests.message_strategies import Vocabulary, messages
from tests.raw_agent import METHODS, SERVICES, RawAgent, Refused, path_of, raw_agent, refusal_of, refused

EXAMPLES = int(os.environ.get("POOLFLEET_FUZZ_EXAMPLES", "1500"))
# No call may take so long, however odd.
HANG_S = 20.0
HEAL_EVERY = 20

_NEEDED = frozenset(
    {
        *("pool", "volume", "name", "path", "key", "operation", "target", "host"),
        *("paths", "update", "update_mask", "capacity_bytes", "type"),
        *("usage_type", "usage_id", "value", "secret"),
    }
)

Seen = Counter[tuple[str, str, str]]


class FuzzedHost:
    """A host with some pools and volumes, which come back after whatever was done to them."""

    def __init__(self, host: EmbeddedHost) -> None:
        self.host = host
        self.operations: list[str] = []
        self.tokens: list[str] = []
        self.seen: Seen = Counter()
        self.examples = 0
        self._tables = error_tables()

    def vocabulary(self) -> Vocabulary:
        """What fits."""
        pools = ["active", "active", "idle", "share", "xml", "new", "none"]
        volumes = ["v.raw", "v.qcow2", "new.raw", "new.qcow2", "folder", "away.raw", ".hidden", "none"]
        targets = [str(folder(self.host, name)) for name in pools]
        files = [f"{targets[0]}/{name}" for name in volumes]
        words = {
            "pool": pools,
            "pools": pools,
            "volume": volumes,
            "PoolTarget.path": [*targets, *targets, str(self.host.pools_dir), "/etc"],
            "BackingStore.path": [*files, "/etc/passwd"],
            "NetfsSource.path": ["/export", "/other"],
            "path": [*files, "/etc/passwd"],
            "paths": [
                *("autostart", "autostart", "supervised", "xml", "spec.target", "spec.target.path", "spec.mount"),
                *("spec.source", "spec.features", "spec.vendor"),
            ],
            "key": files,
            "DiscoverPoolSourcesRequest.type": ["netfs", "logical", "iscsi", "gluster", "dir"],
            "DiscoverPoolSourcesRequest.format": ["", "", "nfs", "glusterfs"],
            "PoolSpec.name": pools,
            "VolumeSpec.name": volumes,
            "CloneSpec.name": volumes,
            "target_pool": ["", "", *pools],
            "CreateVolumeRequest.xml": _volume_documents(volumes, files),
            "CloneVolumeRequest.xml": _volume_documents(volumes, files),
            "xml": _pool_documents(dict(zip(pools, targets, strict=True))),
            # Nothing is asked of a real network.
            "host": ["nfs.test", "nfs.test", "nfs.test", "-o"],
            "NetfsSource.format": ["", "nfs", "auto"],
            "SourceHost.name": ["nfs.test"],
            "device": ["/dev/none", "/dev/none", "iqn.2013-06.com.example:x", "-L"],
            "devices": ["/dev/none", "/dev/nothing"],
            "initiator": ["", "iqn.2013-06.com.example:me"],
            "username": ["admin"],
            "secret_usage": ["none"],
            "parent_address": ["0000:00:1f.2"],
            "ScsiHostAdapter.name": ["scsi_host99"],
            "wwnn": ["20000000c9831b4b"],
            "wwpn": ["10000000c9831b4b"],
            "FsSource.format": ["", "ext4", "auto"],
            "DiskSource.format": ["", "gpt", "dos"],
            "LogicalSource.format": ["", "lvm2"],
            "LogicalSource.name": ["", "none"],
            "format": ["", "raw", "qcow2", "qcow2"],
            "formats": ["raw", "qcow2"],
            "options": ["noatime", "timeo=50"],
            "protocol_version": ["", "4.2"],
            "uuid": ["", *(str(uuid.UUID(int=number)) for number in range(1, 4))],
            "request_id": [*([""] * 20), *(str(uuid.UUID(int=number)) for number in range(1, 9))],
            "etag": [*([""] * 5), "x"],
            "operation": ["OPERATION", "OPERATION", "none"],
            "operations": ["OPERATION"],
            "page_token": ["", "", "TOKEN"],
            "name_prefix": ["", "v", "a"],
            "types": ["dir", "netfs"],
            "domain": ["", "guest"],
            "usage_type": ["volume", "volume", "ceph", "iscsi"],
            "usage_types": ["volume", "ceph"],
            "usage_id": ["k", "other"],
            "VolumeEncryption.format": ["", "luks", "default"],
            "preallocation": [*([""] * 4), "metadata", "falloc", "full", "x"],
            "compat": ["", "", "0.10", "1.1", "9"],
            "features": ["lazy_refcounts", "extended_l2"],
        }
        return Vocabulary(words, _NEEDED)

    async def furnish(self, agent: RawAgent) -> None:
        """Have everything there that is known."""
        outside = self.host.root / "outside"
        outside.mkdir(exist_ok=True)
        (outside / "file").touch()
        with suppress(Refused):
            await start_dir_pool(self.host, agent, "active")
        target = folder(self.host, "active")
        target.mkdir(exist_ok=True)
        (target / "folder").mkdir(exist_ok=True)
        (target / ".hidden").touch()
        for name in ("away.raw", "way_out"):
            if not (target / name).is_symlink():
                (target / name).unlink(missing_ok=True)
                (target / name).symlink_to(outside / "file")
        backing = BackingStore(path=str(target / "v.raw"), format="raw")
        overlay = VolumeSpec(name="v.qcow2", format="qcow2", capacity_bytes=MIB, backing_store=backing)
        for request in (
            StartPoolRequest(pool="active"),
            RefreshPoolRequest(pool="active"),
            dir_pool(self.host, "idle"),
            BuildPoolRequest(pool="idle"),
            raw_volume("active", "v.raw"),
            CreateVolumeRequest(pool="active", spec=overlay),
        ):
            with suppress(Refused):
                await agent.do(request)

    async def ask_at_once(self, agent: RawAgent, requests: list[Message]) -> None:
        """Ask all side by side."""
        self.examples += 1
        if self.examples % HEAL_EVERY == 0:
            await self.furnish(agent)
        asked = await asyncio.gather(*(self.ask(agent, request) for request in requests), return_exceptions=True)
        for failure in asked:
            if failure is not None:
                raise failure

    async def ask(self, agent: RawAgent, request: Message) -> None:
        """Ask, wait for the end of what that begins, and hold every error against the RPC's table."""
        self._fill_in(request)
        path = path_of(request)
        try:
            if METHODS[request.DESCRIPTOR.full_name].server_streaming:
                await self._watch(agent, request)
                return
            answer = await agent.ask(request, timeout_s=HANG_S)
        except Refused as error:
            self._check(path, request, error)
            return
        self.seen[path, "OK", ""] += 1
        if token := getattr(answer, "next_page_token", ""):
            self.tokens.append(token)
        if hasattr(request, "request_id") and answer.operation.id:
            self.operations.append(answer.operation.id)
            operation = await agent.ended(answer.operation)
            if operation.state != operation_pb2.OPERATION_STATE_SUCCEEDED:
                self._check(path, request, refused(operation.error))

    def _fill_in(self, request: Message) -> None:
        """Put in the place of a word an operation or a token that there is."""
        for field, value in request.ListFields():
            if value == "OPERATION" and self.operations:
                setattr(request, field.name, self.operations[-1])
            elif value == "TOKEN" and self.tokens:
                setattr(request, field.name, self.tokens[-1])
            elif field.name == "operations" and "OPERATION" in value and self.operations:
                value[list(value).index("OPERATION")] = self.operations[-1]

    async def _watch(self, agent: RawAgent, request: Message) -> None:
        stream = agent.stream(request, timeout_s=HANG_S)
        try:
            async for answer in stream:
                if answer.present_state_sent:
                    self.seen[path_of(request), "OK", ""] += 1
                    return
        except grpc.aio.AioRpcError as error:
            raise refusal_of(error) from error
        finally:
            stream.cancel()

    def _check(self, path: str, request: Message, error: Refused) -> None:
        self.seen[path, error.code, error.reason] += 1
        shown = f"{path}: {error}\n{str(request)[:2000]}"
        assert error.code not in {"INTERNAL", "UNKNOWN"}, shown
        assert (error.code, error.reason) in self._tables[path].outcomes, shown


@pytest.fixture(scope="module")
def fuzzed(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[FuzzedHost]:
    with ExitStack() as ends:
        root = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=short_dir, prefix="z")))
        root.chmod(0o755)
        # Only root can have one; anybody else's mounts are refused anyway.
        share = ends.enter_context(NetfsStandIn(root / "s")) if os.geteuid() == 0 else None
        host = EmbeddedHost("h", root, share=share, settings={"staleness_s": 5, "limits": {"drain_s": 1}})
        host.libvirtd.learn_emulators_from(libvirtd)
        ends.enter_context(host)
        yield FuzzedHost(host)


def _pool_documents(targets: dict[str, str]) -> list[str]:
    documents = [
        f"<pool type='dir'><name>{name}</name><target><path>{target}</path></target></pool>"
        for name, target in targets.items()
    ]
    kinds = [
        "fs",
        "netfs",
        "logical",
        "disk",
        "iscsi",
        "iscsi-direct",
        "scsi",
        "mpath",
        "rbd",
        "gluster",
        "sheepdog",
        "zfs",
        "vstorage",
        "tape",
    ]
    source = "<source><host name='nfs.test'/><dir path='/export'/><device path='/dev/none'/><name>none</name></source>"
    documents += [
        f"<pool type='{kind}'><name>xml</name>{more}<target><path>{targets['xml']}</path></target></pool>"
        for kind in kinds
        for more in ("", source)
    ]
    return [*documents, "<pool/>", "<pool type='dir'><name>xml</name></pool>", "<a" * 500]


def _volume_documents(names: list[str], files: list[str]) -> list[str]:
    targets = ["", *(f"<target><format type='{kind}'/></target>" for kind in ("raw", "qcow2", "vmdk", "luks", "x"))]
    targets += [f"<backingStore><path>{files[0]}</path></backingStore><target><format type='qcow2'/></target>"]
    targets += ["<target><encryption format='luks'><secret type='passphrase' usage='none'/></encryption></target>"]
    documents = [
        f"<volume><name>{name}</name><capacity>{capacity}</capacity>{more}</volume>"
        for name in names[2:4]
        for capacity in (0, MIB, 2**62)
        for more in targets
    ]
    return [*documents, "<volume/>", "<volume><name>new.raw</name></volume>"]


def requests(vocabulary: Vocabulary) -> st.SearchStrategy[Message]:
    """To every RPC, to those that change something more often."""
    methods = [method for service in SERVICES for method in service.methods]
    methods += [method for method in methods if "request_id" in method.input_type.fields_by_name]
    return st.one_of([messages(method.input_type, vocabulary) for method in methods])


def test_every_answer_is_documented(fuzzed: FuzzedHost) -> None:
    pid = fuzzed.host.agent.pid
    with asyncio.Runner() as runner:
        stack = raw_agent(fuzzed.host.agent.target)
        agent = runner.run(stack.__aenter__())
        runner.run(fuzzed.furnish(agent))

        @settings(
            max_examples=EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(at_once=st.lists(requests(fuzzed.vocabulary()), min_size=1, max_size=3))
        def fuzz(at_once: list[Message]) -> None:
            runner.run(fuzzed.ask_at_once(agent, at_once))

        try:
            fuzz()
        finally:
            runner.run(stack.__aexit__(None, None, None))
            print(fuzzed.host.agent.log.read_text()[-20000:])
            for (path, code, reason), count in sorted(fuzzed.seen.items()):
                print(f"{count:6d}  {path.removeprefix('poolfleet.v1.')}: {code} {reason}")
    assert fuzzed.host.agent.pid == pid
    log = fuzzed.host.agent.log.read_text()
    assert "Traceback" not in log
    assert "unforeseen" not in log
