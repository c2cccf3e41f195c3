"""Many callers at once: the same, with one request id and with many, and what contradicts it: one effect, every answer
documented. And watchers who do not read, or vanish: nobody else waits for them, and nothing of them stays."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from poolfleet.v1 import operation_pb2
from poolfleet.v1.inventory_service_pb2 import WatchInventoryRequest
from poolfleet.v1.operation_service_pb2 import WatchOperationsRequest
from poolfleet.v1.pool_service_pb2 import (
    BuildPoolRequest,
    RefreshPoolRequest,
    StartPoolRequest,
    StopPoolRequest,
    UndefinePoolRequest,
)
from poolfleet.v1.secret_pb2 import SecretRef, SecretSpec
from poolfleet.v1.secret_service_pb2 import DeleteSecretRequest, SetSecretRequest
from poolfleet.v1.volume_pb2 import CloneSpec
from poolfleet.v1.volume_service_pb2 import (
    CloneVolumeRequest,
    DeleteVolumeRequest,
    ResizeVolumeRequest,
    WipeVolumeRequest,
)
from scripts.contract_tables import error_tables
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.fuzz import counted_agent
from tests.fuzz.growth import Held, held_by
from tests.made_pools import MIB, dir_pool, raw_volume, start_dir_pool
from tests.raw_agent import RawAgent, Refused, path_of, raw_agent, refused

AT_ONCE = 12
WATCHERS = 20
OPERATIONS, VOLUMES = 300, 50
COUNTS = 5
MOST_PSS_BYTES = 24 << 20
KEY = SecretRef(usage_type="ceph", usage_id="k")


@pytest.fixture(scope="module")
def busy_host(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="b") as made:
        Path(made).chmod(0o755)
        host = EmbeddedHost("h", Path(made))
        host.agent.program = (counted_agent.__file__,)
        host.libvirtd.learn_emulators_from(libvirtd)
        with host:
            yield host


@pytest.fixture
async def agent(busy_host: EmbeddedHost) -> AsyncIterator[RawAgent]:
    async with raw_agent(busy_host.agent.target) as agent:
        yield agent


@dataclass(frozen=True)
class Contested:
    """What many ask for of the pool `p`, which is there with the volume `v` up to the step before."""

    request: Message | None
    """None: to define it."""
    against: Message
    """What contradicts it."""
    before: str = "started"
    once: bool = True
    """Whether it does nothing more where it was done."""


CONTESTED = {
    "define": Contested(None, UndefinePoolRequest(pool="p", allow_missing=True), before="none"),
    "build": Contested(BuildPoolRequest(pool="p"), UndefinePoolRequest(pool="p"), before="defined", once=False),
    "start": Contested(StartPoolRequest(pool="p"), UndefinePoolRequest(pool="p"), before="built"),
    "stop": Contested(StopPoolRequest(pool="p"), RefreshPoolRequest(pool="p")),
    "refresh": Contested(RefreshPoolRequest(pool="p"), StopPoolRequest(pool="p"), once=False),
    "undefine": Contested(
        UndefinePoolRequest(pool="p", allow_missing=True), StartPoolRequest(pool="p"), before="built"
    ),
    "create": Contested(raw_volume("p", "new"), raw_volume("p", "new", size_bytes=2 * MIB)),
    "clone": Contested(
        CloneVolumeRequest(pool="p", volume="v", spec=CloneSpec(name="new")),
        ResizeVolumeRequest(pool="p", volume="v", capacity_bytes=3 * MIB),
    ),
    "resize": Contested(
        ResizeVolumeRequest(pool="p", volume="v", capacity_bytes=2 * MIB),
        ResizeVolumeRequest(pool="p", volume="v", capacity_bytes=3 * MIB),
    ),
    "wipe": Contested(
        WipeVolumeRequest(pool="p", volume="v"),
        DeleteVolumeRequest(pool="p", volume="v", allow_missing=True),
        once=False,
    ),
    "delete": Contested(
        DeleteVolumeRequest(pool="p", volume="v", allow_missing=True), WipeVolumeRequest(pool="p", volume="v")
    ),
    "set a secret": Contested(
        SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="k"), value=b"one"),
        SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="k"), value=b"two"),
        once=False,
    ),
    "delete a secret": Contested(
        DeleteSecretRequest(secret=KEY, allow_missing=True),
        SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="k"), value=b"two"),
    ),
}


async def prepare(host: EmbeddedHost, agent: RawAgent, contested: Contested) -> tuple[Message, Message]:
    """Have all there that is there before; the request and what contradicts it."""
    cleared: tuple[Message, ...] = (
        StopPoolRequest(pool="p"),
        UndefinePoolRequest(pool="p", allow_missing=True),
        SetSecretRequest(spec=SecretSpec(usage_type="ceph", usage_id="k"), value=b"zero"),
    )
    for request in cleared:
        with contextlib.suppress(Refused):  # there is no such pool yet
            await agent.do(request)
    for left in host.pools_dir.glob("p/*"):
        left.unlink()
    if contested.before == "started":
        await start_dir_pool(host, agent, "p", "v")
    elif contested.before != "none":
        await agent.done(dir_pool(host, "p"))
        if contested.before == "built":
            await agent.done(BuildPoolRequest(pool="p"))
    return contested.request or dir_pool(host, "p"), contested.against


async def outcomes(agent: RawAgent, requests: Sequence[Message]) -> list[operation_pb2.Operation]:
    """The operations of all, asked at once and ended; whatever was refused is documented."""
    answers = await asyncio.gather(*(agent.do(request) for request in requests), return_exceptions=True)
    for request, answer in zip(requests, answers, strict=True):
        documented = error_tables()[path_of(request)].outcomes
        if isinstance(answer, operation_pb2.Operation) and answer.error.code:
            answer = refused(answer.error)
        if isinstance(answer, BaseException):
            assert isinstance(answer, Refused), answer
            assert (answer.code, answer.reason) in documented, answer
    return [answer for answer in answers if isinstance(answer, operation_pb2.Operation) and not answer.error.code]


def with_id(request: Message, request_id: str) -> Message:
    asked: Any = type(request)()
    asked.CopyFrom(request)
    asked.request_id = request_id
    return asked  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CONTESTED)
async def test_one_request_sent_by_many_at_once_is_one_operation(
    busy_host: EmbeddedHost, agent: RawAgent, name: str
) -> None:
    request, _ = await prepare(busy_host, agent, CONTESTED[name])
    same = with_id(request, str(uuid.uuid4()))
    done = await outcomes(agent, [same] * AT_ONCE)
    assert len(done) == AT_ONCE
    assert len({operation.id for operation in done}) == 1


@pytest.mark.parametrize("name", CONTESTED)
async def test_the_same_wanted_by_many_at_once_is_done_once(
    busy_host: EmbeddedHost, agent: RawAgent, name: str
) -> None:
    contested = CONTESTED[name]
    request, _ = await prepare(busy_host, agent, contested)
    done = await outcomes(agent, [with_id(request, str(uuid.uuid4())) for _ in range(AT_ONCE)])
    changed = {operation.id for operation in done if operation.changed}
    assert changed
    assert len(changed) == 1 or not contested.once


@pytest.mark.parametrize("name", CONTESTED)
async def test_what_contradicts_is_refused_or_comes_after(busy_host: EmbeddedHost, agent: RawAgent, name: str) -> None:
    both = await prepare(busy_host, agent, CONTESTED[name])
    done = await outcomes(agent, [both[number % 2] for number in range(AT_ONCE)])
    # Whoever came first was not refused for those who came later.
    assert done


def at_rest(host: EmbeddedHost) -> Held:
    """What the agent holds while it looks at nothing, as it does now and then."""
    return min((held_by(host.agent) for _ in range(COUNTS)), key=lambda held: held.tasks)


async def test_watchers_who_do_not_read_cost_nobody_anything(busy_host: EmbeddedHost, agent: RawAgent) -> None:
    await start_dir_pool(busy_host, agent, "w")
    before = at_rest(busy_host)
    async with raw_agent(busy_host.agent.target) as lazy:
        kinds = (WatchOperationsRequest(), WatchInventoryRequest())
        unread = [lazy.stream(kinds[number % 2], timeout_s=None) for number in range(WATCHERS)]
        await asyncio.gather(*(stream.read() for stream in unread))
        reader = agent.stream(WatchOperationsRequest(), timeout_s=None)
        asked = [await agent.done(RefreshPoolRequest(pool="w")) for _ in range(OPERATIONS)]
        asked += [await agent.done(raw_volume("w", f"{number}.raw")) for number in range(VOLUMES)]
        missing = {operation.id for operation in asked}
        async with asyncio.timeout(60):
            while missing:
                answer = await reader.read()
                if answer.operation.state == operation_pb2.OPERATION_STATE_SUCCEEDED:
                    missing.discard(answer.operation.id)
        assert held_by(busy_host.agent).pss_bytes - before.pss_bytes < MOST_PSS_BYTES
        # Whoever begins to read again learns how everything ended, and no more than that.
        last = {operation.id: operation_pb2.OPERATION_STATE_UNSPECIFIED for operation in asked}
        async with asyncio.timeout(60):
            while set(last.values()) != {operation_pb2.OPERATION_STATE_SUCCEEDED}:
                answer = await unread[0].read()
                if answer.operation.id in last:
                    last[answer.operation.id] = answer.operation.state
        for stream in (*unread, reader):
            stream.cancel()
    await _tasks_are(busy_host, before.tasks)


async def test_of_watchers_who_vanish_nothing_stays(busy_host: EmbeddedHost) -> None:
    before = at_rest(busy_host)
    program = (
        "import sys, time, poolfleet\n"
        "client = poolfleet.AgentClient(sys.argv[1])\n"
        "watches = [client.operations.watch() for _ in range(5)]\n"
        "for watch in watches: next(iter(watch), None)\n"
        "print('watching', flush=True)\n"
        "time.sleep(600)\n"
    )
    watching = subprocess.Popen(
        [sys.executable, "-c", program, busy_host.agent.target], stdout=subprocess.PIPE, text=True
    )
    try:
        assert watching.stdout is not None
        assert await asyncio.to_thread(watching.stdout.readline) == "watching\n"
        assert held_by(busy_host.agent).tasks > before.tasks
    finally:
        watching.send_signal(signal.SIGKILL)
        watching.wait()
    await _tasks_are(busy_host, before.tasks)


async def _tasks_are(host: EmbeddedHost, tasks: int) -> None:
    """Wait until the agent has no more tasks than that."""
    async with asyncio.timeout(30):
        while held_by(host.agent).tasks > tasks:
            await asyncio.sleep(0.1)
