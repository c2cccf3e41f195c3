"""How a row tells its options: what virsh calls them, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from poolfleet.cli.virsh.rows import Command, Option, Words

# What options are given in examples, where a row says nothing else.
_VALUES = {
    "type": "dir",
    "source-protocol-ver": "4.2",
    "secret-uuid": "0fbb7aaf-1aa6-4ea3-8b8f-8ef1d3c6d8a1",
    "adapter-name": "scsi_host1",
    "adapter-parent": "scsi_host3",
    "adapter-parent-fabric-wwn": "2000000012341234",
    "source-initiator": "iqn.2026-01.com.example:kvm1",
    "host": "nfs.example.com",
    "port": "3261",
    "initiator": "iqn.2026-01.com.example:kvm1",
    "allocation": "1M",
    "format": "qcow2",
    "algorithm": "zero",
    "timeout": "10",
    "inputpool": "images",
    "offset": "1048576",
    "length": "1048576",
}


def one(name: str) -> Words:
    """Words that are the value of one option."""
    return lambda given: [given[name]]


def needs(*names: str) -> tuple[Option, ...]:
    """Options that have to be given, each with a value; a row says itself what becomes of them."""
    return tuple(Option(name=name, takes_value=True, required=True) for name in names)


def may(*names: str, beside: str = "", needs_device: bool = False, **renamed: str) -> tuple[Option, ...]:
    """Options with a value that may be left out: of the same name here, or `renamed`; empty: the row says it."""
    return tuple(
        Option(
            name=name,
            becomes=(new,) if new else (),
            takes_value=True,
            value=_VALUES.get(name, ""),
            beside=beside,
            needs_device=needs_device,
        )
        for name, new in _pairs(names, renamed)
    )


def switches(*names: str, beside: str = "", **renamed: str) -> tuple[Option, ...]:
    """Options without a value: of the same name here, or `renamed`, to several words perhaps."""
    return tuple(Option(name=name, becomes=tuple(new.split()), beside=beside) for name, new in _pairs(names, renamed))


def _pairs(names: Iterable[str], renamed: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """virsh's name of each option and ours; keyword arguments have no `-` in their names."""
    return [*((name, f"--{name}") for name in names), *((name.replace("_", "-"), new) for name, new in renamed.items())]


def refused(why: str, *names: str, takes_value: bool = False) -> tuple[Option, ...]:
    """Options that have no counterpart, and `why`."""
    return tuple(Option(name=name, refused=why, takes_value=takes_value) for name in names)


def coming(name: str, example: str, options: tuple[Option, ...] = ()) -> Command:
    """A command that is not there yet."""
    return Command(name=name, verb="", options=options, example=example, words=lambda given: [])


POOL = needs("pool")
VALIDATE = refused("libvirt checks the document anyway", "validate")
XPATH = (
    *refused("pipe the XML to `xmllint --xpath`", "xpath", takes_value=True),
    *refused("it goes with --xpath", "wrap"),
)
