"""Jobs: so many at once, in turn, ended when they are cancelled or take too long; and what qemu-img's words mean."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from poolfleet_agent.control.volumes.encrypt import trying
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import NewImage
from poolfleet_agent.model.secret import SecretValue
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.jobs import Jobs, Workplace
from poolfleet_agent.processes.qemu_img import QemuImg, create_arguments, failure

LIMIT_S = 30.0
AT_ROOT = Workplace(ROOT, "/")


class Listener:
    def __init__(self) -> None:
        self.told: list[str] = []

    async def waits(self) -> None:
        self.told.append("waits")

    async def begins(self) -> None:
        self.told.append("begins")


@pytest.fixture
async def children() -> AsyncIterator[Children]:
    children = Children()
    yield children
    await children.close()


def until_there(path: Path) -> list[str]:
    """A program that says that it is at work, and ends when a file is there."""
    return ["sh", "-c", f"touch {path}.begun; while [ ! -e {path} ]; do sleep 0.02; done"]


async def there(path: Path) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not path.exists():
            await asyncio.sleep(0.02)


async def test_one_more_than_may_be_at_work_waits_and_is_told(children: Children, tmp_path: Path) -> None:
    jobs, listeners = Jobs(children, most=1), [Listener(), Listener()]
    first = asyncio.create_task(
        jobs.run(until_there(tmp_path / "a"), AT_ROOT, listener=listeners[0], timeout_s=LIMIT_S)
    )
    await there(tmp_path / "a.begun")
    second = asyncio.create_task(
        jobs.run(until_there(tmp_path / "b"), AT_ROOT, listener=listeners[1], timeout_s=LIMIT_S)
    )
    async with asyncio.timeout(LIMIT_S):
        while not listeners[1].told:
            await asyncio.sleep(0)
    assert not (tmp_path / "b.begun").exists()
    (tmp_path / "b").touch()
    (tmp_path / "a").touch()
    assert [(await job).status for job in (first, second)] == [0, 0]
    assert [listener.told for listener in listeners] == [[], ["waits", "begins"]]


async def test_a_job_that_is_cancelled_ends_with_all_that_it_started(children: Children, tmp_path: Path) -> None:
    jobs = Jobs(children, most=1)
    program = ["sh", "-c", f"sleep 1000 & echo $! > {tmp_path}/pid; mv {tmp_path}/pid {tmp_path}/told; wait"]
    job = asyncio.create_task(jobs.run(program, AT_ROOT, listener=Listener(), timeout_s=LIMIT_S))
    await there(tmp_path / "told")
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    sleeper = int((tmp_path / "told").read_text())
    async with asyncio.timeout(LIMIT_S):
        while Path(f"/proc/{sleeper}").exists() and " Z " not in Path(f"/proc/{sleeper}/stat").read_text():
            await asyncio.sleep(0.02)
    assert (await jobs.run(["true"], AT_ROOT, listener=Listener(), timeout_s=LIMIT_S)).status == 0


async def test_a_job_that_takes_too_long_is_killed(children: Children) -> None:
    with pytest.raises(ModelError) as late:
        await Jobs(children, most=1).run(["sleep", "1000"], AT_ROOT, listener=Listener(), timeout_s=0.1)
    assert late.value.reason is Reason.OPERATION_TIMED_OUT


async def test_an_image_is_made_as_it_was_asked_for(children: Children, tmp_path: Path) -> None:
    base, path = str(tmp_path / "base"), str(tmp_path / "-o backing,fmt=qcow2")
    images = QemuImg(Jobs(children, most=2))
    for image in (
        NewImage(path=base, format="raw", size_bytes=1 << 20, allocated=True),
        NewImage(path=path, format="qcow2", size_bytes=2 << 20, allocated=False, backing_store=BackingStore(path=base)),
    ):
        await images.create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    assert os.stat(base).st_blocks * 512 == 1 << 20
    info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", "--", path], timeout=LIMIT_S))
    assert (info["format"], info["virtual-size"], info["backing-filename"]) == ("qcow2", 2 << 20, base)


async def test_an_image_that_cannot_be_made_says_why(children: Children, tmp_path: Path) -> None:
    image = NewImage(path=str(tmp_path / "missing/new"), format="qcow2", size_bytes=1 << 20, allocated=False)
    with pytest.raises(ModelError) as refused:
        await QemuImg(Jobs(children, most=2)).create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    assert refused.value.reason is Reason.PATH_NOT_USABLE
    assert "No such file" in refused.value.message


async def test_nothing_is_made_in_a_folder_that_is_not_on_its_device(children: Children, tmp_path: Path) -> None:
    image = NewImage(path=str(tmp_path / "new"), format="raw", size_bytes=512, allocated=True, device="0:99999")
    images, here = QemuImg(Jobs(children, most=1)), tmp_path.stat().st_dev
    with pytest.raises(ModelError) as refused:
        await images.create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    assert refused.value.reason is Reason.UNMOUNTED
    assert list(tmp_path.iterdir()) == []
    right = replace(image, device=f"{os.major(here)}:{os.minor(here)}")
    await images.create(right, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


if os.geteuid() == 0:

    async def test_its_input_can_be_opened_by_name_as_another_user_too(children: Children) -> None:
        user = ShareUser(uid=64055, gid=107)
        finished = await Jobs(children, most=1).run(
            ["cat", "/dev/stdin", "-"], Workplace(user, "/"), listener=Listener(), timeout_s=LIMIT_S, stdin=b"a\0b"
        )
        assert (finished.status, finished.stdout) == (0, b"a\0ba\0b")

    async def test_a_job_acts_as_its_user_and_in_no_other_group(children: Children) -> None:
        user = ShareUser(uid=64055, gid=107)
        finished = await Jobs(children, most=1).run(
            [shutil.which("id") or "id"], Workplace(user, "/"), listener=Listener(), timeout_s=LIMIT_S
        )
        numbers = [word.partition("(")[0] for word in finished.stdout.decode().split()]
        assert numbers == ["uid=64055", "gid=107", "groups=107"]


@pytest.mark.parametrize("image_format", ["luks", "qcow2"])
async def test_an_encrypted_image_is_made_with_a_passphrase_that_no_list_of_processes_shows(
    children: Children, tmp_path: Path, image_format: str
) -> None:
    seen, path, program = tmp_path / "seen", tmp_path / "v", tmp_path / "qemu-img"
    program.write_text(f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ > {seen}\nexec qemu-img "$@"\n')
    program.chmod(0o755)
    image = NewImage(
        path=str(path), format=image_format, size_bytes=1 << 20, allocated=False, passphrase=SecretValue(b"hunter2")
    )
    images = QemuImg(Jobs(children, most=1), program=str(program))
    create = partial(images.create, image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    await trying(VolumeDefinition(name="v", encryption=VolumeEncryption(format="luks")))(create)
    info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", path], timeout=LIMIT_S))
    assert (info["format"], info["encrypted"], info["virtual-size"]) == (image_format, True, 1 << 20)
    assert b"file=/dev/stdin" in seen.read_bytes()
    assert b"hunter2" not in seen.read_bytes()


def test_paths_come_after_the_end_of_options() -> None:
    arguments = create_arguments(NewImage(path="/p/-x", format="raw", size_bytes=512, allocated=False))
    assert arguments[arguments.index("--") :] == ["--", "./-x", "512"]


@pytest.mark.parametrize(
    ("words", "reason", "code"),
    [
        ("qemu-img: /p/v: Could not create '/p/v': Permission denied", Reason.PATH_NOT_USABLE, "EACCES"),
        ("qemu-img: /p/v: Could not create '/p/v': Operation not permitted", Reason.PATH_NOT_USABLE, "EPERM"),
        ("qemu-img: /p/v: Could not resize file: No space left on device", Reason.FULL, "ENOSPC"),
        ("qemu-img: /p/v: error while writing: Disk quota exceeded", Reason.QUOTA_EXCEEDED, "EDQUOT"),
        ("qemu-img: /p/v: Could not create '/p/v': Read-only file system", Reason.READ_ONLY, "EROFS"),
        ("qemu-img: /p/v: Could not open '/p/base': Stale file handle", Reason.STALE, "ESTALE"),
        ("qemu-img: /p/v: Image size must be less than 8 EiB! The image size is too large", Reason.TOO_LARGE, ""),
        ("qemu-img: ./v: Unable to get accurate CPU usage", Reason.RESOURCE_BUSY, ""),
        ("qemu-img: ./v: Data from secret passphrase is not valid UTF-8", Reason.SECRET_NOT_USABLE, ""),
        ("qemu-img: something that nobody has seen", Reason.INTERNAL, ""),
        ("", Reason.INTERNAL, ""),
    ],
)
def test_what_its_words_mean(words: str, reason: Reason, code: str) -> None:
    error = failure(words, 1, "/p/v")
    assert (error.reason, error.metadata.get("errno", "")) == (reason, code)
    assert error.message
