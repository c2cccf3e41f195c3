"""A value goes in and comes out nowhere: no answer, no error, no log and no file of the agent holds it."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from google.protobuf.message import Message

from poolfleet.v1.operation_service_pb2 import ListOperationsRequest
from poolfleet.v1.pool_service_pb2 import ListPoolsRequest
from poolfleet.v1.secret_pb2 import SecretRef, SecretSpec
from poolfleet.v1.secret_service_pb2 import DeleteSecretRequest, ListSecretsRequest, SetSecretRequest
from poolfleet.v1.snapshot_pb2 import VIEW_FULL
from poolfleet.v1.volume_pb2 import CloneSpec, VolumeEncryption, VolumeSpec
from poolfleet.v1.volume_service_pb2 import CloneVolumeRequest, CreateVolumeRequest, GetVolumeRequest
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.made_pools import start_dir_pool
from tests.raw_agent import RawAgent, Refused, raw_agent
from tests.slow_qemu_img import SlowQemuImg

VALUE = "Tr0ub4dor-and-3-umlauts-äöü"
IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(9)]
MIB = 1 << 20


def _spellings(value: str) -> Iterator[bytes]:
    """How the value may be written."""
    raw = value.encode()
    yield raw
    yield raw.hex().encode()
    yield repr(raw)[2:-1].encode()
    yield value.encode("ascii", "backslashreplace")
    yield "".join(f"\\{byte:03o}" if byte > 126 else chr(byte) for byte in raw).encode()
    yield quote(value).encode()
    yield value.encode("utf-16-le")
    # As a part of anything that is base64, wherever it begins there: what is cut off belongs to its neighbours.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        inner = encoded[4 if before else 0 : -4]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")


SPELLINGS = frozenset(_spellings(VALUE))


def shows(where: bytes) -> bool:
    """Whether the value stands there, however it is written."""
    return any(spelling in where for spelling in SPELLINGS)


class Heard:
    """All that an agent has said to its callers."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.reasons: list[str] = []

    async def ask(self, agent: RawAgent, request: Message) -> Any:
        """Ask, and hear the answer, the operation's end or the refusal."""
        try:
            answer = await agent.ask(request)
            self._hears(answer)
            if "operation" in answer.DESCRIPTOR.fields_by_name:
                answer.operation.CopyFrom(await agent.ended(answer.operation))
                self._hears(answer)
                self.reasons.append("")
                if answer.operation.HasField("error"):
                    self.reasons[-1] = "FAILED"
            return answer
        except Refused as refused:
            self.said.append(f"{refused!r} {refused}".encode())
            self.reasons.append(refused.reason)
            return None

    def _hears(self, answer: Message) -> None:
        self.said += [answer.SerializeToString(), str(answer).encode()]


@pytest.fixture
def host(host_folder: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[EmbeddedHost]:
    # Every call is logged, and more than in production.
    new = EmbeddedHost("h", host_folder, settings={"log": {"level": "debug", "format": "json", "slow_call_s": 1e-6}})
    new.libvirtd.learn_emulators_from(libvirtd)
    SlowQemuImg(new)  # encrypts quickly
    with new:
        yield new


@asynccontextmanager
async def ready(host: EmbeddedHost) -> AsyncIterator[RawAgent]:
    async with raw_agent(host.agent.target) as agent:
        await agent.ready()
        yield agent


def setting(usage_id: str = "k", *, value: bytes = VALUE.encode(), number: int = 0, **spec: Any) -> SetSecretRequest:
    stated = SecretSpec(**{"usage_type": "volume", "usage_id": usage_id, **spec})
    return SetSecretRequest(spec=stated, value=value, request_id=IDS[number] if number else "")


def creating(usage_id: str, volume_format: str) -> CreateVolumeRequest:
    encryption = VolumeEncryption(secret=SecretRef(usage_id=usage_id))
    spec = VolumeSpec(name="v", format=volume_format, capacity_bytes=MIB, encryption=encryption)
    return CreateVolumeRequest(pool="p", spec=spec)


def cloning(name: str, usage_id: str) -> CloneVolumeRequest:
    spec = CloneSpec(name=name, format="raw", decrypted=True)
    return CloneVolumeRequest(pool="p", volume="v", spec=spec, source_secret=SecretRef(usage_id=usage_id))


def files_that_show_it(host: EmbeddedHost) -> set[str]:
    """Of all that lies in the host's folder: state, logs, configuration, volumes, and what libvirt keeps."""
    found = set()
    for folder, _, names in os.walk(host.root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and shows(path.read_bytes()):
                found.add(str(path.relative_to(host.root)))
    return found


def test_the_search_finds_the_value_however_it_is_written() -> None:
    raw = VALUE.encode()
    for before in (b"", b"x", b"xy", b"xyz"):
        for after in (b"", b"x", b"xy"):
            assert shows(base64.b64encode(before + raw + after))
            assert shows(base64.urlsafe_b64encode(before + raw + after))
    for text in (repr(setting()), str(setting()), repr(raw), raw.hex(), VALUE, ascii(VALUE)):
        assert shows(text.encode())
    assert not shows(b"Tr0ub4dor")


async def test_nothing_that_the_agent_says_writes_or_leaves_holds_a_value(host: EmbeddedHost) -> None:
    heard = Heard()
    no_text = VALUE.encode() + b"\xff"
    async with ready(host) as agent:
        await start_dir_pool(host, agent, "p")
        for request, reason in [
            (setting(number=1, description="d"), ""),
            (setting(number=1, description="d"), ""),
            (setting(number=1, value=VALUE.encode() + b"2"), "REQUEST_ID_REUSED"),
            (setting(number=2, private=True), "SECRET_EXISTS"),
            (setting(usage_type="none"), "INVALID_FIELD"),
            (setting(usage_id=""), "INVALID_FIELD"),
            (setting(value=VALUE.encode() * 3000), "INVALID_FIELD"),
            (setting("binary", value=no_text, ephemeral=True), ""),
            (creating("binary", "raw"), "FAILED"),
            (creating("binary", "qcow2"), "FAILED"),
            (creating("k", "qcow2"), ""),
            (DeleteSecretRequest(secret=SecretRef(usage_type="volume", usage_id="k")), "SECRET_IN_USE"),
            # The refresh that comes with a clone lets libvirt forget which secret opens the source.
            (cloning("w", "k"), ""),
            (cloning("x", "binary"), "FAILED"),
        ]:
            await heard.ask(agent, request)
            assert heard.reasons[-1] == reason, request.DESCRIPTOR.name
        for read in (
            ListSecretsRequest(),
            ListOperationsRequest(),
            ListPoolsRequest(view=VIEW_FULL),
            GetVolumeRequest(pool="p", volume="v", view=VIEW_FULL),
        ):
            assert await heard.ask(agent, read) is not None
    # Not even what a crash leaves of it.
    await asyncio.to_thread(host.agent.kill9)
    left_by_a_crash = files_that_show_it(host)
    await asyncio.to_thread(host.agent.start)
    async with ready(host) as agent:
        await heard.ask(agent, setting(number=1, description="d"))
        assert heard.reasons[-1] == ""
        await asyncio.to_thread(host.libvirtd.kill9)
        await heard.ask(agent, setting(number=3))
        assert heard.reasons[-1] in {"LIBVIRT_UNAVAILABLE", "FAILED"}
        assert await heard.ask(agent, ListOperationsRequest()) is not None
    await asyncio.to_thread(host.agent.stop)

    assert not [said for said in heard.said if shows(said)]
    kept_by_libvirt = {path for path in files_that_show_it(host) | left_by_a_crash if "secrets/" in path}
    assert kept_by_libvirt, "libvirt keeps it, and the search must find that"
    assert all(path.endswith(".base64") for path in kept_by_libvirt)
    assert files_that_show_it(host) | left_by_a_crash == kept_by_libvirt
    log = host.agent.log.read_text()
    assert "SetSecret" in log, "the log tells of the calls"
    assert "keyed:" in _readable(host.agent.state_dir), "the state directory has the requests"


def _readable(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())
