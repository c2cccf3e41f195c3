"""The hosts of an Ansible inventory, as `ansible-inventory --list` tells them.

Only Ansible itself reads what people have rightly: YAML and INI with ranges and nested groups, group_vars beside them,
folders, and plugins that ask a cloud. So it is run, and what it writes is read; or what it wrote before into a file.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

PROGRAM = "ansible-inventory"
_LIMIT_S = 60.0
_META = "_meta"
_OF_ANSIBLE = frozenset({"all", "ungrouped"})


class AnsibleError(ValueError):
    """The inventory cannot be had or understood; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleHost:
    """What the inventory says of one host."""

    name: str
    target: str
    site: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class _Group(BaseModel):
    hosts: list[str] = []
    children: list[str] = []


class _Variables(BaseModel, strict=True):
    """Those of a host that count here."""

    ansible_host: str = ""
    poolfleet_target: str = ""
    poolfleet_site: str | None = None
    poolfleet_labels: dict[str, str] = {}


class _Meta(BaseModel):
    hostvars: dict[str, dict[str, object]] = {}


_DOCUMENT = TypeAdapter(dict[str, dict[str, object]])


def ansible_hosts(inventory: Path, *, group: str, port: int) -> list[AnsibleHost]:
    """The hosts of a group, in Ansible's order; a file that ends in `.json` is the output of the program already.

    A host's target is its variable `poolfleet_target`, else `ansible_host` or its name, at `port`. Labels are its
    groups, each with the value `yes`, and `poolfleet_labels`. Raises AnsibleError.
    """
    text = _read(inventory) if inventory.suffix == ".json" else _told(inventory)
    try:
        document = _DOCUMENT.validate_json(text)
        meta = _Meta.model_validate(document.pop(_META, {}))
        groups = {name: _Group.model_validate(told) for name, told in document.items()}
    except ValidationError as error:
        raise AnsibleError(f"{inventory} is not what {PROGRAM} --list writes: {error.errors()[0]['msg']}") from error
    if group not in groups:
        raise AnsibleError(f"{inventory} has no group {group}")
    members = {name: list(dict.fromkeys(_members(groups, name, set()))) for name in groups}
    return [
        _host(name, meta.hostvars.get(name, {}), [each for each, those in members.items() if name in those], port)
        for name in members[group]
    ]


def _members(groups: Mapping[str, _Group], name: str, above: set[str]) -> Iterator[str]:
    """The hosts of a group and of those below it."""
    found = groups.get(name)
    if found is None or name in above:
        return
    yield from found.hosts
    for child in found.children:
        yield from _members(groups, child, above | {name})


def _host(name: str, said: Mapping[str, object], groups: list[str], port: int) -> AnsibleHost:
    try:
        variables = _Variables.model_validate(said)
    except ValidationError as error:
        one = error.errors()[0]
        raise AnsibleError(f"host {name}: {'.'.join(map(str, one['loc']))}: {one['msg']}") from error
    address = variables.ansible_host or name
    address = f"[{address}]" if ":" in address and not address.startswith("[") else address
    target = variables.poolfleet_target or f"{address}:{port}"
    if "{{" in target:
        raise AnsibleError(f"host {name}: {PROGRAM} does not evaluate templates: set poolfleet_target, not {target!r}")
    labels = {group: "yes" for group in groups if group not in _OF_ANSIBLE}
    return AnsibleHost(
        name=name, target=target, site=variables.poolfleet_site, labels=labels | variables.poolfleet_labels
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise AnsibleError(f"{file}: {error.strerror}") from error


def _told(inventory: Path) -> bytes:
    """What the program writes of it."""
    # A name with a comma would be taken for a list of hosts.
    if not inventory.exists() or "," in str(inventory):
        raise AnsibleError(f"{inventory} is no file or folder, or has a comma in its path")
    program = which(PROGRAM)
    if program is None:
        raise AnsibleError(
            f"{PROGRAM} is not installed: `pip install ansible-core`, or keep its output in a .json file"
        )
    command = [program, "--list", "--inventory", str(inventory.absolute())]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AnsibleError(f"{PROGRAM} --list of {inventory}: {error}") from error
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise AnsibleError(f"{PROGRAM} --list of {inventory} failed: {words[-1000:] or done.returncode}")
    return done.stdout


class AnsibleTable(BaseModel, extra="forbid", strict=True, frozen=True):
    """The table `[ansible]` of a fleet file."""

    inventory: str
    group: str = "all"
    port: int = Field(default=7443, gt=0, lt=65536)

    def hosts_from(self, folder: Path) -> list[AnsibleHost]:
        """Its hosts. Raises AnsibleError."""
        return ansible_hosts(folder / Path(self.inventory).expanduser(), group=self.group, port=self.port)
