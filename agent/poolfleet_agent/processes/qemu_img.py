"""qemu-img: what it is asked."""

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.image import LUKS, PREALLOCATED_FORMATS, ImageFile, Layer, NewImage, SourceImage
from poolfleet_agent.model.image_options import ImageOptions
from poolfleet_agent.model.ports.images import JobListener
from poolfleet_agent.model.resizing import Resizing
from poolfleet_agent.model.secret import SecretValue
from poolfleet_agent.model.share_user import ShareUser
from poolfleet_agent.processes.failures import failure
from poolfleet_agent.processes.in_folder import input_name
from poolfleet_agent.processes.jobs import Jobs, Workplace
from poolfleet_agent.processes.run import Finished, unheard

_PERCENT = re.compile(rb"\((\d{1,3}(?:\.\d+)?)/100%\)")
_FOLDER_OF_NOTHING = "/"

_DIRECT, _BY_PAGES = "none", "writeback"
"""How a copy is written: past the host's memory, so that it is on the storage bit by bit. Else all of it would go there
at its end, where no signal ends that, and everybody's fsync would wait for it. Not every file system lets that be."""
_NOT_DIRECT = "does not support O_DIRECT"


class QemuImg:
    """Implements model.ports.images.Images."""

    def __init__(self, jobs: Jobs, *, program: str = "qemu-img") -> None:
        """Own none of the jobs."""
        self._jobs = jobs
        self._program = program

    async def create(self, image: NewImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> None:
        """Make an image where nothing is yet, as that user."""
        place = Workplace(user, posixpath.dirname(image.path), image.device)
        await self._run(create_arguments(image), place, image.path, listener, timeout_s, _Keys([image.passphrase]))

    async def measure(self, source: SourceImage, *, user: ShareUser, listener: JobListener, timeout_s: float) -> int:
        """Bytes that a copy takes at most, whose empty parts stay empty."""
        place, path = Workplace(user, _FOLDER_OF_NOTHING, reads_all=True), source.layers[0].path
        finished = await self._run(measure_arguments(source), place, path, listener, timeout_s, _Keys.of(source))
        try:
            return int(json.loads(finished.stdout)["required"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            said = f"qemu-img measure says what is not understood of {path}"
            raise ModelError(Reason.INTERNAL, said, metadata={"path": path}) from error

    async def copy(
        self,
        source: SourceImage,
        target: NewImage,
        *,
        user: ShareUser,
        listener: JobListener,
        copied: Callable[[float], None],
        timeout_s: float,
    ) -> None:
        """Write into an image that was just made what another holds."""

        def heard(words: bytes) -> None:
            if percents := _PERCENT.findall(words):
                copied(float(percents[-1]) / 100)

        place = Workplace(user, posixpath.dirname(target.path), target.device, reads_all=True)
        keys = _Keys.of(source, target)

        async def write(cache: str) -> None:
            arguments = copy_arguments(source, target, cache=cache)
            await self._run(arguments, place, target.path, listener, timeout_s, keys, heard=heard)

        try:
            await write(_DIRECT)
        except ModelError as error:
            if _NOT_DIRECT not in error.message:
                raise
            await write(_BY_PAGES)

    async def resize(
        self, image: ImageFile, change: Resizing, *, user: ShareUser, listener: JobListener, timeout_s: float
    ) -> None:
        """Change an image's capacity, as that user."""
        place = Workplace(user, posixpath.dirname(image.path), image.device)
        await self._run(resize_arguments(image.path, change), place, image.path, listener, timeout_s, _Keys())

    async def _run(
        self,
        arguments: Sequence[str],
        place: Workplace,
        path: str,
        listener: JobListener,
        timeout_s: float,
        keys: "_Keys",
        heard: Callable[[bytes], None] = unheard,
    ) -> Finished:
        argv = [self._program, *arguments]
        finished = await self._jobs.run(
            argv, place, listener=listener, timeout_s=timeout_s, heard=heard, inputs=keys.values
        )
        if finished.status != 0:
            raise failure(self._program, finished.words, finished.status or 0, path)
        return finished


class _Keys:
    """The passphrases of a command, which names each by where it finds it: everybody may read a command's words."""

    def __init__(self, passphrases: Iterable[SecretValue | None] = ()) -> None:
        self._known = list(dict.fromkeys(value for value in passphrases if value is not None))

    @classmethod
    def of(cls, source: SourceImage, target: NewImage | None = None) -> "_Keys":
        """Those of what is read, and of what is written."""
        return cls([*(layer.passphrase for layer in source.layers), target.passphrase if target is not None else None])

    @property
    def values(self) -> list[bytes]:
        """What the program finds in its inputs."""
        return [value.reveal for value in self._known]

    @property
    def arguments(self) -> list[str]:
        """The words that tell where each is."""
        objects = (f"secret,id={_key(index)},file={input_name(index)}" for index in range(len(self._known)))
        return [word for described in objects for word in ("--object", described)]

    def name(self, passphrase: SecretValue) -> str:
        """What it is called within the command."""
        return _key(self._known.index(passphrase))


def _key(index: int) -> str:
    return f"key{index}"


def create_arguments(image: NewImage) -> list[str]:
    """What follows the program's name, in the image's folder. Paths begin so that none is taken for a protocol's."""
    options = [*_layout(image.options)]
    if image.format in PREALLOCATED_FORMATS | {LUKS}:
        preallocation = image.preallocation or ("falloc" if image.allocated else "off")
        options.append(f"preallocation={preallocation}")
    if image.format == "vpc":  # it would be as large as the geometry of some disk
        options.append("force_size=on")
    keys = _Keys([image.passphrase])
    arguments = ["create", "-q", "-f", image.format, *keys.arguments]
    if image.passphrase is not None:
        key = keys.name(image.passphrase)
        if image.format == LUKS:
            options.append(f"key-secret={key}")
        else:
            options += ["encrypt.format=luks", f"encrypt.key-secret={key}"]
    if options:
        arguments += ["-o", ",".join(options)]
    if (backing := image.backing_store) is not None:
        arguments += ["-b", backing.path, "-F", backing.format or "raw"]
    return [*arguments, "--", _own_name(image.path), str(image.size_bytes)]


def measure_arguments(source: SourceImage) -> list[str]:
    """What follows the program's name. What a qcow2 copy takes is what any other does, and a little more."""
    keys = _Keys.of(source)
    return ["measure", *_forced(source), *keys.arguments, "-O", "qcow2", "--output=json", "--", _read(source, keys)]


def copy_arguments(source: SourceImage, target: NewImage, *, cache: str) -> list[str]:
    """What follows the program's name, in the target's folder. The data are safe on the storage when it has ended."""
    keys = _Keys.of(source, target)
    # What was never written in a luks container is noise.
    is_zero = [] if target.format == LUKS else ["--target-is-zero"]
    into = ["-n", *is_zero, "-t", cache, "-O", target.format]
    return [
        "convert",
        "-p",
        *_forced(source),
        *keys.arguments,
        *into,
        "--",
        _read(source, keys),
        _written(target, keys),
    ]


def _layout(options: ImageOptions) -> Iterator[str]:
    if options.compat:
        yield f"compat={options.compat}"
    if options.cluster_size_bytes is not None:
        yield f"cluster_size={options.cluster_size_bytes}"
    if options.nocow:
        yield "nocow=on"
    for feature in options.features:
        yield f"{feature}=on"


def resize_arguments(path: str, change: Resizing) -> list[str]:
    """As create_arguments, to change an image's capacity. Its format is told, or a raw one could pretend another."""
    arguments = ["resize", "-q", "-f", change.format]
    if change.shrinks:
        arguments.append("--shrink")
    elif change.allocate:
        arguments.append("--preallocation=falloc")
    return [*arguments, "--", _own_name(path), str(change.capacity_bytes)]


def _own_name(path: str) -> str:
    return f"./{posixpath.basename(path)}"


def _forced(source: SourceImage) -> list[str]:
    return ["-U"] if source.forced else []


def _read(source: SourceImage, keys: _Keys) -> str:
    """An image by all of its layers, so that nothing is guessed, and no file is opened that a header names."""
    node: dict[str, Any] | None = None
    for layer in reversed(source.layers):
        below = {} if layer.format in {"raw", LUKS} else {"backing": node}
        node = _node(layer.format, _file(layer), layer.passphrase, keys) | below
    return f"json:{json.dumps(node)}"


def _written(target: NewImage, keys: _Keys) -> str:
    name = _own_name(target.path)
    if target.passphrase is None:
        return name
    return f"json:{json.dumps(_node(target.format, {'driver': 'file', 'filename': name}, target.passphrase, keys))}"


def _node(driver: str, file: dict[str, Any], passphrase: SecretValue | None, keys: _Keys) -> dict[str, Any]:
    node = {"driver": driver, "file": file}
    if passphrase is None:
        return node
    key = keys.name(passphrase)
    return node | ({"key-secret": key} if driver == LUKS else {"encrypt": {"format": "luks", "key-secret": key}})


def _file(layer: Layer) -> dict[str, Any]:
    return {"driver": "host_device" if layer.is_block else "file", "filename": layer.path}
