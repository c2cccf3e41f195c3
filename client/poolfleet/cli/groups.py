"""The groups of verbs, and the modules that hold them: a group is loaded when a word of it is first used."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


@dataclass(frozen=True, slots=True)
class GroupOfVerbs:
    """A group: what `--help` says of it, its modules (the first makes `app`), and the other names that people try."""

    about: str
    modules: tuple[str, ...]
    also: tuple[str, ...]

    def load(self) -> typer.Typer:
        """Import the modules; each adds its verbs."""
        loaded = [import_module(f"poolfleet.cli.{name}") for name in self.modules]
        app: typer.Typer = loaded[0].app
        return app


GROUPS = {
    "pool": GroupOfVerbs(
        "Storage pools: define, start, look at and forget them.",
        ("pool.reads", "pool.changes", "pool.update", "pool.actions", "pool.probe", "pool.discover", "pool.events"),
        ("pools",),
    ),
    "volume": GroupOfVerbs(
        "Storage volumes: create, clone, resize, wipe and delete them.",
        ("volume.reads", "volume.disk_xml", "volume.changes", "volume.clone", "volume.contents"),
        ("vol", "vols", "volumes"),
    ),
    "storage": GroupOfVerbs(
        "Storages: what lies behind the pools of one or more hosts.", ("storage.verbs",), ("storages",)
    ),
    "secret": GroupOfVerbs("Secrets of libvirt's: set, list and delete them.", ("secret.verbs",), ("secrets",)),
    "inventory": GroupOfVerbs(
        "What the whole fleet stores, shared storages once.",
        (
            "inventory.show",
            "inventory.unmanaged",
            "inventory.duplicates",
            "inventory.sync",
            "inventory.query",
            "inventory.export",
        ),
        ("inv",),
    ),
    "operation": GroupOfVerbs(
        "Changes under way, and those of the last day.", ("operation.verbs",), ("op", "ops", "operations")
    ),
    "host": GroupOfVerbs("Hosts of the fleet and their agents.", ("host.verbs",), ("hosts",)),
    "config": GroupOfVerbs("What this command line works with.", ("config",), ()),
}
_BY_OTHER_NAME = {other: name for name, group in GROUPS.items() for other in group.also}


def canonical(word: str) -> str:
    """Return the group's own name for any of its names; another word as it is."""
    return _BY_OTHER_NAME.get(word, word)
