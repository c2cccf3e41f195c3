"""Clones of encrypted volumes on a real libvirtd: under the same passphrase, another one, or none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import poolfleet
from poolfleet import CloneSpec, SecretRef, SecretSpec, VolumeEncryption, VolumeSpec
from poolfleet.aio import AgentClient
from poolfleet.types.errors import PoolfleetError
from scripts.embedded.host import EmbeddedHost
from tests.integration.clones.sources import DATA, MIB, OFFSET, made, names, path_of, run
from tests.slow_qemu_img import SlowQemuImg

OLD, NEW = "correct horse", "battery staple"
CAPACITY = 16 * MIB
LIMIT_S = 300.0
"""To encrypt a volume, qemu-img measures how fast it hashes, and may have to do so often."""
FORMATS = {"raw": "luks", "qcow2": "qcow2"}


def by_usage(usage_id: str) -> SecretRef:
    return SecretRef(usage_type="volume", usage_id=usage_id)


@pytest.fixture(autouse=True)
async def _secrets(client: AgentClient) -> AsyncIterator[None]:
    await client.secrets.set(SecretSpec("volume", "old"), OLD)
    await client.secrets.set(SecretSpec("volume", "new"), NEW)
    yield
    async for left in client.secrets.list():
        await client.secrets.delete(SecretRef(uuid=left.uuid), allow_in_use=True)


def opened(host: EmbeddedHost, path: Path, volume_format: str, passphrase: str | None) -> list[str]:
    """The words that open a volume, for a program that takes --image-opts; with None it is not encrypted."""
    if passphrase is None:
        return ["--image-opts", f"driver={volume_format},file.filename={path}"]
    key = host.root / "key"
    key.write_text(passphrase)
    prefix = "" if volume_format == "raw" else "encrypt.format=luks,encrypt."
    words = f"driver={FORMATS[volume_format]},{prefix}key-secret=k,file.filename={path}"
    return ["--object", f"secret,id=k,file={key}", "--image-opts", words]


def content(host: EmbeddedHost, path: Path, volume_format: str, passphrase: str | None) -> bytes:
    """What a volume holds, read by somebody who knows its passphrase; raises where that does not open it."""
    plain = host.root / "plain"
    run("qemu-img", "convert", "-O", "raw", *opened(host, path, volume_format, passphrase), str(plain))
    return plain.read_bytes()


async def source(client: AgentClient, host: EmbeddedHost, volume_format: str, usage_id: str = "old") -> None:
    """A volume `src`, some bytes of which hold something; the agent looks at it anew."""
    encryption = VolumeEncryption(secret=by_usage(usage_id))
    spec = VolumeSpec("src", capacity_bytes=CAPACITY, format=volume_format, encryption=encryption)
    await client.volumes.create("a", spec, timeout_s=LIMIT_S)
    (host.root / "data").write_bytes(DATA)
    words = opened(host, path_of(host, "src"), volume_format, OLD)
    await asyncio.to_thread(run, "qemu-io", *words, "-c", f"write -s {host.root}/data {OFFSET} {len(DATA)}")


def info(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("qemu-img", "info", "--output=json", str(path)))
    return found


@pytest.mark.parametrize(
    ("source_format", "target_format", "passphrase"),
    [("raw", "raw", NEW), ("raw", "qcow2", OLD), ("qcow2", "raw", OLD), ("qcow2", "qcow2", None)],
)
async def test_a_copy_is_encrypted_as_asked_and_as_its_source_where_nothing_is(
    client: AgentClient, host: EmbeddedHost, source_format: str, target_format: str, passphrase: str | None
) -> None:
    await source(client, host, source_format)
    spec = CloneSpec("new", format=target_format, decrypted=passphrase is None)
    if passphrase == NEW:
        spec = replace(spec, encryption=VolumeEncryption(secret=by_usage("new")))
    opens = by_usage("old")
    done = await client.volumes.clone("a", "src", spec, target_pool="b", source_secret=opens, timeout_s=LIMIT_S)
    clone = made(done)
    path = path_of(host, "new", "b")
    assert (clone.format, clone.capacity_bytes) == (target_format, CAPACITY)
    assert clone.encryption == ("" if passphrase is None else "luks")
    read = content(host, path, target_format, passphrase)
    assert read[OFFSET : OFFSET + len(DATA)] == DATA
    # What was never written in a luks container is noise, and that is copied too.
    assert read == content(host, path_of(host, "src"), source_format, OLD)
    if passphrase is not None:
        assert info(path)["encrypted"]
        assert DATA[:4096] not in path.read_bytes()
        other = NEW if passphrase == OLD else OLD
        with pytest.raises(Exception, match="qemu-img"):
            content(host, path, target_format, other)
    assert not (await client.volumes.clone("a", "src", spec, target_pool="b", source_secret=opens)).changed


async def test_what_lies_on_something_encrypted_is_copied_as_stated_and_never_laid_bare_unasked(
    client: AgentClient, host: EmbeddedHost
) -> None:
    """The secret for its path opens what the source lies on."""
    await client.secrets.set(SecretSpec("volume", str(path_of(host, "src"))), OLD)
    await source(client, host, "qcow2", usage_id=str(path_of(host, "src")))
    top, words = path_of(host, "top"), ["-b", str(path_of(host, "src")), "-F", "qcow2"]
    await asyncio.to_thread(run, "qemu-img", "create", "-q", "-u", "-f", "qcow2", *words, str(top), str(CAPACITY))
    await client.pools.refresh("a")
    for spec, reason in ((CloneSpec("new"), "INVALID_FIELD"), (CloneSpec("new", linked=True), "NOT_SUPPORTED_HERE")):
        with pytest.raises(PoolfleetError) as refused:
            await client.volumes.clone("a", "top", spec, timeout_s=LIMIT_S)
        assert refused.value.reason == reason
    assert names(host) == ["src", "top"]

    encryption = VolumeEncryption(secret=by_usage("new"))
    for name, stated, passphrase in (
        ("safe", CloneSpec("safe", format="raw", encryption=encryption), NEW),
        ("bare", CloneSpec("bare", format="raw", decrypted=True), None),
    ):
        clone = made(await client.volumes.clone("a", "top", stated, timeout_s=LIMIT_S))
        assert clone.encryption == ("luks" if passphrase else "")
        assert content(host, path_of(host, name), "raw", passphrase)[OFFSET : OFFSET + len(DATA)] == DATA


REFUSED = [
    (CloneSpec("new"), None, "SECRET_NOT_FOUND"),
    (CloneSpec("new"), by_usage("none"), "SECRET_NOT_FOUND"),
    (CloneSpec("new"), by_usage("private"), "SECRET_NOT_USABLE"),
    (CloneSpec("new", decrypted=True), by_usage("new"), "SECRET_NOT_USABLE"),
    (CloneSpec("new", encryption=VolumeEncryption(secret=by_usage("none"))), by_usage("old"), "SECRET_NOT_FOUND"),
    (CloneSpec("new", linked=True), by_usage("old"), "NOT_SUPPORTED_HERE"),
    (CloneSpec("new", format="vmdk"), by_usage("old"), "INVALID_FIELD"),
    (CloneSpec("new", linked=True, decrypted=True), by_usage("old"), "INVALID_FIELD"),
    (
        CloneSpec("new", decrypted=True, encryption=VolumeEncryption(secret=by_usage("new"))),
        by_usage("old"),
        "INVALID_FIELD",
    ),
]


async def test_what_cannot_be_opened_or_encrypted_is_refused_and_makes_nothing(
    client: AgentClient, host: EmbeddedHost
) -> None:
    await source(client, host, "raw")
    await client.secrets.set(SecretSpec("volume", "private", private=True), OLD)
    # libvirt finds a secret again by the volume's path alone.
    await client.pools.refresh("a")
    for spec, secret, reason in REFUSED:
        with pytest.raises(PoolfleetError) as refused:
            await client.volumes.clone("a", "src", spec, source_secret=secret, timeout_s=LIMIT_S)
        assert refused.value.reason == reason, spec
    assert names(host) == ["src"]


async def test_an_encrypted_copy_that_is_cancelled_leaves_nothing_and_shows_no_passphrase(
    client: AgentClient, slow_host: tuple[EmbeddedHost, SlowQemuImg]
) -> None:
    host, slow = slow_host
    await source(client, host, "raw")
    slow.hold("before", "convert")
    encryption = VolumeEncryption(secret=by_usage("new"))
    begun = await client.volumes.clone(
        "a", "src", CloneSpec("new", encryption=encryption), source_secret=by_usage("old"), wait=False
    )
    await asyncio.to_thread(slow.wait_standing)
    assert begun.cancellable
    words = b"".join(_read(process) for process in Path("/proc").glob("[0-9]*/cmdline"))
    assert b"convert" in words
    assert not any(passphrase.encode() in words for passphrase in (OLD, NEW))
    await client.operations.cancel(begun.id)
    with pytest.raises(poolfleet.Cancelled):
        await client.operations.wait(begun.id, timeout_s=LIMIT_S)
    slow.forget_standing()
    assert names(host) == ["src"]
    assert not any(passphrase in host.agent.log.read_text() for passphrase in (OLD, NEW))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
