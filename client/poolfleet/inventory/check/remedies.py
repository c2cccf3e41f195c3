"""What to do about a finding, as command lines of `poolfleet` that can be run as they are."""

from __future__ import annotations

import shlex

from poolfleet.inventory.identity import Joined
from poolfleet.inventory.seen import PoolSeen
from poolfleet.types.pool import StorageIdSource
from poolfleet.types.pool_spec import PoolMount

Commands = tuple[str, ...]


def start(seen: PoolSeen) -> Commands:
    """Start it."""
    return (_on(seen, "pool", "start", seen.pool.name),)


def probe(seen: PoolSeen) -> Commands:
    """See which layer keeps it from working."""
    return (_on(seen, "pool", "probe", seen.pool.name),)


def autostart(seen: PoolSeen) -> Commands:
    """Have it started with the host."""
    return (_on(seen, "pool", "autostart", seen.pool.name),)


def store(seen: PoolSeen) -> Commands:
    """Store the definition of a transient pool."""
    definition = _on(seen, "pool", "show", seen.pool.name, "--xml")
    return (f"{definition} | {_on(seen, 'pool', 'define', '--file', '-')}", *autostart(seen))


def make(host: str, model: PoolSeen) -> Commands:
    """Make the pool on a host that lacks it, as another has it."""
    definition = _on(model, "pool", "show", model.pool.name, "--xml", "--inactive")
    return (f"{definition} | {_command('pool', 'ensure', '--file', '-', '-H', host)}",)


def rename(seen: PoolSeen, model: PoolSeen) -> Commands:
    """Give it the name that it has elsewhere; libvirt renames no pool."""
    name = seen.pool.name
    stop = (_on(seen, "pool", "stop", name),) if seen.pool.active else ()
    forget = (_on(seen, "pool", "undefine", name),) if seen.pool.persistent else ()
    return (*stop, *forget, *make(seen.host.host, model))


def move(seen: PoolSeen, target: str) -> Commands:
    """Give it the target that it has elsewhere."""
    return (_on(seen, "pool", "update", seen.pool.name, "--target", target), *_again(seen))


def mount_alike(seen: PoolSeen, model: PoolSeen) -> Commands:
    """Have it mounted as elsewhere."""
    wanted, mine = model.pool.mount, seen.pool.mount
    if wanted is None or mine is None or _stated(wanted) == _stated(mine):
        # It is the server that makes the difference, or whoever mounted it.
        return probe(seen)
    if mine.options and not wanted.options:
        return (_on(seen, "pool", "edit", seen.pool.name), *_again(seen))
    options = [word for option in wanted.options for word in ("--mount-option", option)]
    if wanted.protocol_version != mine.protocol_version:
        options += ["--protocol-version", wanted.protocol_version]
    return (_on(seen, "pool", "update", seen.pool.name, *options), *_again(seen))


def identify(storage: Joined, seen: PoolSeen) -> Commands:
    """Give the storage an id of its own; where a person gave it one, see who has it."""
    if storage.source is StorageIdSource.DERIVED:
        return (_on(seen, "storage", "adopt", seen.pool.name),)
    return (_command("storage", "show", storage.storage_id),)


def look(host: str, pool: str) -> Commands:
    """See what the pool is."""
    return (_command("pool", "show", pool, "-H", host),)


def _stated(mount: PoolMount) -> tuple[tuple[str, ...], str]:
    return mount.options, mount.protocol_version


def _again(seen: PoolSeen) -> Commands:
    """What changed counts from the next start on."""
    return (_on(seen, "pool", "restart", seen.pool.name),) if seen.pool.active else ()


def _on(seen: PoolSeen, *words: str) -> str:
    return _command(*words, "-H", seen.host.host)


def _command(*words: str) -> str:
    return shlex.join(["poolfleet", *words])
