"""What the host's mounts say of its pools: on which server they depend, and the health of what lies at their targets.

All but what is a coroutine answers from memory, so that everything about a dead share is answered at once.
"""

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from poolfleet_agent.inventory.links import Links, backing_path
from poolfleet_agent.inventory.servers import Servers
from poolfleet_agent.inventory.snapshot import VolumeRecord
from poolfleet_agent.model.compare import clean_path
from poolfleet_agent.model.errors import ModelError, Reason
from poolfleet_agent.model.mount_table import MountEntry, Proof, prove
from poolfleet_agent.model.pool import (
    DIRECTORY_POOL_TYPES,
    HealthStatus,
    MountOwner,
    PoolDefinition,
    PoolFacts,
    PoolHealth,
)
from poolfleet_agent.model.pool_source import NetfsSource
from poolfleet_agent.model.ports import Clock, Files, MountWatch
from poolfleet_agent.model.quarantine import Use, refusal

SUSPECT_WAIT_S = 2.0
"""How long who needs a suspect pool waits for its next probe."""

PROBES_TO_BE_DEAD = 2
"""So many in a row without an answer, and a mount is taken for dead (model/mount_health)."""

UNKNOWN_NAME_HOLDS_S = 300.0
"""How long a name that nobody knew is not asked for again: a resolver that drops packets takes seconds each time."""

T = TypeVar("T")


@dataclass(kw_only=True)
class PoolMounts:
    """`addresses` asks what a server's name means; `belongs` says which source was once seen under a target."""

    watch: MountWatch
    files: Files
    clock: Clock
    addresses: Callable[[str], Awaitable[Sequence[str]]]
    belongs: Callable[[str], str]
    saw: Callable[[str, str], Awaitable[None]]
    """Remembers that a source lies under the target of a pool that others mount."""
    owner_of: Callable[[str], MountOwner | None] = lambda target: None
    """Who is known to have mounted what is on a target."""
    saw_share: Callable[[str, NetfsSource], Awaitable[None]] | None = None
    """Remembers the share of a pool that was started before we saw it, where nothing is known of it."""
    _servers: Servers = field(default_factory=Servers)
    _unknown_until_s: dict[str, float] = field(default_factory=dict)
    _real: dict[str, str] = field(default_factory=dict)
    _proofs: dict[tuple[MountEntry, NetfsSource], Proof] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing is learnt yet."""
        self.links = Links(files=self.files, watch=self.watch, clock=self.clock)

    async def learn(self, definition: PoolDefinition) -> None:
        """Find out what cannot be told at once: where links lead, and whose address a mount's is."""
        target = definition.target_path
        if not target or definition.type not in DIRECTORY_POOL_TYPES:
            return
        try:
            self._real[target] = await self.files.real_path(target)
        except ModelError:
            return  # what was known of it stays
        entry = self.watch.table().on(self._real[target])
        await self._learn_server(definition, entry)
        if isinstance(definition.source, NetfsSource):
            if entry is not None:
                await self._learn_proof(entry, definition.source)
        elif (mount := self.watch.holding(self._real[target])) is not None:
            await self.saw(target, mount.source)

    async def learn_owner(self, facts: PoolFacts) -> None:
        """Note who mounted the share of a pool that is active, where we have not heard of it."""
        source, target = facts.definition.source, facts.definition.target_path
        if self.saw_share is None or not facts.active or not target or not isinstance(source, NetfsSource):
            return
        if self.owner_of(target) is None and self.watch.table().on(self._target(facts.definition) or "") is not None:
            await self.saw_share(target, source)

    def owner(self, definition: PoolDefinition) -> MountOwner | None:
        """Who mounted what is on the target of a netfs pool; None: nothing is, or it is not known."""
        target = self._target(definition)
        if target is None or not isinstance(definition.source, NetfsSource) or self.watch.table().on(target) is None:
            return None
        return self.owner_of(definition.target_path or "")

    def server(self, definition: PoolDefinition) -> str | None:
        """The server that calls for a pool may hang on, whatever its type, the same for each of its spellings.

        None: a local pool.
        """
        entry = self.mount(definition)
        if entry is None:
            return self._servers.one(definition.server) if definition.server is not None else None
        return self._server_of(entry)

    def server_below(self, volumes: Iterable[VolumeRecord]) -> str | None:
        """The server that libvirt asks for these volumes' backing files; None: they have none, or local ones."""
        if not self.watch.table().network():
            return None
        paths = {self.links.follow(path) for volume in volumes if (path := backing_path(volume))}
        for folder in {posixpath.dirname(path) for path in paths}:
            if (mount := self.watch.holding(folder)) is not None:
                return self._server_of(mount)
        return None

    def _server_of(self, mount: MountEntry) -> str:
        return self._servers.one(mount.address) if mount.address else mount.source

    def mount(self, definition: PoolDefinition) -> MountEntry | None:
        """The network mount that a pool's target lies on; None: it is local."""
        return self.place(definition)[1]

    def place(self, definition: PoolDefinition) -> tuple[str, MountEntry | None]:
        """A pool's target without symbolic links (empty: it is no directory), and the network mount that it lies on."""
        target = self._target(definition)
        return (target, self.watch.holding(target)) if target else ("", None)

    def health(self, definition: PoolDefinition) -> PoolHealth | None:
        """What the mount at an active pool's target says; None: nothing, it is local or not probed yet."""
        target = self._target(definition)
        if target is None:
            return None
        mount = self.watch.health(target)
        if mount is not None and mount.status in {HealthStatus.SUSPECT, HealthStatus.UNRESPONSIVE}:
            fault = None
        else:
            fault = self._fault(definition, target)
        if fault is not None or mount is None:
            return fault
        return PoolHealth(
            status=mount.status,
            reason=mount.reason,
            message=f"{target}: {mount.message}" if mount.message else "",
            since_s=mount.since_s,
            probed_at_s=mount.probed_at_s,
        )

    def unmounted(self, definition: PoolDefinition) -> ModelError | None:
        """Why a dir pool must not be started or built: what was seen under its target is not mounted. None: it may."""
        if isinstance(definition.source, NetfsSource) or (target := self._target(definition)) is None:
            return None
        fault = self._fault(definition, target)
        return refusal(definition.name, fault, Use.WRITE)

    def unusable_targets(self) -> tuple[str, ...]:
        """Where network mounts are that do not answer, or missed their last probe."""
        return tuple(entry.target for entry in (*self.watch.unresponsive(), *self.watch.suspect()))

    async def settled(self, definition: PoolDefinition) -> PoolHealth | None:
        """As health; the next probe of a suspect mount is waited for."""
        health = self.health(definition)
        if health is not None and health.status is HealthStatus.SUSPECT:
            await self.watch.wait_for_next_probe(self._target(definition) or "", SUSPECT_WAIT_S)
            health = self.health(definition)
        return health

    async def silent_mount(self, definition: PoolDefinition) -> MountEntry | None:
        """The network mount that a pool lies on, if that does not answer: known, or found by asking it twice now."""
        mount = self.mount(definition)
        if mount is None:
            return None
        health = await self.settled(definition)
        if health is not None and health.status is HealthStatus.UNRESPONSIVE:
            return mount
        return mount if await self.silent([mount]) else None

    async def silent(self, entries: Iterable[MountEntry]) -> tuple[MountEntry, ...]:
        """Those network mounts that do not answer, however often they are asked now as makes one dead."""
        silent = tuple(entries)
        for _ in range(PROBES_TO_BE_DEAD):
            silent = await self.watch.silent_now(silent) if silent else ()
        return silent

    async def while_answering(self, definition: PoolDefinition | None, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work on a pool; it is given up as soon as the pool's share does not answer: POOL_UNRESPONSIVE."""
        target = self._target(definition) if definition is not None else None
        if definition is None or target is None or self.watch.holding(target) is None:
            return await work
        working = asyncio.ensure_future(work)
        dying = asyncio.ensure_future(self.watch.until_unresponsive(target))
        try:
            await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and (error := refusal(definition.name, self.health(definition), Use.READ)):
                raise error
            return await working
        finally:
            working.cancel()
            dying.cancel()
            await asyncio.gather(working, dying, return_exceptions=True)

    def _target(self, definition: PoolDefinition) -> str | None:
        target = definition.target_path
        if not target or definition.type not in DIRECTORY_POOL_TYPES:
            return None
        return self._real.get(target) or clean_path(target)

    def _fault(self, definition: PoolDefinition, target: str) -> PoolHealth | None:
        source = definition.source
        if isinstance(source, NetfsSource):
            proof = self._proof(target, source)
            if proof is Proof.UNMOUNTED:
                return self._faulty(Reason.UNMOUNTED, f"nothing is mounted on {target}")
            if proof is Proof.WRONG_SHARE:
                return self._faulty(Reason.WRONG_SHARE, f"what is on {target} is not {source.host}:{source.path}")
        elif (source_before := self.belongs(definition.target_path or "")) and self.watch.holding(target) is None:
            return self._faulty(Reason.UNMOUNTED, f"{source_before} was under {target}, and is not mounted")
        return None

    def _faulty(self, reason: Reason, message: str) -> PoolHealth:
        now_s = self.clock.now_s()
        return PoolHealth(status=HealthStatus.FAULTY, reason=reason, message=message, since_s=now_s, probed_at_s=now_s)

    def _proof(self, target: str, source: NetfsSource) -> Proof:
        table = self.watch.table()
        entry = table.on(target)
        if entry is None:
            return Proof.UNMOUNTED
        if source.format == "glusterfs":
            return Proof.RIGHT  # libvirt mounts it, and the kernel tells no export
        known = self._proofs.get((entry, source))
        # Until the server's name was looked up, only the export tells; a mount never changes its server.
        return known or prove(table, target, source, (entry.address,))

    async def _learn_server(self, definition: PoolDefinition, entry: MountEntry | None) -> None:
        """A mount tells its server's address itself; of a pool that is not mounted the resolver knows it."""
        if not isinstance(definition.source, NetfsSource):
            return
        host = definition.source.host
        address = entry.option("addr") if entry is not None else None
        if address:
            if self._servers.one(host) != self._servers.one(address):
                self._servers.learn(host, {address})
        elif not self._servers.knows(host) and self.clock.monotonic_s() >= self._unknown_until_s.get(host, 0.0):
            found = await self.addresses(host)
            if not found:
                self._unknown_until_s[host] = self.clock.monotonic_s() + UNKNOWN_NAME_HOLDS_S
            self._servers.learn(host, found)

    async def _learn_proof(self, entry: MountEntry, source: NetfsSource) -> None:
        table = self.watch.table()
        key = (entry, source)
        if key in self._proofs or prove(table, entry.target, source, ()) is Proof.RIGHT:
            return
        if addresses := await self.addresses(source.host):
            mounted = set(table.entries)
            self._proofs = {old: proof for old, proof in self._proofs.items() if old[0] in mounted}
            self._proofs[key] = prove(table, entry.target, source, addresses)
