"""Any sequence of requests to a real host does what the model says; agent, virsh and the folders agree after each."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from poolfleet.v1 import pool_service_pb2 as pools_pb
from poolfleet.v1 import volume_service_pb2 as volumes_pb
from poolfleet.v1.operation_pb2 import Operation
from poolfleet.v1.pool_pb2 import DirSource, NetfsSource, PoolMount, PoolSpec, PoolTarget
from poolfleet.v1.volume_pb2 import CloneSpec, VolumeSpec
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from scripts.embedded.nfs_server import NullNfsServer
from scripts.embedded.standin import NetfsStandIn
from tests.integration.state_machine.model import Expected, Model, ModelVolume
from tests.integration.state_machine.reality import Reality
from tests.raw_agent import RawAgent, Refused, raw_agent
from tests.state_machines import examples, real_hosts

EXAMPLES = examples(6)
STEPS = 30
MIB = 1 << 20

VOLUMES = ("a.raw", "b.raw", "c.qcow2")
SIZES = (MIB, 2 * MIB, 3 * MIB)


@dataclass(frozen=True)
class Place:
    """A host with its agent, the pools that there may be, and a loop for asking."""

    reality: Reality
    runner: asyncio.Runner
    specs: dict[str, PoolSpec]

    @property
    def agent(self) -> RawAgent:
        return self.reality.agent


@pytest.fixture(scope="module")
def place(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[Place]:
    with ExitStack() as ends:
        root = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=short_dir, prefix="m")))
        root.chmod(0o755)
        # Only root can have one.
        share = ends.enter_context(NetfsStandIn(root / "s", host="127.0.0.1")) if os.geteuid() == 0 else None
        server = ends.enter_context(NullNfsServer())
        host = EmbeddedHost("h", root, share=share)
        host.libvirtd.learn_emulators_from(libvirtd)
        ends.enter_context(host)
        targets = {name: PoolTarget(path=str(host.pools_dir / name)) for name in ("one", "two", "share")}
        specs = {name: PoolSpec(name=name, dir=DirSource(), target=targets[name]) for name in ("one", "two")}
        if share is not None:
            source = NetfsSource(host=share.host, path=share.path)
            mount = PoolMount(options=[f"port={server.port}"])
            specs["share"] = PoolSpec(name="share", netfs=source, target=targets["share"], mount=mount)
        runner = ends.enter_context(asyncio.Runner())
        stack = raw_agent(host.agent.target)
        agent = runner.run(stack.__aenter__())
        yield Place(Reality(host, agent), runner, specs)
        runner.run(stack.__aexit__(None, None, None))


pools = st.sampled_from(("one", "two", "share"))
volumes = st.sampled_from(VOLUMES)
sizes = st.sampled_from(SIZES)
hows = st.sampled_from(("plain", "plain", "repeat", "validate", "right etag", "wrong etag"))


class HostMachine(RuleBasedStateMachine):
    """Asks, in any order, for anything, with everything that a request can carry beside."""

    place: ClassVar[Place]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(tuple(self.place.specs))
        self.names = tuple(self.place.specs)

    @initialize(furnished=st.sampled_from((True, True, True, False)))
    def furnish(self, furnished: bool) -> None:
        """Mostly begin with something to work on: of what is not there at all little can be asked."""
        for name in self.names if furnished else ():
            self.bring_up(name)
            for volume in VOLUMES:
                self.create(name, volume, SIZES[1], "plain")

    @rule(pool=pools, how=hows)
    def define(self, pool: str, how: str) -> None:
        name = self._known(pool)
        self._ask(pools_pb.DefinePoolRequest(spec=self.place.specs[name]), self.model.define(name), how)

    @rule(pool=pools, allow_missing=st.booleans(), how=hows)
    def undefine(self, pool: str, allow_missing: bool, how: str) -> None:
        name = self._known(pool)
        request = pools_pb.UndefinePoolRequest(pool=name, allow_missing=allow_missing)
        self._ask(request, self.model.undefine(name, allow_missing=allow_missing), how)

    @rule(pool=pools, how=hows)
    def build(self, pool: str, how: str) -> None:
        name = self._known(pool)
        self._ask(pools_pb.BuildPoolRequest(pool=name), self.model.build(name), how)

    @rule(pool=pools, how=hows)
    def start(self, pool: str, how: str) -> None:
        name = self._known(pool)
        self._ask(pools_pb.StartPoolRequest(pool=name), self.model.start(name), how)

    @rule(pool=pools)
    def bring_up(self, pool: str) -> None:
        """All three, so that there is more often a pool to work in."""
        self.define(pool, "plain")
        if not self.model.pools[self._known(pool)].active:
            self.build(pool, "plain")
        self.start(pool, "plain")

    @rule(pool=pools, how=hows)
    def stop(self, pool: str, how: str) -> None:
        name = self._known(pool)
        self._ask(pools_pb.StopPoolRequest(pool=name), self.model.stop(name), how)

    @rule(pool=pools, how=hows)
    def refresh(self, pool: str, how: str) -> None:
        name = self._known(pool)
        self._ask(pools_pb.RefreshPoolRequest(pool=name), self.model.refresh(name), how)

    @rule(pool=pools, what=st.sampled_from(("autostart", "supervised")), value=st.booleans(), how=hows)
    def update(self, pool: str, what: str, value: bool, how: str) -> None:
        name = self._known(pool)
        update = pools_pb.PoolUpdate(autostart=value, supervised=value)
        request = pools_pb.UpdatePoolRequest(pool=name, update=update, update_mask=FieldMask(paths=[what]))
        self._ask(request, self.model.update(name, what, value=value), how)

    @rule(pool=pools, volume=volumes, capacity_bytes=sizes, how=hows)
    def create(self, pool: str, volume: str, capacity_bytes: int, how: str) -> None:
        name, wanted = self._known(pool), ModelVolume(_format(volume), capacity_bytes)
        spec = VolumeSpec(name=volume, format=wanted.format, capacity_bytes=capacity_bytes)
        self._ask(volumes_pb.CreateVolumeRequest(pool=name, spec=spec), self.model.create(name, volume, wanted), how)

    @rule(pool=pools, volume=volumes, target_pool=pools, clone=st.sampled_from(("x.raw", "y.qcow2")), how=hows)
    def clone(self, pool: str, volume: str, target_pool: str, clone: str, how: str) -> None:
        source, target = self._known(pool), self._known(target_pool)
        spec = CloneSpec(name=clone, format=_format(clone))
        request = volumes_pb.CloneVolumeRequest(pool=source, volume=volume, target_pool=target, spec=spec)
        self._ask(request, self.model.clone(source, volume, target, clone, _format(clone)), how)

    @rule(pool=pools, volume=volumes, capacity_bytes=sizes, allow_shrink=st.booleans(), by=st.booleans(), how=hows)
    def resize(self, pool: str, volume: str, capacity_bytes: int, allow_shrink: bool, by: bool, how: str) -> None:
        name = self._known(pool)
        request = volumes_pb.ResizeVolumeRequest(pool=name, volume=volume, allow_shrink=allow_shrink)
        known = self.model.folders[name].get(volume)
        if by and known is not None and known.capacity_bytes != capacity_bytes:
            request.delta_bytes = capacity_bytes - known.capacity_bytes
        else:
            request.capacity_bytes = capacity_bytes
        self._ask(request, self.model.resize(name, volume, capacity_bytes, allow_shrink=allow_shrink), how)

    @rule(pool=pools, volume=volumes, how=hows)
    def wipe(self, pool: str, volume: str, how: str) -> None:
        name = self._known(pool)
        expected = self.model.wipe(name, volume, self.place.reality.file_bytes(name, volume))
        self._ask(volumes_pb.WipeVolumeRequest(pool=name, volume=volume, algorithm="zero"), expected, how)

    @rule(pool=pools, volume=volumes, allow_missing=st.booleans(), how=hows)
    def delete(self, pool: str, volume: str, allow_missing: bool, how: str) -> None:
        name = self._known(pool)
        request = volumes_pb.DeleteVolumeRequest(pool=name, volume=volume, allow_missing=allow_missing)
        self._ask(request, self.model.delete(name, volume, allow_missing=allow_missing), how)

    @invariant()
    def all_agree(self) -> None:
        model, reality = self.model, self.place.reality
        wanted_pools = {name: (pool.active, pool.autostart) for name, pool in model.pools.items()}
        wanted = {
            name: {volume: known.capacity_bytes for volume, known in model.folders[name].items()}
            for name, pool in model.pools.items()
            if pool.active
        }
        assert self.place.runner.run(reality.by_agent()) == (wanted_pools, wanted)
        assert reality.by_virsh() == (wanted_pools, wanted)
        for name in wanted:
            # Nothing else either: no reservation, nothing half made.
            assert {path.name for path in reality.folder(name).iterdir()} == set(model.folders[name])

    def teardown(self) -> None:
        """Leave nothing to the next example, by what has been shown to work."""
        for name in self.names:
            self.bring_up(name)
            for volume in list(self.model.folders[name]):
                self.delete(name, volume, False, "plain")
            self.stop(name, "plain")
            self.undefine(name, False, "plain")
            with suppress(FileNotFoundError):
                self.place.reality.folder(name).rmdir()

    def _known(self, pool: str) -> str:
        return pool if pool in self.names else self.names[0]

    def _ask(self, request: Any, expected: Expected, how: str) -> None:
        agent, run = self.place.agent, self.place.runner.run
        if how == "validate":
            request.validate_only = True
            answer = run(_outcome(agent, request))
            if not expected.found_at_work:
                _hold(answer, expected)
            return
        if how.endswith("etag") and "etag" in request.DESCRIPTOR.fields_by_name:
            request.etag = self._etag(request) if how == "right etag" else "wrong"
            if how == "wrong etag" and not expected.allowed & {"POOL_NOT_FOUND", "VOLUME_NOT_FOUND"} and request.etag:
                if isinstance(run(_outcome(agent, request)), Operation):
                    assert not expected.changed, "only what is not there at all has no etag"
                return
        request.request_id = str(uuid.uuid4())
        answer = run(_outcome(agent, request))
        _hold(answer, expected)
        if not expected.allowed:
            expected.happens()
        if how == "repeat" and isinstance(answer, Operation) and answer.id:
            assert run(_outcome(agent, request)) == answer

    def _etag(self, request: Any) -> str:
        """The object's, as the agent tells it now; empty where there is none."""
        read: Message
        if "volume" in request.DESCRIPTOR.fields_by_name:
            read = volumes_pb.GetVolumeRequest(pool=request.pool, volume=request.volume)
        else:
            read = pools_pb.GetPoolRequest(pool=request.pool)
        with suppress(Refused):
            answer = self.place.runner.run(self.place.agent.ask(read))
            return str(answer.volume.etag if "volume" in request.DESCRIPTOR.fields_by_name else answer.pool.etag)
        return ""


def _format(name: str) -> str:
    return name.rpartition(".")[2]


async def _outcome(agent: RawAgent, request: Any) -> Operation | Refused:
    """The operation that ended well, or what it or the call was refused with."""
    try:
        if request.validate_only:
            operation: Operation = (await agent.ask(request)).operation
            return operation
        return await agent.done(request)
    except Refused as error:
        return error


def _hold(answer: Operation | Refused, expected: Expected) -> None:
    if isinstance(answer, Refused):
        assert answer.reason in expected.allowed, answer
    else:
        assert not expected.allowed, f"should be refused with {sorted(expected.allowed)}"
        assert answer.changed == expected.changed


@pytest.mark.timeout(300)
def test_any_sequence_of_requests_does_what_the_model_says(place: Place) -> None:
    place.runner.run(place.agent.ready())
    HostMachine.place = place
    run_state_machine_as_test(HostMachine, settings=real_hosts(examples=EXAMPLES, steps=STEPS))
