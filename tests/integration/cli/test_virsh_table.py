"""Lines of the table of virsh's commands, run by virsh on one host, by poolfleet on another: the same comes of them."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poolfleet.cli.virsh.table import TABLE
from scripts.embedded.host import EmbeddedHost
from scripts.embedded.libvirtd import EmbeddedLibvirtd
from tests.integration.cli.virsh_sides import UUID, PoolfleetSide, Side, VirshSide
from tests.loop_device import loop_device

Sides = tuple[Side, Side]

# What a case begins with.
_FOLDER = ("mkdir /vm_data",)
_DEFINED = ("pool-define pool.xml",)
_BUILT = (*_DEFINED, "pool-build vm_data")
_STARTED = (*_BUILT, "pool-start vm_data")
_FILLED = (
    *_STARTED,
    "vol-create-as vm_data web1.qcow2 20G --format qcow2",
    "vol-create-as vm_data db.raw 64M --allocation 0",
    "fill /vm_data/db.raw",
    # From then on libvirt says of volumes all that it says.
    "pool-refresh vm_data",
)
_SEVERAL = (
    *_FILLED,
    "pool-autostart vm_data",
    "pool-define-as other dir --target /other",
    "mkdir /temp",
    "pool-create-as temp dir --target /temp",
)
_ON_DEVICE = ("pool-define-as vm_data fs --source-dev /dev/sdb --source-format ext4 --target /vm_data",)
_DEVICE_FILLED = (
    *_ON_DEVICE,
    "pool-build vm_data --overwrite",
    "pool-start vm_data",
    "vol-create-as vm_data db.raw 1M",
    "pool-destroy vm_data",
)
_BEGINS = {
    "pool-define": (),
    "pool-define-as": (),
    "pool-create": _FOLDER,
    "pool-create-as": _FOLDER,
    "pool-build": _DEFINED,
    "pool-build --no-overwrite": _ON_DEVICE,
    "pool-build --overwrite": _DEVICE_FILLED,
    "pool-start": _BUILT,
    "pool-start --no-overwrite": _ON_DEVICE,
    "pool-start --overwrite": _DEVICE_FILLED,
    "pool-start --build": _DEFINED,
    "pool-autostart": _BUILT,
    "pool-autostart --disable": (*_BUILT, "pool-autostart vm_data"),
    "pool-refresh": (*_STARTED, "mkdir /vm_data/new"),
    "pool-edit": _BUILT,
    "pool-delete": _BUILT,
    "pool-undefine": _BUILT,
    "pool-list": _SEVERAL,
    "vol-create": _STARTED,
    # Written from end to end: libvirt does not overwrite a sparse file, poolfleet does.
    "vol-wipe": (*_STARTED, "vol-create-as vm_data db.raw 1M", "fill /vm_data/db.raw"),
}
# What is run after it, to see what came of it.
_SEEN_BY = {
    "pool-build --no-overwrite": "pool-start vm_data",
    "pool-build --overwrite": "pool-start vm_data",
    "vol-create-as --prealloc-metadata": "pool-refresh vm_data",
}


def _words(side: Side, out: str) -> list[str]:
    """Lines of words, wherever the folder is and whatever UUIDs libvirt chose."""
    lines = [line.strip().replace(str(side.folder), "") for line in out.splitlines() if line.strip()]
    return sorted(line if line == UUID or not _ANY_UUID.fullmatch(line) else "another" for line in lines)


def _names(side: Side, out: str) -> list[str]:
    """The first column of a table."""
    firsts = [line.split()[0] for line in out.splitlines() if line.strip()]
    return sorted(word for word in firsts if word.lower() != "name" and not word.startswith("---"))


def _facts(side: Side, out: str) -> dict[str, str]:
    """What both programs say of one object, one to a line; how full the file system is changes all the time."""
    lines = (re.split(r":\s+|\s{2,}", line.strip(), maxsplit=1) for line in out.splitlines())
    return {line[0]: _one_decimal(line[1]) for line in lines if line[0] in _FACTS}


def _one_decimal(value: str) -> str:
    size = re.fullmatch(r"([\d.]+) ?(\w*)", value)
    return f"{float(size[1]):.1f}{size[2].removesuffix('bytes')}" if size else value


def _pool_types(side: Side, out: str) -> list[str]:
    """Those that libvirt can start."""
    if out.lstrip().startswith("<"):
        return sorted(re.findall(r"<pool type='([\w-]+)' supported='yes'", out))
    (line,) = (line for line in out.splitlines() if line.startswith("Pool types"))
    return sorted(line.split()[2:])


_ANY_UUID = re.compile(r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}")
_FACTS = {"Name", "UUID", "State", "Persistent", "Autostart", "Capacity"}
_ANSWERS: dict[str, Callable[[Side, str], object]] = {
    "pool-define-as --print-xml": Side.plain,
    "pool-create-as --print-xml": Side.plain,
    "pool-list": _names,
    "pool-list --uuid": _words,
    "pool-info": _facts,
    "pool-dumpxml": Side.plain,
    "pool-capabilities": _pool_types,
    "pool-uuid": _words,
    "pool-name": _words,
    "vol-create-as --print-xml": Side.plain,
    "vol-clone --print-xml": Side.plain,
    "vol-list": _names,
    "vol-info": _facts,
    "vol-dumpxml": Side.plain,
    "vol-path": _words,
    "vol-key": _words,
    "vol-name": _words,
    "vol-pool": _words,
}


def begins(case: str) -> tuple[str, ...]:
    """What a command, or one of its options, begins with."""
    return _BEGINS.get(case, _BEGINS.get(case.split()[0], _FILLED))


def cases(*, by_definition: bool) -> dict[str, list[str]]:
    """The lines to run, each once, by the first row that has it."""
    lines: dict[str, str] = {}
    for command in TABLE.values():
        if not command.verb or command.needs_device or command.waits:
            continue
        for option in (None, *command.optional):
            if option is None or not option.refused:
                name = f"{command.name} --{option.name}" if option else command.name
                if by_definition == bool(option and option.needs_device):
                    lines.setdefault(shlex.join(command.line(option)), name)
    return {name: shlex.split(line) for line, name in lines.items()}


COMPARED = {
    case: line
    for case, line in cases(by_definition=False).items()
    # Loop devices and mounts are root's.
    if os.geteuid() == 0 or not any("/dev/sdb" in words for words in begins(case))
}
BY_DEFINITION = cases(by_definition=True)


@pytest.fixture(scope="module")
def sides(short_dir: Path, libvirtd: EmbeddedLibvirtd) -> Iterator[Sides]:
    with tempfile.TemporaryDirectory(dir=short_dir, prefix="v") as folder:
        Path(folder).chmod(0o755)
        one, other = EmbeddedHost("v", Path(folder)), EmbeddedHost("p", Path(folder))
        for host in (one, other):
            host.libvirtd.learn_emulators_from(libvirtd)
        with contextlib.ExitStack() as running:
            devices = [running.enter_context(_device(Path(folder, name))) for name in ("one.img", "other.img")]
            running.callback(one.stop)
            one.start_libvirtd()
            running.enter_context(other)
            yield (
                VirshSide(one.libvirtd, one.pools_dir, devices[0]),
                PoolfleetSide(other.libvirtd, other.pools_dir, devices[1], other.agent.target.removeprefix("unix:")),
            )


@contextlib.contextmanager
def _device(image: Path) -> Iterator[str | None]:
    """A loop device; None for who may not make one."""
    if os.geteuid() != 0:
        yield None
        return
    with loop_device(image) as made:
        yield made


@pytest.mark.parametrize("case", COMPARED)
def test_the_same_comes_of_a_line(sides: Sides, case: str) -> None:
    virsh, poolfleet = sides
    for side in sides:
        side.prepare(begins(case))
    theirs, ours = (side.run(COMPARED[case]) for side in sides)
    assert theirs.succeeded, theirs.err
    assert ours.succeeded, ours.err
    if case in _SEEN_BY:
        for side in sides:
            assert side.run(_SEEN_BY[case].split()).succeeded
    assert poolfleet.state() == virsh.state()
    answer = _ANSWERS.get(case, _ANSWERS.get(case.split()[0]))
    if answer is not None:
        assert answer(poolfleet, ours.out) == answer(virsh, theirs.out)


@pytest.mark.parametrize("case", BY_DEFINITION)
def test_the_same_definition_is_made_of_a_line(sides: Sides, case: str) -> None:
    virsh, poolfleet = sides
    theirs, ours = (side.run([*BY_DEFINITION[case], "--print-xml"]) for side in sides)
    assert theirs.succeeded, theirs.err
    assert ours.succeeded, ours.err
    assert poolfleet.plain(ours.out) == virsh.plain(theirs.out)
