"""Jobs: so many at once, in turn, ended when they are cancelled or take too long; and what qemu-img is asked."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from poolfleet_agent.control.volumes.encrypt import trying
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import ImageFile, Layer, NewImage, SourceImage
from poolfleet_agent.model.resizing import Resizing
from poolfleet_agent.model.secret import SecretValue
from poolfleet_agent.model.share_user import ROOT, ShareUser
from poolfleet_agent.model.volume import BackingStore, VolumeDefinition, VolumeEncryption
from poolfleet_agent.processes.child import Children
from poolfleet_agent.processes.in_folder import input_name
from poolfleet_agent.processes.jobs import Jobs, Workplace, most_at_once
from poolfleet_agent.processes.qemu_img import QemuImg, create_arguments, resize_arguments
from tests.slow_qemu_img import ENCRYPT_QUICKLY
from tests.unit.agent.processes.conftest import LIMIT_S, Listener

AT_ROOT = Workplace(ROOT, "/")


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


async def test_a_job_gives_way_to_the_agent(children: Children) -> None:
    ask = [sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"]
    told = (await Jobs(children, most=1).run(ask, AT_ROOT, listener=Listener(), timeout_s=LIMIT_S)).stdout
    assert int(told) == os.SCHED_IDLE


@pytest.mark.parametrize(("processors", "most"), [(1, 1), (2, 1), (3, 2), (64, 2)])
def test_jobs_leave_a_processor_to_the_agent_and_are_no_more_than_two_where_nobody_says(
    processors: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)))
    assert most_at_once() == most


@pytest.mark.parametrize("inputs", [[], [b"a passphrase"]], ids=["plain", "with inputs"])
async def test_what_roots_job_makes_in_its_folder_is_roots_alone_whatever_the_agent_s_umask_is(
    children: Children, tmp_path: Path, inputs: list[bytes]
) -> None:
    before = os.umask(0o022)
    try:
        finished = await Jobs(children, most=1).run(
            ["touch", "--", "image"],
            Workplace(ROOT, str(tmp_path)),
            listener=Listener(),
            timeout_s=LIMIT_S,
            inputs=inputs,
        )
    finally:
        os.umask(before)
    assert finished.status == 0
    assert (tmp_path / "image").stat().st_mode & 0o777 == 0o600


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


def layers(*described: tuple[Path, str]) -> tuple[Layer, ...]:
    return tuple(Layer(path=str(path), format=form) for path, form in described)


def compare(one: Path, one_format: str, other: Path, other_format: str) -> None:
    words = ["compare", "-q", "-f", one_format, "-F", other_format, "--", str(one), str(other)]
    subprocess.run(["qemu-img", *words], check=True, timeout=LIMIT_S)


async def test_a_copy_holds_what_the_layers_do_and_tells_how_far_it_is(children: Children, tmp_path: Path) -> None:
    base, top, images = tmp_path / "base", tmp_path / "top", QemuImg(Jobs(children, most=2))
    base.write_bytes(os.urandom(1 << 20))
    os.truncate(base, 8 << 20)
    backed = NewImage(
        path=str(top), format="qcow2", size_bytes=8 << 20, allocated=False, backing_store=BackingStore(path=str(base))
    )
    target = NewImage(path=str(tmp_path / "new"), format="qcow2", size_bytes=8 << 20, allocated=False)
    for image in (backed, target):
        await images.create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    source = SourceImage(layers=layers((top, "qcow2"), (base, "raw")))
    measured = await images.measure(source, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    assert 1 << 20 <= measured < 2 << 20
    told: list[float] = []
    await images.copy(source, target, user=ROOT, listener=Listener(), copied=told.append, timeout_s=LIMIT_S)
    compare(base, "raw", tmp_path / "new", "qcow2")
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert os.stat(target.path).st_blocks * 512 < 2 << 20


async def test_only_the_layers_that_are_named_are_read(children: Children, tmp_path: Path) -> None:
    """The header names another file, which has come after it was looked at."""
    base, top, images = tmp_path / "base", tmp_path / "top", QemuImg(Jobs(children, most=1))
    base.write_bytes(b"secret" * 1000)
    for path, backing in ((top, BackingStore(path=str(base))), (tmp_path / "new", None)):
        image = NewImage(path=str(path), format="qcow2", size_bytes=1 << 20, allocated=False, backing_store=backing)
        await images.create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    source = SourceImage(layers=layers((top, "qcow2")))
    await images.copy(source, image, user=ROOT, listener=Listener(), copied=lambda _: None, timeout_s=LIMIT_S)
    empty = tmp_path / "empty"
    empty.write_bytes(bytes(1 << 20))
    compare(empty, "raw", tmp_path / "new", "qcow2")


async def test_a_source_that_is_locked_is_told_as_in_use_and_read_all_the_same_where_that_is_asked(
    children: Children, tmp_path: Path
) -> None:
    path, images = tmp_path / "source", QemuImg(Jobs(children, most=1))
    image = NewImage(path=str(path), format="qcow2", size_bytes=1 << 20, allocated=False)
    await images.create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    source = SourceImage(layers=layers((path, "qcow2")))
    writer = await asyncio.create_subprocess_exec(
        "qemu-io", "-f", "qcow2", str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdin is not None
    assert writer.stdout is not None
    try:
        writer.stdin.write(b"length\n")
        async with asyncio.timeout(LIMIT_S):
            await writer.stdout.readuntil(b"1 MiB")
        with pytest.raises(ModelError) as refused:
            await images.measure(source, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
        assert refused.value.reason is Reason.VOLUME_IN_USE
        await images.measure(replace(source, forced=True), user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    finally:
        writer.stdin.close()
        await writer.wait()


if os.geteuid() == 0:

    async def test_a_copy_reads_what_is_the_agents_and_writes_only_what_is_its_users(
        children: Children, tmp_path: Path
    ) -> None:
        user, images = ShareUser(uid=64055, gid=107), QemuImg(Jobs(children, most=1))
        secret, folder = tmp_path / "closed/source", tmp_path / "folder"
        for made in (secret.parent, folder):
            made.mkdir(mode=0o700)
        secret.write_bytes(os.urandom(1 << 20))
        secret.chmod(0o600)
        os.chown(folder, user.uid, user.gid)
        source = SourceImage(layers=layers((secret, "raw")))
        target = NewImage(path=str(folder / "new"), format="raw", size_bytes=1 << 20, allocated=False)
        await images.create(target, user=user, listener=Listener(), timeout_s=LIMIT_S)
        await images.copy(source, target, user=user, listener=Listener(), copied=lambda _: None, timeout_s=LIMIT_S)
        assert (folder / "new").read_bytes() == secret.read_bytes()
        assert (folder / "new").stat().st_uid == user.uid
        elsewhere = replace(target, path=str(secret.parent / "source"))
        with pytest.raises(ModelError) as refused:
            await images.copy(
                source, elsewhere, user=user, listener=Listener(), copied=lambda _: None, timeout_s=LIMIT_S
            )
        assert refused.value.metadata["errno"] == "EACCES"

    async def test_its_inputs_can_be_opened_by_name_as_another_user_too(children: Children) -> None:
        user = ShareUser(uid=64055, gid=107)
        names = [input_name(index) for index in range(2)]
        finished = await Jobs(children, most=1).run(
            ["cat", *names, names[0]],
            Workplace(user, "/"),
            listener=Listener(),
            timeout_s=LIMIT_S,
            inputs=[b"a\0b", b"c" * 70_000],
        )
        assert (finished.status, finished.stdout[:5], finished.stderr) == (0, b"a\0bcc", b"")

    async def test_what_another_user_s_job_makes_is_readable_to_all_whatever_the_agent_s_umask_is(
        children: Children, tmp_path: Path
    ) -> None:
        tmp_path.chmod(0o777)
        before = os.umask(0o077)
        try:
            await Jobs(children, most=1).run(
                ["touch", "--", "image"],
                Workplace(ShareUser(uid=64055, gid=107), str(tmp_path)),
                listener=Listener(),
                timeout_s=LIMIT_S,
            )
        finally:
            os.umask(before)
        assert (tmp_path / "image").stat().st_mode & 0o777 == 0o644

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
    seeing = f"#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ > {seen}\n"
    program.write_text(f'{seeing}{ENCRYPT_QUICKLY}exec qemu-img "$@"\n')
    program.chmod(0o755)
    image = NewImage(
        path=str(path), format=image_format, size_bytes=1 << 20, allocated=False, passphrase=SecretValue(b"hunter2")
    )
    images = QemuImg(Jobs(children, most=1), program=str(program))
    # It gives way to whatever else the machine does.
    create = partial(images.create, image, user=ROOT, listener=Listener(), timeout_s=100.0)
    await trying(VolumeDefinition(name="v", encryption=VolumeEncryption(format="luks")))(create)
    info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", path], timeout=LIMIT_S))
    assert (info["format"], info["encrypted"], info["virtual-size"]) == (image_format, True, 1 << 20)
    assert f"file={input_name(0)}".encode() in seen.read_bytes()
    assert b"hunter2" not in seen.read_bytes()


def test_paths_come_after_the_end_of_options() -> None:
    arguments = create_arguments(NewImage(path="/p/-x", format="raw", size_bytes=512, allocated=False))
    assert arguments[arguments.index("--") :] == ["--", "./-x", "512"]


def resizing(old_bytes: int, new_bytes: int, *, allocate: bool = False) -> Resizing:
    return Resizing(
        format="qcow2",
        old_capacity_bytes=old_bytes,
        capacity_bytes=new_bytes,
        allocated_bytes=0,
        allocate=allocate,
    )


def test_an_image_is_resized_in_its_own_format_and_shrinks_only_where_that_was_asked_for() -> None:
    assert resize_arguments("/p/-x", resizing(512, 1024)) == ["resize", "-q", "-f", "qcow2", "--", "./-x", "1024"]
    assert "--shrink" in resize_arguments("/p/x", resizing(1024, 512))
    assert "--preallocation=falloc" in resize_arguments("/p/x", resizing(512, 1024, allocate=True))


async def test_an_image_is_resized(children: Children, tmp_path: Path) -> None:
    images, path = QemuImg(Jobs(children, most=2)), str(tmp_path / "-o backing,fmt=qcow2")
    image = NewImage(path=path, format="qcow2", size_bytes=1 << 20, allocated=False)
    await images.create(image, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
    file = ImageFile(path=path, inode=os.stat(path).st_ino)
    for change in (resizing(1 << 20, 4 << 20, allocate=True), resizing(4 << 20, 2 << 20)):
        await images.resize(file, change, user=ROOT, listener=Listener(), timeout_s=LIMIT_S)
        info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", "--", path], timeout=LIMIT_S))
        assert info["virtual-size"] == change.capacity_bytes


async def test_a_copy_is_written_past_the_page_cache_where_the_file_system_lets_it(
    children: Children, tmp_path: Path
) -> None:
    source = SourceImage(layers=layers((tmp_path / "src", "raw")))
    target = NewImage(path=str(tmp_path / "new"), format="raw", size_bytes=512, allocated=False)
    program = tmp_path / "qemu-img"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >>{tmp_path}/asked\n'
        'case "$*" in *"-t none"*) echo "Could not open: filesystem does not support O_DIRECT" >&2; exit 1; esac\n'
    )
    program.chmod(0o755)
    await QemuImg(Jobs(children, most=1), program=str(program)).copy(
        source, target, user=ROOT, listener=Listener(), copied=lambda _: None, timeout_s=LIMIT_S
    )
    asked = [line.split() for line in (tmp_path / "asked").read_text().splitlines()]
    assert [words[words.index("-t") + 1] for words in asked] == ["none", "writeback"]
